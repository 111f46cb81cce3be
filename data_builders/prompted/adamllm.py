"""``adamllm``: captions of a field become tasks with an informative and a precise answer that must agree."""

from __future__ import annotations

from data_builders.draws import Draws
from data_builders.prompted import offline
from data_builders.prompted.base import Kit, PromptedBuilder, Source, true_turns
from data_builders.prompted.contexts import captions, objects
from data_builders.prompted.parsing import TEXT, json_object, record_of, sentence
from data_builders.teachers.base import UnusableError
from data_builders.teachers.building import Built, Rejection, Steps

NAME = "adamllm"
VERDICTS = ("yes", "no", "open")


def triplet(text: str) -> tuple[str, str, str]:
    """Task, informative answer, precise answer."""
    row = json_object(text, ["instruction", "informative", "precise"])
    task, informative, precise = (sentence(row[key]) for key in ("instruction", "informative", "precise"))
    if len(precise.split()) >= len(informative.split()):
        raise UnusableError("the precise answer is not shorter than the informative one")
    return task, informative, precise


def agreement(text: str) -> str:
    """``yes``, ``no`` or ``open``."""
    said = json_object(text, ["consistent"])["consistent"]
    if said not in VERDICTS:
        raise UnusableError(f"{said!r} is none of {', '.join(VERDICTS)}")
    return str(said)


def steps(source: Source, kit: Kit) -> Steps:
    """A task, then the filter; the caption is a turn of the same record, so that one stage learns both."""
    scene, pictures = source.scene, kit.pictures(source.scene)
    facts = {"captions": captions(scene), "facts": objects(scene), "scene": scene}
    schema = record_of(instruction=TEXT, informative=TEXT, precise=TEXT)
    (reply,) = yield [kit.request("adamllm_task", facts, accept=triplet, schema=schema, pictures=pictures)]
    task, informative, precise = triplet(reply.text)
    asked = {"instruction": task, "informative": informative, "precise": precise}
    schema = record_of(consistent={"type": "string", "enum": list(VERDICTS)})
    (reply,) = yield [kit.request("adamllm_check", asked, accept=agreement, schema=schema)]
    agreed = agreement(reply.text)
    if agreed == "no":
        text = f"{task} -> {informative} / {precise}"
        return Built((), (Rejection(source.id, "the precise answer does not follow", text),))
    # A task without one right answer is learned by its informative answer alone.
    answer = f"{informative}\n\nIn short: {precise}" if agreed == "yes" else informative
    kept, rejected = true_turns(source, [(task, answer)])
    if not kept:
        return Built((), tuple(rejected))
    instruction = Draws(kit.seed, *source.id.encode()).choice(kit.prompts.lines("llava_detail_instructions"))
    turns = [(instruction, captions(scene).splitlines()[0]), *kept]
    return Built((kit.record(NAME, source, turns, consistent=agreed),), tuple(rejected))


BUILDER = PromptedBuilder(
    NAME,
    needs="captions of a field; objects help",
    makes="the caption and a task of the field in one record",
    paper="AdaMLLM, arXiv 2411.19930",
    steps=steps,
    rules={"adamllm_task": offline.triplet, "adamllm_check": offline.consistent},
)
