"""ChatML as LLaVA-1.6-34B writes it (``chatml_direct``): no newline after the end of a turn."""

from mmtune.templates.base import RoundLayout

CHATML = RoundLayout(
    name="chatml",
    system="Answer the questions.",
    system_open="<|im_start|>system\n",
    system_close="<|im_end|>",
    user_open="<|im_start|>user\n",
    user_close="<|im_end|>",
    assistant_open="<|im_start|>assistant\n",
    end="<|im_end|>",
)
