"""A small tokenizer, and records with real image files on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from mmtune.data.prepare import RecordEncoder
from mmtune.images.geometry import Grid, ViewGeometry, ViewTokens
from mmtune.images.policies import ImagePolicy, get_policy
from mmtune.templates import get_template


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    model = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=model)
    made.add_special_tokens(
        {"eos_token": "<|im_end|>", "pad_token": "<pad>", "additional_special_tokens": ["<|im_start|>"]}
    )
    return made


@pytest.fixture
def policy() -> ImagePolicy:
    return get_policy("square", ViewGeometry(size=8, patch=4), ViewTokens(4, Grid(2, 2)))


@pytest.fixture
def make_encoder(tokenizer: PreTrainedTokenizerFast, policy: ImagePolicy) -> Callable[..., RecordEncoder]:
    def make(max_tokens: int = 512, image_position: Any = "keep") -> RecordEncoder:
        template = get_template("chatml", tokenizer)
        return RecordEncoder(tokenizer, template, policy, max_tokens, image_position)

    return make


def make_row(number: int, *, images: int = 1, answer: str | None = None) -> dict[str, Any]:
    """A LLaVA row whose answer is the longer, the larger its number modulo 7."""
    if answer is None:
        answer = "It is " + "so " * (number % 7) + "."
    made: dict[str, Any] = {
        "id": f"r{number}",
        "conversations": [
            {"from": "human", "value": "<image>\n" * images + f"What is {number}?"},
            {"from": "gpt", "value": answer},
        ],
    }
    if images:
        made["image"] = [f"{number}-{k}.png" for k in range(images)]
    return made


@pytest.fixture
def row() -> Callable[..., dict[str, Any]]:
    return make_row


@pytest.fixture
def write_source(tmp_path: Path) -> Callable[..., Path]:
    """Write rows as JSONL (or a JSON list, by the name) together with the images that they name."""

    def write(rows: list[dict[str, Any]], name: str = "records.jsonl") -> Path:
        for made in rows:
            for image in made.get("image", []):
                shade = sum(image.encode()) % 251
                Image.new("RGB", (9, 7), (shade, 255 - shade, shade // 2)).save(tmp_path / image)
        path = tmp_path / name
        lines = [json.dumps(made, ensure_ascii=False) for made in rows]
        text = "[\n" + ",\n".join(lines) + "\n]\n" if name.endswith(".json") else "\n".join(lines) + "\n"
        path.write_text(text, encoding="utf-8")
        return path

    return write
