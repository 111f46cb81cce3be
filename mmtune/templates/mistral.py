"""Mistral's instruction format, as in LLaVA-1.6-Mistral: no system text, no first token between rounds."""

from dataclasses import replace

from mmtune.templates.llama_2 import LLAVA_LLAMA_2

MISTRAL_INSTRUCT = replace(LLAVA_LLAMA_2, name="mistral_instruct", system="", user_open="[INST] ")
