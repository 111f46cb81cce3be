"""``llava_detail``: captions and boxes become one detailed description."""

from __future__ import annotations

from data_builders.draws import Draws
from data_builders.prompted import offline
from data_builders.prompted.base import Kit, PromptedBuilder, Source, one_record
from data_builders.prompted.contexts import boxes, captions
from data_builders.prompted.parsing import sentence
from data_builders.teachers.base import UnusableError
from data_builders.teachers.building import Steps

NAME = "llava_detail"
LEAST_WORDS = 15


def description(text: str) -> str:
    """Plain paragraphs of some length.

    Raises:
        UnusableError: for a list, a heading, a dialogue or a few words.
    """
    text = sentence(text)
    if any(line.lstrip().startswith(("#", "- ", "* ", "Question:", "Answer:")) for line in text.splitlines()):
        raise UnusableError("the description is not in plain paragraphs")
    if len(text.split()) < LEAST_WORDS:
        raise UnusableError(f"the description has fewer than {LEAST_WORDS} words")
    return text


def steps(source: Source, kit: Kit) -> Steps:
    """One request; the instruction is drawn from a list."""
    scene = source.scene
    facts = {"captions": captions(scene), "boxes": boxes(scene), "scene": scene}
    (reply,) = yield [kit.request(NAME, facts, accept=description, pictures=kit.pictures(scene))]
    draws = Draws(kit.seed, *source.id.encode())
    instruction = draws.choice(kit.prompts.lines("llava_detail_instructions"))
    return one_record(kit, NAME, source, [(instruction, description(reply.text))])


BUILDER = PromptedBuilder(
    NAME,
    needs="captions and boxes",
    makes="a detailed description",
    paper="LLaVA, arXiv 2304.08485",
    steps=steps,
    rules={NAME: offline.description},
)
