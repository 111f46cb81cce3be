"""``mm_instruct``: seed tasks are expanded, matched to a picture, answered, and filtered."""

from __future__ import annotations

import json
from functools import partial

from data_builders.draws import Draws
from data_builders.prompted import offline
from data_builders.prompted.base import Kit, PromptedBuilder, Source, true_turns
from data_builders.prompted.contexts import known
from data_builders.prompted.parsing import (
    TEXT,
    TRUTH,
    array,
    json_object,
    number,
    record_of,
    sentence,
    text_list,
    truth,
)
from data_builders.teachers.base import UnusableError
from data_builders.teachers.building import Built, Rejection, Steps

NAME = "mm_instruct"
POOLS, SEEDS, NEW = 20, 5, 10
"""Pools of tasks, from how many seeds each is made, how many new ones it gets; it is asked for once."""


def tasks(text: str) -> list[str]:
    """The new tasks."""
    return text_list(json_object(text, ["instructions"])["instructions"], 1, 2 * NEW)


def chosen(text: str, count: int, most: int) -> list[int]:
    """Places of the tasks that suit a picture, counted from 0."""
    value = json_object(text, ["chosen"])["chosen"]
    if not isinstance(value, list) or len(value) > most or len(set(map(str, value))) < len(value):
        raise UnusableError(f"this is not a list of at most {most} different numbers")
    return [number(item, 1, count) - 1 for item in value]


def verdict(text: str) -> tuple[bool, str]:
    """Whether to keep an example, and why."""
    row = json_object(text, ["keep", "reason"])
    return truth(row["keep"]), sentence(row["reason"])


def steps(source: Source, kit: Kit) -> Steps:
    """Expand (the same pool for many scenes), match, answer, filter."""
    scene, pictures = source.scene, kit.pictures(source.scene)
    facts = {"facts": known(scene, seen=bool(pictures)), "scene": scene}
    most = int(kit.option("tasks", 2))
    draws = Draws(kit.seed, *source.id.encode())
    pool = draws.below(int(kit.option("pools", POOLS)))
    seeds = Draws(kit.seed, pool).sample(kit.prompts.lines("mm_instruct_seeds"), SEEDS)
    schema = record_of(instructions=array(TEXT, 1, 2 * NEW))
    expand = {"seeds": seeds, "count": NEW}
    (reply,) = yield [kit.request("mm_instruct_expand", expand, accept=tasks, schema=schema)]
    listed = [*seeds, *(task for task in tasks(reply.text) if task not in seeds)]
    read = partial(chosen, count=len(listed), most=most)
    schema = record_of(chosen=array({"type": "integer"}, 0, most))
    match = {**facts, "tasks": listed, "most": most}
    (reply,) = yield [kit.request("mm_instruct_match", match, accept=read, schema=schema, pictures=pictures)]
    picked = [listed[place] for place in read(reply.text)]
    if not picked:
        return Built((), (Rejection(source.id, "no task suits the picture"),))
    replies = yield [
        kit.request("mm_instruct_answer", {**facts, "task": task}, accept=sentence, pictures=pictures)
        for task in picked
    ]
    pairs = list(zip(picked, (sentence(reply.text) for reply in replies), strict=True))
    pairs, rejected = true_turns(source, pairs)
    schema = record_of(keep=TRUTH, reason=TEXT)
    verdicts = yield [
        kit.request(
            "mm_instruct_filter", {**facts, "task": task, "answer": answer}, accept=verdict, schema=schema
        )
        for task, answer in pairs
    ]
    rows = []
    for place, (pair, reply) in enumerate(zip(pairs, verdicts, strict=True)):
        keep, reason = verdict(reply.text)
        if keep:
            rows.append(kit.record(NAME, source, [pair], suffix=f"-{place}"))
        else:
            rejected.append(Rejection(source.id, f"the filter: {reason}", json.dumps(pair)))
    return Built(tuple(rows), tuple(rejected))


BUILDER = PromptedBuilder(
    NAME,
    needs="captions or objects",
    makes="open tasks of many kinds with answers",
    paper="MM-Instruct, arXiv 2406.19736",
    steps=steps,
    rules={
        "mm_instruct_expand": offline.new_tasks,
        "mm_instruct_match": offline.first_tasks,
        "mm_instruct_answer": offline.description,
        "mm_instruct_filter": offline.keep,
    },
)
