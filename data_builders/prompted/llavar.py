"""``llavar``: two readings of the text in a picture, and a caption, become a conversation about it."""

from __future__ import annotations

from data_builders.prompted import offline
from data_builders.prompted.base import Kit, PromptedBuilder, Source, one_record
from data_builders.prompted.contexts import text_lines
from data_builders.prompted.parsing import question_blocks
from data_builders.teachers.building import Steps

NAME = "llavar"


def steps(source: Source, kit: Kit) -> Steps:
    """One request; a turn that quotes what stands nowhere is left out.

    The second reading is the list ``scene.source["second_reading"]``; without it both are the same.
    """
    scene = source.scene
    first = text_lines(scene)
    second = scene.source.get("second_reading", first)
    facts = {
        "first": "\n".join(first),
        "second": "\n".join(map(str, second)),
        "about": scene.captions[0] if scene.captions else "",
        "scene": scene,
    }
    (reply,) = yield [kit.request(NAME, facts, accept=question_blocks, pictures=kit.pictures(scene))]
    return one_record(kit, NAME, source, question_blocks(reply.text))


BUILDER = PromptedBuilder(
    NAME,
    needs="OCR lines; captions help",
    makes="a conversation about text in the picture",
    paper="LLaVAR, arXiv 2306.17107",
    steps=steps,
    rules={NAME: offline.text_blocks},
)
