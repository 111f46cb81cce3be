"""Vicuna v1, the template of LLaVA-1.5's instruction tuning."""

from mmtune.templates.base import RoundLayout

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
