"""Vicuna v1, the template of LLaVA-1.5's instruction tuning, and the variants with another system text."""

from dataclasses import replace

from mmtune.templates.base import RoundLayout
from mmtune.templates.tagged import TAG_CLOSE, TAG_OPEN, TAGGED_SYSTEM

VICUNA_V1 = RoundLayout(
    name="vicuna_v1",
    system=(
        "A chat between a curious user and an artificial intelligence assistant. "
        "The assistant gives helpful, detailed, and polite answers to the user's questions."
    ),
    system_open="",
    system_close=" ",
    user_open="USER: ",
    user_close=" ",
    assistant_open="ASSISTANT:",
    answer_lead=" ",
    end="</s>",
)

LLAVA_V1 = replace(
    VICUNA_V1,
    name="llava_v1",
    system=(
        "A chat between a curious human and an artificial intelligence assistant. "
        "The assistant gives helpful, detailed, and polite answers to the human's questions."
    ),
)
"""The default of LLaVA's older evaluation scripts; its published scripts say ``vicuna_v1``."""

V1_MMTAG = replace(
    VICUNA_V1, name="v1_mmtag", system=TAGGED_SYSTEM, image_open=TAG_OPEN, image_close=TAG_CLOSE
)
