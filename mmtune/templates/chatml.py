"""ChatML without a newline between turns, as LLaVA-1.6-34B (``chatml_direct``) and LLaVA-MPT write it."""

from dataclasses import replace

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

MPT = replace(
    CHATML,
    name="mpt",
    system=(
        "A conversation between a user and an LLM-based AI assistant. "
        "The assistant gives helpful and honest answers."
    ),
)

MISTRAL_ORCA = replace(
    CHATML,
    name="mistral_orca",
    system=(
        "You are MistralOrca, a large language model trained by Alignment Lab AI. "
        "Write out your reasoning step-by-step to be sure you get the right answers!"
    ),
)
