"""Packed rows and settings for the tests of the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from mmtune.batch import IGNORE, IMAGE_TOKEN_ID, PackedBatch
from mmtune.models.config import LanguageConfig, ModelConfig, ProjectorConfig, VisionConfig
from tests.tiny_models import llama_style_tokenizer

SIDE = 32
IMAGE_TOKENS = 16
LANGUAGES = ("llama", "qwen2", "qwen3", "mistral", "gemma")
TOWERS = ("clip", "siglip", "open_clip")
PAIRS = [*((tower, "llama") for tower in TOWERS), *(("clip", language) for language in LANGUAGES[1:])]
IMAGE = "image"


def make_config(
    backbones: dict[str, str],
    tower: str = "clip",
    language: str = "llama",
    *,
    dtype: Any = "float32",
    **changes: Any,
) -> ModelConfig:
    """Settings of a model of two tiny backbones."""
    settings: dict[str, Any] = {
        "vision": VisionConfig(backbones[tower]),
        "projector": ProjectorConfig("mlp"),
        "language": LanguageConfig(backbones[language], dtype),
    }
    return ModelConfig(**(settings | changes))


def make_row(documents: Sequence[Sequence[int | str]], seed: int = 0) -> PackedBatch:
    """A packed row; ``IMAGE`` in a document is an image, a negative id an unsupervised token."""
    ids: list[int] = []
    positions: list[int] = []
    targets: list[int] = []
    lengths = []
    images = 0
    for document in documents:
        tokens: list[int] = []
        learnt: list[bool] = []
        for item in document:
            count = IMAGE_TOKENS if item == IMAGE else 1
            images += item == IMAGE
            tokens += [IMAGE_TOKEN_ID if item == IMAGE else abs(int(item))] * count
            learnt += [item != IMAGE and int(item) > 0] * count
        ids += tokens
        positions += range(len(tokens))
        targets += [t if s else IGNORE for t, s in zip(tokens[1:], learnt[1:], strict=True)] + [IGNORE]
        lengths.append(len(tokens))
    return PackedBatch(
        input_ids=torch.tensor(ids),
        position_ids=torch.tensor(positions),
        targets=torch.tensor(targets),
        document_lengths=tuple(lengths),
        pixels=torch.randn(images, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed)),
        image_views=(1,) * images,
        image_sizes=((SIDE, SIDE),) * images,
        image_token_counts=(IMAGE_TOKENS,) * images,
    )


def split_row(row: PackedBatch) -> list[PackedBatch]:
    """Each document of a row as a row of its own."""
    rows = []
    start = image = 0
    for length in row.document_lengths:
        span = slice(start, start + length)
        places = int((row.input_ids[span] == IMAGE_TOKEN_ID).sum()) // IMAGE_TOKENS
        rows.append(
            PackedBatch(
                input_ids=row.input_ids[span],
                position_ids=row.position_ids[span],
                targets=row.targets[span],
                document_lengths=(length,),
                pixels=row.pixels[image : image + places],
                image_views=(1,) * places,
                image_sizes=((SIDE, SIDE),) * places,
                image_token_counts=(IMAGE_TOKENS,) * places,
            )
        )
        start += length
        image += places
    return rows


def token_losses(model: Any, row: PackedBatch) -> torch.Tensor:
    """Loss of every supervised token of a row."""
    targets = row.targets[row.targets != IGNORE]
    return torch.nn.functional.cross_entropy(model(row), targets, reduction="none")


def save_other_language(folder: Path, kind: str, **changes: Any) -> Path:
    """A tiny Mistral or Gemma."""
    import transformers

    tokenizer = llama_style_tokenizer(folder)
    settings: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "initializer_range": 0.2,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": None,
    }
    name = kind.capitalize()
    config = getattr(transformers, f"{name}Config")(**(settings | changes))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        getattr(transformers, f"{name}ForCausalLM")(config).save_pretrained(folder)
    return folder
