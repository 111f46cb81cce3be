"""``llava_reasoning``: captions and boxes become one question that needs thought, with its answer."""

from __future__ import annotations

from data_builders.prompted import offline
from data_builders.prompted.base import Kit, PromptedBuilder, Source, one_record
from data_builders.prompted.contexts import boxes, captions
from data_builders.prompted.parsing import question_blocks
from data_builders.teachers.base import UnusableError
from data_builders.teachers.building import Steps

NAME = "llava_reasoning"
LEAST_WORDS = 12


def one_block(text: str) -> tuple[str, str]:
    """The one question and an answer of some length.

    Raises:
        UnusableError: for more questions, or an answer of a few words.
    """
    ((question, answer),) = question_blocks(text, most=1)
    if len(answer.split()) < LEAST_WORDS:
        raise UnusableError(f"the answer has fewer than {LEAST_WORDS} words")
    return question, answer


def steps(source: Source, kit: Kit) -> Steps:
    """One request."""
    scene = source.scene
    facts = {"captions": captions(scene), "boxes": boxes(scene), "scene": scene}
    (reply,) = yield [kit.request(NAME, facts, accept=one_block, pictures=kit.pictures(scene))]
    return one_record(kit, NAME, source, [one_block(reply.text)])


BUILDER = PromptedBuilder(
    NAME,
    needs="captions and boxes",
    makes="a question that needs thought",
    paper="LLaVA, arXiv 2304.08485",
    steps=steps,
    rules={NAME: offline.reasoning},
)
