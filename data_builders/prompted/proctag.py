"""``proctag``: the steps that an instruction takes become tags, which choose a varied and demanding part."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from data_builders.prompted import offline
from data_builders.prompted.base import Kit, PromptedBuilder, Source
from data_builders.prompted.contexts import page
from data_builders.prompted.mmevol import first_pair
from data_builders.prompted.parsing import TEXT, array, json_object, record_of, sentence
from data_builders.teachers.base import UnusableError
from data_builders.teachers.building import Built, Steps
from mmtune.records import to_llava

NAME = "proctag"
_STEP = re.compile(r"([a-z][a-z ]{1,30}): \S.*")


def program(text: str) -> list[str]:
    """The steps, each an operation and what it works on."""
    found = json_object(text, ["steps"])["steps"]
    if not isinstance(found, list) or not 1 <= len(found) <= 20:
        raise UnusableError("this is not a list of 1 to 20 steps")
    listed = [sentence(step) for step in found]
    if not all(_STEP.fullmatch(step) for step in listed):
        raise UnusableError("a step is not 'operation: object'")
    return listed


def tags_of(steps_: Sequence[str]) -> list[str]:
    """The operations, in order, each once."""
    return list(dict.fromkeys(step.partition(":")[0].strip() for step in steps_))


def steps(source: Source, kit: Kit) -> Steps:
    """One request; the record stays as it is and gets ``tags`` and ``complexity``."""
    record = source.the_record()
    question, answer = first_pair(record)
    facts = {"page": page(source.scene), "question": question, "answer": answer}
    schema = record_of(steps=array(TEXT, 1, 20))
    (reply,) = yield [
        kit.request(
            "proctag_program", facts, accept=program, schema=schema, pictures=kit.pictures(source.scene)
        )
    ]
    found = program(reply.text)
    more = {"program": found, "tags": tags_of(found), "complexity": len(found)}
    return Built(({**to_llava(record), **more},))


def choose(rows: Sequence[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """A part that covers many tags, the more complex first.

    Rows are gone through by falling complexity; one is taken where it adds a tag that no taken one has. When
    all have been gone through, the tags count as new again, until ``count`` rows are taken.

    Args:
        rows: with ``tags`` and ``complexity``.
        count: how many to choose; all where there are not as many.

    Source: the complexity-first diverse sampling of InsTag, which ProcTag uses.
    """
    left = sorted(range(len(rows)), key=lambda place: (-int(rows[place]["complexity"]), place))
    taken: list[int] = []
    while left and len(taken) < count:
        covered: set[str] = set()
        passed = []
        for place in left:
            tags = set(rows[place]["tags"])
            if len(taken) < count and (not tags <= covered or not tags):
                taken.append(place)
                covered |= tags
            else:
                passed.append(place)
        left = passed
    return [rows[place] for place in sorted(taken)]


BUILDER = PromptedBuilder(
    NAME,
    needs="records about documents, and OCR lines",
    makes="the same records with tags of their steps",
    paper="ProcTag, arXiv 2407.12358",
    steps=steps,
    rules={"proctag_program": offline.program},
)
