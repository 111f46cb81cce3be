"""Options of items, for answering by choice: what the model chooses between, and what that means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from eval.tasks import Item, Task

How = Literal["generate", "next_token", "likelihood"]
"""``generate`` an answer, or let the model choose between options: by their first tokens after one pass over
the question (``next_token``), or by the likelihood of all their tokens (``likelihood``)."""

YES_NO_TASKS = frozenset({"pope", "mme", "amber"})
"""Tasks whose protocol asks for yes or no."""


@dataclass(frozen=True)
class Options:
    """What the model chooses between."""

    texts: Mapping[str, str]
    """The answer as it is scored → the text that the model is asked about, two or more."""
    prompt: str | None = None
    """The question for them, where it is another than for generating."""


def options_of(task: Task, item: Item, how: How) -> Options | None:
    """The options of an item, or None where the answer can only be generated.

    A task tells them itself by a method ``options(item, how)``. Otherwise they are yes and no where the
    protocol asks for that. Where the truth knows options by letter, the next token chooses a letter, and
    likelihood ranks the options' own texts behind the question alone, as SEED-Bench's protocol does.
    """
    if how == "generate":
        return None
    find = getattr(task, "options", None)
    if find is not None:
        found: Options | None = find(item, how)
        return found
    if task.config.task in YES_NO_TASKS:
        return Options({"Yes": "Yes", "No": "No"})
    known: Mapping[str, str] = getattr(item.truth, "options", None) or {}
    if len(known) < 2:
        return None
    listed = "".join(f"\n{letter}. {text}" for letter, text in known.items())
    if how == "likelihood" and item.question.endswith(listed):
        return Options(known, item.question.removesuffix(listed))
    return Options({letter: letter for letter in known})
