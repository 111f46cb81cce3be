"""Llama-3's chat format with LLaVA's system text; texts lose the space around them, as in Meta's template."""

from mmtune.templates.base import RoundLayout
from mmtune.templates.llama_2 import LLAVA_LLAMA_2

LLAMA_3 = RoundLayout(
    name="llama_3",
    system=LLAVA_LLAMA_2.system,
    system_open="<|start_header_id|>system<|end_header_id|>\n\n",
    system_close="<|eot_id|>",
    user_open="<|start_header_id|>user<|end_header_id|>\n\n",
    user_close="<|eot_id|>",
    assistant_open="<|start_header_id|>assistant<|end_header_id|>\n\n",
    end="<|eot_id|>",
    strips=True,
)
