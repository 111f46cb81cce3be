"""ChatML as Qwen writes it: a newline after each end of a turn; 1.5 and 2 share a system text."""

from dataclasses import replace

from mmtune.templates.base import RoundLayout

QWEN = RoundLayout(
    name="qwen",
    system="You are a helpful assistant.",
    system_open="<|im_start|>system\n",
    system_close="<|im_end|>\n",
    user_open="<|im_start|>user\n",
    user_close="<|im_end|>\n",
    assistant_open="<|im_start|>assistant\n",
    end="<|im_end|>",
    after_end="\n",
)

QWEN_2_5 = replace(
    QWEN,
    name="qwen_2_5",
    system="You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
)
