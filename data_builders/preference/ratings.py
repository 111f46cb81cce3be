"""``ratings``: several answers, each rated by five metrics; the best against the worst."""

from __future__ import annotations

from collections.abc import Mapping

from data_builders.preference import offline
from data_builders.preference.asking import (
    PROMPTS,
    SAME,
    candidate_requests,
    different,
    draws_of,
    facts_for,
    instructions,
    not_chosen,
    pair_row,
    pictures_of,
    prompt_of,
    question_in,
    refuted,
    rejection,
    untrue,
)
from data_builders.preference.balancing import balance_file
from data_builders.prompted.base import Kit, PromptedBuilder, Source
from data_builders.prompted.parsing import json_object, number, record_of
from data_builders.teachers.building import Built, Rejection, Steps

NAME = "ratings"
METRICS = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
DECIDING = METRICS[:3]
"""Those that say how good an answer is; the other two only what kind it is.

Source: the released code of multi-modal preference alignment adds up the first three.
"""
WORST, BEST = 0, 4
LEAST_GAP = 2
"""Between the sums of the deciding metrics of two answers that make a pair."""
_SCHEMA = record_of(**{name: {"type": "integer", "minimum": WORST, "maximum": BEST} for name in METRICS})


def read_ratings(text: str) -> dict[str, int]:
    """All five metrics, whole numbers from 0 to 4."""
    row = json_object(text, METRICS)
    return {name: number(row[name], WORST, BEST) for name in METRICS}


def goodness(rated: Mapping[str, int]) -> int:
    """The sum of the deciding metrics, 0 to 12."""
    return sum(rated[name] for name in DECIDING)


def steps(source: Source, kit: Kit) -> Steps:
    """Candidates, then one request for the ratings of each."""
    pictures = pictures_of(source, kit)
    instruction = draws_of(kit, source, NAME).choice(instructions())
    prompt = prompt_of(source, instruction=instruction)
    question = question_in(prompt)
    facts = {**facts_for(source, pictures), "question": question}
    answers = different((yield candidate_requests(kit, facts, pictures)))
    if len(answers) < 2:
        return Built((), (rejection(source, SAME, answers[0]),))
    replies = yield [
        kit.request(
            "ratings_rate",
            {**facts, "answer": answer},
            accept=read_ratings,
            schema=_SCHEMA,
            pictures=pictures,
        )
        for answer in answers
    ]
    rated = {answer: read_ratings(reply.text) for answer, reply in zip(answers, replies, strict=True)}
    order = sorted(answers, key=lambda answer: goodness(rated[answer]))
    rejected: list[Rejection] = []
    while order and (reasons := untrue(source, question, order[-1])):
        rejected.append(not_chosen(source, reasons, order.pop()))
    worst = min(answers, key=lambda answer: goodness(rated[answer]))
    gap = goodness(rated[order[-1]]) - goodness(rated[worst]) if order else 0
    if gap < LEAST_GAP:
        reason = f"no answer is better than another by {LEAST_GAP} points"
        return Built((), (*rejected, rejection(source, reason, worst)))
    best = order[-1]
    row = pair_row(
        kit,
        NAME,
        source,
        prompt,
        (best, worst),
        facts=[{"text": best}],
        edits=refuted(source, question, worst),
        margin=float(gap),
        ratings={"chosen": rated[best], "rejected": rated[worst]},
    )
    return Built((row,), tuple(rejected))


BUILDER = PromptedBuilder(
    NAME,
    needs="captions, objects or the images; with records, their questions",
    makes="pairs of sampled answers, rated by helpfulness, correctness, coherence, complexity, verbosity",
    paper="Multi-modal preference alignment, arXiv 2402.10884",
    steps=steps,
    rules={"candidate": offline.flawed, "ratings_rate": offline.rated},
    prompts=PROMPTS,
    takes=frozenset({"candidates"}),
    labelled=frozenset({"ratings_rate"}),
    finish=balance_file,
)
