"""Vicuna v0, the template of the first LLaVA: turns parted by ``###``, plain text to the tokenizer."""

from dataclasses import replace

from mmtune.templates.base import RoundLayout
from mmtune.templates.tagged import TAG_CLOSE, TAG_OPEN, TAGGED_SYSTEM

V0 = RoundLayout(
    name="v0",
    system=(
        "A chat between a curious human and an artificial intelligence assistant. "
        "The assistant gives helpful, detailed, and polite answers to the human's questions."
    ),
    system_open="",
    system_close="###",
    user_open="Human: ",
    user_close="###",
    assistant_open="Assistant:",
    answer_lead=" ",
    end="###",
)

V0_MMTAG = replace(V0, name="v0_mmtag", system=TAGGED_SYSTEM, image_open=TAG_OPEN, image_close=TAG_CLOSE)
