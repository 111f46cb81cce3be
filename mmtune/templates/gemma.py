"""Gemma's chat format: no system text, and the assistant is called ``model``."""

from mmtune.templates.base import RoundLayout

GEMMA_INSTRUCT = RoundLayout(
    name="gemma_instruct",
    system="",
    system_open="<start_of_turn>user\n",
    system_close="\n\n",
    first_user_open="",
    user_open="<start_of_turn>user\n",
    user_close="<end_of_turn>\n",
    assistant_open="<start_of_turn>model\n",
    end="<end_of_turn>\n",
)
