"""Builders that have a teacher write instruction data, and hold what it wrote against the scene."""

from __future__ import annotations

from data_builders.prompted.adamllm import BUILDER as ADAMLLM
from data_builders.prompted.base import Kit, PromptedBuilder, Source
from data_builders.prompted.coco_is_all import BUILDER as COCO_IS_ALL
from data_builders.prompted.dataengine import BUILDER as DATAENGINE
from data_builders.prompted.llava_conversation import BUILDER as LLAVA_CONVERSATION
from data_builders.prompted.llava_detail import BUILDER as LLAVA_DETAIL
from data_builders.prompted.llava_o1 import BUILDER as LLAVA_O1
from data_builders.prompted.llava_reasoning import BUILDER as LLAVA_REASONING
from data_builders.prompted.llavar import BUILDER as LLAVAR
from data_builders.prompted.mm_instruct import BUILDER as MM_INSTRUCT
from data_builders.prompted.mmevol import BUILDER as MMEVOL
from data_builders.prompted.mminstruct import BUILDER as MMINSTRUCT
from data_builders.prompted.proctag import BUILDER as PROCTAG
from data_builders.prompted.prompts import Prompts
from data_builders.prompted.textsquare import BUILDER as TEXTSQUARE

PROMPTED: dict[str, PromptedBuilder] = {
    builder.name: builder
    for builder in (
        LLAVA_CONVERSATION,
        LLAVA_DETAIL,
        LLAVA_REASONING,
        LLAVAR,
        MM_INSTRUCT,
        MMINSTRUCT,
        MMEVOL,
        TEXTSQUARE,
        LLAVA_O1,
        ADAMLLM,
        COCO_IS_ALL,
        PROCTAG,
        DATAENGINE,
    )
}
"""Name -> builder; a new one is a file, its prompts, and its name here."""

__all__ = ["PROMPTED", "Kit", "PromptedBuilder", "Prompts", "Source"]
