"""Tiny random models of every real class, saved in the layout that their own library writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mmtune.batch import IGNORE, IMAGE_TOKEN_ID, PackedBatch
from mmtune.models.bundle import Bundle, build
from mmtune.models.config import LanguageConfig, ModelConfig, ProjectorConfig, VisionConfig

WORDS = ["<unk>", "<s>", "</s>", "USER:", "ASSISTANT:", *"abcdefghijklmnopqrstuvwxyz"]
VOCAB = 40
LANGUAGES = ("llama", "qwen2", "qwen3", "mistral", "gemma")
TOWERS = ("clip", "siglip", "open_clip")


def save_tokenizer(folder: Path, **special: str) -> None:
    """A word-level tokenizer of ``WORDS``."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    core.pre_tokenizer = WhitespaceSplit()
    tokens = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"} | special
    PreTrainedTokenizerFast(tokenizer_object=core, **tokens).save_pretrained(folder)


def save_language(folder: Path, kind: str, **changes: Any) -> Path:
    """A tiny language model of a real class, with its tokenizer."""
    import transformers as tf

    classes = {
        "llama": (tf.LlamaConfig, tf.LlamaForCausalLM),
        "qwen2": (tf.Qwen2Config, tf.Qwen2ForCausalLM),
        "qwen3": (tf.Qwen3Config, tf.Qwen3ForCausalLM),
        "mistral": (tf.MistralConfig, tf.MistralForCausalLM),
        "gemma": (tf.GemmaConfig, tf.GemmaForCausalLM),
    }
    settings: dict[str, Any] = {
        "vocab_size": VOCAB,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 128,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": None,
    }
    config_class, model_class = classes[kind]
    torch.manual_seed(1)
    model = model_class(config_class(**(settings | changes)))
    with torch.no_grad():
        # Initial weights of 0.02 make logits that agree whatever the attention does.
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.15)
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def save_tower(folder: Path, kind: str, **changes: Any) -> str:
    """A tiny vision tower of a real class; returns the name that a recipe would give."""
    import transformers as tf

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(2)
    if kind == "open_clip":
        return save_open_clip(folder, **changes)
    settings = {
        "hidden_size": 24,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "image_size": 28,
        "patch_size": 14,
    } | changes
    if kind == "clip":
        model: Any = tf.CLIPVisionModel(tf.CLIPVisionConfig(**settings))
        processor = {
            "image_processor_type": "CLIPImageProcessor",
            "crop_size": {"height": 28, "width": 28},
            "size": {"shortest_edge": 28},
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711],
            "resample": 3,
        }
    else:
        model = tf.SiglipVisionModel(tf.SiglipVisionConfig(**settings))
        processor = {
            "image_processor_type": "SiglipImageProcessor",
            "size": {"height": 28, "width": 28},
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "resample": 2,
        }
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return str(folder)


def save_open_clip(folder: Path, **vision_changes: Any) -> str:
    """A tiny open_clip model in the layout of open_clip's ``local-dir:``."""
    import open_clip

    vision = {"image_size": 28, "layers": 3, "width": 24, "head_width": 6, "patch_size": 14} | vision_changes
    text = {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 2, "layers": 1}
    model = open_clip.CLIP(embed_dim=16, vision_cfg=vision, text_cfg=text)
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    config = {
        "model_cfg": {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text},
        "preprocess_cfg": {
            "mean": [0.4, 0.5, 0.6],
            "std": [0.2, 0.25, 0.3],
            "interpolation": "bilinear",
            "resize_mode": "squash",
        },
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return f"open_clip:{folder}"


@pytest.fixture(scope="session")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Name of every tiny backbone by kind."""
    root = tmp_path_factory.mktemp("backbones")
    names = {kind: str(save_language(root / kind, kind)) for kind in LANGUAGES}
    return names | {kind: save_tower(root / kind, kind) for kind in TOWERS}


def make_config(
    backbones: dict[str, str], tower: str = "clip", language: str = "llama", **changes: Any
) -> ModelConfig:
    """Settings of a model of two tiny backbones."""
    settings: dict[str, Any] = {
        "vision": VisionConfig(backbones[tower]),
        "projector": ProjectorConfig("mlp"),
        "language": LanguageConfig(backbones[language]),
    }
    return ModelConfig(**(settings | changes))


@pytest.fixture(scope="session")
def bundle(backbones: dict[str, str]) -> Bundle:
    """CLIP and Llama; tests that change weights build their own."""
    return build(make_config(backbones), template="plain")


def make_batch(
    documents: list[list[int | str]], side: int = 28, image_tokens: int = 4, seed: int = 0
) -> PackedBatch:
    """A packed row; ``"image"`` in a document is an image, a negative id is an unsupervised token.

    Every other token is supervised from the position before it, as training does.
    """
    ids: list[int] = []
    positions: list[int] = []
    targets: list[int] = []
    images = 0
    for document in documents:
        tokens: list[int] = []
        supervised: list[bool] = []
        for item in document:
            if item == "image":
                images += 1
                tokens += [IMAGE_TOKEN_ID] * image_tokens
                supervised += [False] * image_tokens
            else:
                tokens.append(abs(int(item)))
                supervised.append(int(item) > 0)
        ids += tokens
        positions += range(len(tokens))
        nexts = [t if s else IGNORE for t, s in zip(tokens[1:], supervised[1:], strict=True)]
        targets += [*nexts, IGNORE]
    lengths = [sum(image_tokens if item == "image" else 1 for item in document) for document in documents]
    generator = torch.Generator().manual_seed(seed)
    return PackedBatch(
        input_ids=torch.tensor(ids),
        position_ids=torch.tensor(positions),
        targets=torch.tensor(targets),
        document_lengths=tuple(lengths),
        pixels=torch.randn(images, 3, side, side, generator=generator),
        image_views=(1,) * images,
        image_sizes=((side, side),) * images,
        image_token_counts=(image_tokens,) * images,
    )
