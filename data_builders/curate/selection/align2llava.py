"""The best answers of the best questions, by two reward models.

Source: Huang et al., "Align²LLaVA": rewards learned from people's preferences choose first among questions,
then among the answers to those that were kept. (That answers are afterwards rewritten in the words of the
model that learns from them is ``data_builders.curate.restyle``.)
"""

from __future__ import annotations

import math

from data_builders.curate.selection.base import Pool, Settings, descending


def choose(pool: Pool, count: int, seed: int, settings: Settings) -> list[int]:
    """Both steps keep the same share of what they see; ``complexity`` is the reward of the questions."""
    questions = pool.column(settings.complexity, "--complexity")
    answers = pool.column(settings.quality, "--quality")
    kept = min(pool.size, max(count, math.ceil(math.sqrt(count * pool.size))))
    best = descending(questions)[:kept]
    return sorted(best, key=lambda place: (-answers[place], place))[:count]
