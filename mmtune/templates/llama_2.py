"""Llama-2's chat format: the system text stands inside the first question."""

from dataclasses import replace

from mmtune.templates.base import RoundLayout
from mmtune.templates.tagged import TAG_CLOSE, TAG_NOTICE, TAG_OPEN

LLAVA_LLAMA_2 = RoundLayout(
    name="llava_llama_2",
    system=(
        "You are a helpful language and vision assistant. You are able to understand the visual content that "
        "the user provides, and assist the user with a variety of tasks using natural language."
    ),
    system_open="[INST] <<SYS>>\n",
    system_close="\n<</SYS>>\n\n",
    first_user_open="",
    user_open="<s>[INST] ",
    user_close=" ",
    assistant_open="[/INST]",
    answer_lead=" ",
    end=" </s>",
)

LLAMA_2 = replace(
    LLAVA_LLAMA_2,
    name="llama_2",
    system=(
        "You are a helpful, respectful and honest assistant. Always answer as helpfully as possible, while "
        "being safe.  Your answers should not include any harmful, unethical, racist, sexist, toxic, "
        "dangerous, or illegal content. Please ensure that your responses are socially unbiased and positive "
        "in nature.\n\nIf a question does not make any sense, or is not factually coherent, explain why "
        "instead of answering something not correct. If you don't know the answer to a question, please "
        "don't share false information."
    ),
)
"""Meta's own system text."""

_SIMPLE = "Answer the questions about the visual content that the user provides."

LLAVA_LLAMA_2_SIMPLE = replace(LLAVA_LLAMA_2, name="llava_llama_2_simple", system=_SIMPLE)

LLAVA_LLAMA_2_MMTAG = replace(
    LLAVA_LLAMA_2,
    name="llava_llama_2_mmtag",
    system=_SIMPLE + TAG_NOTICE,
    image_open=TAG_OPEN,
    image_close=TAG_CLOSE,
)
