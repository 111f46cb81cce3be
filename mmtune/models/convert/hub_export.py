"""Writing a checkpoint in the Hub's naming: a folder that ``transformers.pipeline`` answers from as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from mmtune.errors import UserError
from mmtune.images.policies.anyres import AnyresPolicy
from mmtune.models.checkpoint import storage
from mmtune.models.convert.hub import OWN_KEY, names_for
from mmtune.models.convert.image_processors import hub_pinpoints, processor_for
from mmtune.models.convert.native import (
    Native,
    generation_settings,
    language_settings,
    projector_fix,
    tower_settings,
)
from mmtune.models.convert.renaming import join
from mmtune.models.convert.tokens import IMAGE, grown, rows_needed, with_tokens
from mmtune.models.new_tokens import ids_of
from mmtune.models.vision import VisionTower
from mmtune.models.vision.families import FAMILIES
from mmtune.models.vision.positions import resample

Json = dict[str, Any]


@dataclass(frozen=True)
class Chat:
    """What the chat template gives to other tools."""

    jinja: str
    """Its Jinja form."""
    stop: tuple[str, ...]
    """What ends an answer."""


def write_hub(native: Native, out: Path, chat: Chat, *, shard_bytes: int = storage.SHARD_BYTES) -> Path:
    """Write a checkpoint as a Hub LLaVA, or LLaVA-NeXT where its image policy is ``anyres``.

    Args:
        native: what to write.
        out: a folder that does not exist yet, or is empty.
        chat: of the checkpoint's template.
        shard_bytes: largest weight file.

    Raises:
        UserError: if a part has no counterpart there, or the folder cannot be written.
    """
    vision, tower = _tower(native)
    name, layers = native.projector.name, native.projector.linear_layers
    if (name, layers) != ("mlp", 2):
        raise UserError(
            f"Hub naming has no projector {name}" + (f" of depth {layers}" if name == "mlp" else ""),
            str(native.folder),
            projector_fix(native),
        )
    processor = processor_for(native.bundle.policy, str(native.folder))
    tokenizer, added = with_tokens(native.bundle.tokenizer)
    language, rows, before = _language(native, ids_of(tokenizer))
    dtype = storage.dtype_name(native.weights["language"])
    tensors = join({**native.weights, "vision": tower, "language": language}, names_for(vision))
    own = {
        "template": native.bundle.template,
        "language_rows": before,
        "added_tokens": added,
        "tower": native.tower_place,
        "mm_vision_tower": native.notes.get("mm_vision_tower", native.vision.name),
    }
    config = _config(native, vision, tokenizer, rows, dtype) | {OWN_KEY: own}
    with storage.whole_folder(out) as folder:
        tokenizer.chat_template = None
        tokenizer.save_pretrained(folder)
        storage.write_tensors(folder, tensors, shard_bytes=shard_bytes)
        storage.write_json(folder / "config.json", config)
        storage.write_json(folder / "generation_config.json", _generation(native, tokenizer, chat))
        storage.write_json(folder / "preprocessor_config.json", processor)
        storage.write_json(folder / "processor_config.json", _processor(native, vision))
        (folder / "chat_template.jinja").write_text(chat.jinja, encoding="utf-8")
    return out


def _tower(native: Native) -> tuple[Json, dict[str, Tensor]]:
    """Configuration and weights of the tower, for the views that it is read with.

    LLaVA-NeXT takes a view's size out of them, and DINOv2's position embeddings may be for another one.
    """
    settings, weights = tower_settings(native, "Hub"), native.weights["vision"]
    view, name = native.bundle.policy.geometry, "core.embeddings.position_embeddings"
    if settings["image_size"] == view.size:
        return settings, weights
    family = FAMILIES[settings["model_type"]]
    sized = resample(weights[name][0], view.grid, before=1, mode=family.mode, antialias=family.antialias)
    return settings | {"image_size": view.size}, weights | {name: sized[None]}


def _language(native: Native, tokens: int) -> tuple[dict[str, Tensor], int, int]:
    """Weights with rows for the tokens, how many rows these are, and how many there were."""
    model = native.bundle.model.language
    head = model.get_output_embeddings()
    ids = {id(model.get_input_embeddings().weight)}
    if head is not None:
        ids |= {id(head.weight), id(getattr(head, "bias", None))}
    # Tied weights have two names and are in the files under one of them.
    sized = {name for name, p in model.named_parameters(remove_duplicate=False) if id(p) in ids}
    before = int(model.get_input_embeddings().weight.shape[0])
    rows = rows_needed(tokens, before)
    weights = native.weights["language"]
    return {n: grown(t, rows) if n in sized else t for n, t in weights.items()}, rows, before


def _select(native: Native) -> str:
    """The Hub's word for the tokens that are read; "full" is everything, "default" leaves the first out."""
    tower: VisionTower = native.bundle.model.vision
    return "default" if tower.class_token and tower.select == "patch" else "full"


def _config(native: Native, vision: Json, tokenizer: Any, rows: int, dtype: str) -> Json:
    text = language_settings(native, dtype) | {"vocab_size": rows}
    tied = bool(text.get("tie_word_embeddings", False))
    shared = {
        "dtype": dtype,
        "torch_dtype": dtype,
        "ignore_index": -100,
        "image_token_index": tokenizer.convert_tokens_to_ids(IMAGE),
        "pad_token_id": tokenizer.pad_token_id,
        "projector_hidden_act": "gelu",
        "text_config": text,
        "vision_config": vision,
        "vision_feature_layer": native.vision.layer,
        "vision_feature_select_strategy": _select(native),
        "tie_word_embeddings": tied,
    }
    policy = native.bundle.policy
    if isinstance(policy, AnyresPolicy):
        return shared | {
            "architectures": ["LlavaNextForConditionalGeneration"],
            "model_type": "llava_next",
            "image_grid_pinpoints": hub_pinpoints(policy),
            "use_image_newline_parameter": True,
        }
    return shared | {
        "architectures": ["LlavaForConditionalGeneration"],
        "model_type": "llava",
        "image_seq_length": policy.tokens.count,
    }


def _generation(native: Native, tokenizer: Any, chat: Chat) -> Json:
    """Generation settings under which an answer ends where the template ends it."""
    settings = generation_settings(native)
    eos = settings.get("eos_token_id", tokenizer.eos_token_id)
    ids = [*(eos if isinstance(eos, list) else [eos])]
    for text in chat.stop:
        token = tokenizer.convert_tokens_to_ids(text)
        if token is not None and tokenizer.convert_ids_to_tokens(token) == text:
            ids.append(token)
    unique = [token for token in dict.fromkeys([*ids, tokenizer.eos_token_id]) if token is not None]
    return settings | {
        "eos_token_id": unique[0] if len(unique) == 1 else unique,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _processor(native: Native, vision: Json) -> Json:
    anyres = isinstance(native.bundle.policy, AnyresPolicy)
    tower: VisionTower = native.bundle.model.vision
    return {
        "processor_class": "LlavaNextProcessor" if anyres else "LlavaProcessor",
        "patch_size": vision["patch_size"],
        "num_additional_image_tokens": int(bool(tower.class_token)),
        "vision_feature_select_strategy": _select(native),
        "image_token": IMAGE,
    }
