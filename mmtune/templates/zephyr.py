"""Zephyr's chat format (``mistral_zephyr``), without newlines between turns."""

from mmtune.templates.base import RoundLayout

MISTRAL_ZEPHYR = RoundLayout(
    name="mistral_zephyr",
    system="You are a helpful AI assistant.",
    system_open="<|system|>\n",
    system_close="</s>",
    user_open="<|user|>\n",
    user_close="</s>",
    assistant_open="<|assistant|>\n",
    end="</s>",
)
