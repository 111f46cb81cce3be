"""``rlaif_v``: several answers, divided into claims that a labeller affirms or denies; fewer denials win."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    rejection,
    untrue,
)
from data_builders.preference.balancing import balance_file
from data_builders.prompted.base import Kit, PromptedBuilder, Source
from data_builders.prompted.parsing import TEXT, array, json_object, record_of, text_list
from data_builders.teachers.base import UnusableError
from data_builders.teachers.building import Built, Rejection, Steps
from mmtune.records import Turn

NAME = "rlaif_v"
_MOST_CLAIMS = 30
_SCHEMA = record_of(claims=array(TEXT, 1, _MOST_CLAIMS))
_VERDICT = re.compile(r"(yes|no)[.!]?", re.IGNORECASE)


@dataclass(frozen=True)
class Judged:
    """An answer with its claims and what the labeller said of each."""

    text: str
    claims: tuple[str, ...]
    affirmed: tuple[bool, ...]

    @property
    def score(self) -> int:
        """0 where no claim is denied, else as many below it.

        Source: the scores of RLAIF-V's pipeline.
        """
        return sum(self.affirmed) - len(self.affirmed)

    def labels(self) -> dict[str, str]:
        """Claim -> "1" or "0", as the pipeline writes it."""
        return {claim: str(int(yes)) for claim, yes in zip(self.claims, self.affirmed, strict=True)}


def read_claims(text: str) -> list[str]:
    """The claims of an answer."""
    return text_list(json_object(text, ["claims"])["claims"], 1, _MOST_CLAIMS)


def says_yes(text: str) -> bool:
    """The labeller's verdict.

    Raises:
        UnusableError: for anything but yes or no.
    """
    found = _VERDICT.fullmatch(text.strip())
    if found is None:
        raise UnusableError("the verdict is neither yes nor no")
    return found[1].lower() == "yes"


def steps(source: Source, kit: Kit) -> Steps:
    """Candidates; one request for the claims of each; one for each claim."""
    pictures = pictures_of(source, kit)
    instruction = draws_of(kit, source, NAME).choice(instructions())
    prompt = prompt_of(source, instruction=instruction)
    question = question_in(prompt)
    facts = {**facts_for(source, pictures), "question": question}
    answers = different((yield candidate_requests(kit, facts, pictures)))
    if len(answers) < 2:
        return Built((), (rejection(source, SAME, answers[0]),))
    divided = yield [
        kit.request("rlaif_v_divide", {**facts, "answer": answer}, accept=read_claims, schema=_SCHEMA)
        for answer in answers
    ]
    claims = [tuple(read_claims(reply.text)) for reply in divided]
    every = list(dict.fromkeys(itertools.chain(*claims)))
    verdicts = yield [
        kit.request("rlaif_v_label", {**facts, "claim": claim}, accept=says_yes, pictures=pictures)
        for claim in every
    ]
    says = {claim: says_yes(reply.text) for claim, reply in zip(every, verdicts, strict=True)}
    judged = [
        Judged(answer, own, tuple(says[claim] for claim in own))
        for answer, own in zip(answers, claims, strict=True)
    ]
    return _pairs(source, kit, prompt, question, judged)


def _pairs(
    source: Source, kit: Kit, prompt: Sequence[Turn], question: str, judged: Sequence[Judged]
) -> Built:
    rows, rejected = list[Mapping[str, Any]](), list[Rejection]()
    lowest = min(one.score for one in judged)
    wrong = {one.text: untrue(source, question, one.text) for one in judged}
    for one in judged:
        if wrong[one.text] and one.score > lowest:
            rejected.append(not_chosen(source, wrong[one.text], one.text))
    for better, worse in itertools.permutations(judged, 2):
        if better.score <= worse.score or wrong[better.text]:
            continue
        labels = {"chosen": better.labels(), "rejected": worse.labels()}
        denied = [claim for claim, label in worse.labels().items() if label == "0"]
        row = pair_row(
            kit,
            NAME,
            source,
            prompt,
            (better.text, worse.text),
            facts=[{"text": claim, "label": label} for claim, label in better.labels().items()],
            edits=[{"kind": "claim", "false": claim, "shown_by": "labeller"} for claim in denied],
            margin=float(better.score - worse.score),
            suffix=f"-{len(rows) + 1}",
            unit=source.id,
            scores={
                side: {"judge": labels[side], "score": score}
                for side, score in (("chosen", better.score), ("rejected", worse.score))
            },
        )
        rows.append(row)
    if not rows and not rejected:
        rejected.append(rejection(source, "no candidate is better than another", judged[0].text))
    return Built(tuple(rows), tuple(rejected))


BUILDER = PromptedBuilder(
    NAME,
    needs="captions, objects or the images; with records, their questions",
    makes="pairs of sampled answers, scored claim by claim by a labeller, with balanced lengths",
    paper="RLAIF-V, arXiv 2405.17220",
    steps=steps,
    rules={
        "candidate": offline.flawed,
        "rlaif_v_divide": offline.sentences_of,
        "rlaif_v_label": offline.scene_says,
    },
    prompts=PROMPTS,
    takes=frozenset({"candidates"}),
    labelled=frozenset({"rlaif_v_divide", "rlaif_v_label"}),
    finish=balance_file,
)
