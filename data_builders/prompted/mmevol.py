"""``mmevol``: rounds of evolution of a question, each kept only where it improves on its own parent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from data_builders.draws import Draws
from data_builders.prompted import offline
from data_builders.prompted.base import Kit, PromptedBuilder, Source, true_turns
from data_builders.prompted.contexts import known
from data_builders.prompted.parsing import TEXT, TRUTH, json_object, number, record_of, sentence, truth
from data_builders.teachers.base import UnusableError
from data_builders.teachers.building import Built, Rejection, Steps
from mmtune.records import IMAGE_PLACEHOLDER, Record

NAME = "mmevol"
KINDS = ("perception", "reasoning", "interaction")
ROUNDS = 3


def pair(text: str) -> tuple[str, str]:
    """A question and its answer."""
    row = json_object(text, ["question", "answer"])
    return sentence(row["question"]), sentence(row["answer"])


def verdict(text: str) -> tuple[bool, int, int, str]:
    """Whether the child improves on its parent, both scores, and why; one that scores less cannot improve."""
    row = json_object(text, ["parent", "child", "improved", "reason"])
    parent, child, improved = (
        number(row["parent"], 1, 10),
        number(row["child"], 1, 10),
        truth(row["improved"]),
    )
    if improved and child < parent:
        raise UnusableError("the verdict calls a child better whose score is lower")
    return improved, parent, child, sentence(row["reason"])


def first_pair(record: Record) -> tuple[str, str]:
    """The first question of a record without its image, and the answer."""
    turns = [turn for turn in record.turns if turn.role != "system"]
    return turns[0].text.replace(IMAGE_PLACEHOLDER, "").strip(), turns[1].text


def steps(source: Source, kit: Kit) -> Steps:
    """``rounds`` times: evolve the latest accepted question, and have it judged against that very one."""
    scene, pictures, seed = source.scene, kit.pictures(source.scene), source.the_record()
    facts = {"facts": known(scene, seen=bool(pictures)), "scene": scene}
    draws, parent = Draws(kit.seed, *source.id.encode()), first_pair(seed)
    parent_id, rows, rejected = seed.id, [], []
    lineage: list[Mapping[str, Any]] = []
    for round_ in range(1, int(kit.option("rounds", ROUNDS)) + 1):
        kind = draws.choice(KINDS)
        asked = {**facts, "question": parent[0], "answer": parent[1]}
        schema = record_of(question=TEXT, answer=TEXT)
        (reply,) = yield [kit.request(f"mmevol_{kind}", asked, accept=pair, schema=schema, pictures=pictures)]
        child = pair(reply.text)
        kept, untrue = true_turns(source, [child])
        rejected += untrue
        if not kept:
            continue
        both = {
            **facts,
            "parent_question": parent[0],
            "parent_answer": parent[1],
            "child_question": child[0],
            "child_answer": child[1],
        }
        score = {"type": "integer", "minimum": 1, "maximum": 10}
        schema = record_of(parent=score, child=score, improved=TRUTH, reason=TEXT)
        (reply,) = yield [kit.request("mmevol_judge", both, accept=verdict, schema=schema, pictures=pictures)]
        improved, before, after, reason = verdict(reply.text)
        if not improved or child == parent:
            rejected.append(
                Rejection(source.id, f"no improvement on its parent: {reason}", json.dumps(child))
            )
            continue
        lineage = [*lineage, {"parent": parent_id, "kind": kind, "round": round_, "scores": [before, after]}]
        row = kit.record(NAME, source, [child], suffix=f"-{round_}", parent=parent_id, lineage=lineage)
        rows.append(row)
        parent, parent_id = child, str(row["id"])
    return Built(tuple(rows), tuple(rejected))


BUILDER = PromptedBuilder(
    NAME,
    needs="records with a question, and captions, objects or the image",
    makes="harder questions with their lineage",
    paper="MMEvol, arXiv 2409.05840",
    steps=steps,
    rules={**{f"mmevol_{kind}": offline.evolved for kind in KINDS}, "mmevol_judge": offline.longer_is_better},
)
