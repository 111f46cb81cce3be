"""``llava_conversation``: captions become a conversation of questions with definite answers."""

from __future__ import annotations

from data_builders.prompted import offline
from data_builders.prompted.base import Kit, PromptedBuilder, Source, one_record
from data_builders.prompted.contexts import captions
from data_builders.prompted.parsing import question_blocks
from data_builders.teachers.building import Built, Steps

NAME = "llava_conversation"


def steps(source: Source, kit: Kit) -> Steps:
    """One request; turns that contradict the scene are left out."""
    facts = {"captions": captions(source.scene), "scene": source.scene}
    pictures = kit.pictures(source.scene)
    (reply,) = yield [kit.request(NAME, facts, accept=question_blocks, pictures=pictures)]
    built: Built = one_record(kit, NAME, source, question_blocks(reply.text))
    return built


BUILDER = PromptedBuilder(
    NAME,
    needs="captions",
    makes="a conversation of several turns",
    paper="LLaVA, arXiv 2304.08485",
    steps=steps,
    rules={NAME: offline.blocks},
)
