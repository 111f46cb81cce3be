"""Guessing the chat template of a checkpoint that does not name it."""

from __future__ import annotations

from typing import Any

_BY_FAMILY = {"mistral": "mistral_instruct", "mixtral": "mistral_instruct", "gemma": "gemma_instruct"}
_BY_TEXT = (
    ("<|start_header_id|>", "llama_3"),
    ("<|im_start|>system\\nAnswer the questions", "chatml"),
    ("<|im_start|>", "qwen"),
    ("<start_of_turn>", "gemma_instruct"),
    ("<<SYS>>", "llava_llama_2"),
    ("[INST]", "mistral_instruct"),
    ("USER:", "vicuna_v1"),
)
"""What stands in a Jinja chat template, and whose it is; the first that is found decides."""


def likely_template(family: str, tokenizer: Any, jinja: str | None = None) -> str:
    """The template that released LLaVA models of this kind were tuned with.

    Args:
        family: ``model_type`` of the language model.
        tokenizer: its tokenizer; its control tokens tell Llama-3, Qwen and ChatML models apart from Vicuna.
        jinja: a chat template that came with the checkpoint.
    """
    if jinja:
        for text, name in _BY_TEXT:
            if text in jinja or text.replace("\\n", "\n") in jinja:
                return name
    known = tokenizer.get_added_vocab()
    if "<|start_header_id|>" in known:
        return "llama_3"
    if "<|im_start|>" in known:
        return "qwen" if family.startswith("qwen") else "chatml"
    return _BY_FAMILY.get(family, "vicuna_v1")
