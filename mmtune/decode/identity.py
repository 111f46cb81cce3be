"""What a model is, as a few hashes: two models with equal ones give equal answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from mmtune.decode.limits import eos_ids

_WITHOUT_EFFECT = frozenset(
    {"_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version", "use_cache"}
)
"""Settings of a language model that change no answer, or are told elsewhere."""

BLOCK = 1 << 26
"""Bytes that are hashed at once, and copied off a GPU."""


def identity(bundle: Any) -> dict[str, str]:
    """Hashes of weights and tokenizer, and the settings that change answers.

    The weights are hashed as they are in memory, so that it does not matter what folder they came from, nor
    whether a part of them is only referred to.

    Args:
        bundle: a model with its tokenizer and template.
    """
    import mmtune

    model = bundle.model
    parameter = model.language.get_input_embeddings().weight
    return {
        "weights": weights_hash(model),
        "tokenizer": tokenizer_hash(bundle.tokenizer),
        "template": str(bundle.template),
        "settings": hashlib.sha256(_settings(bundle).encode()).hexdigest(),
        "dtype": str(parameter.dtype),
        "device": parameter.device.type,
        "mmtune": mmtune.__version__,
    }


def weights_hash(model: torch.nn.Module) -> str:
    """SHA-256 over names, types, shapes and bytes of all weights and buffers."""
    state = {name: tensor for name, tensor in model.state_dict().items() if isinstance(tensor, Tensor)}
    with ThreadPoolExecutor(4) as pool:  # hashing lets other threads run
        digests = pool.map(_tensor_hash, state.values())
        lines = [f"{name} {digest}" for name, digest in zip(state, digests, strict=True)]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _tensor_hash(tensor: Tensor) -> str:
    digest = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
    for block in _blocks(tensor.detach()):
        digest.update(block.numpy().data)
    return digest.hexdigest()


def _blocks(tensor: Tensor) -> Iterator[Tensor]:
    """The bytes of a tensor, a block at a time, in main memory."""
    flat = tensor.contiguous().view(-1).view(torch.uint8) if tensor.numel() else tensor.new_empty(0).cpu()
    for start in range(0, flat.numel(), BLOCK):
        yield flat[start : start + BLOCK].cpu()


def _settings(bundle: Any) -> str:
    """How images are prepared, which features are taken and what ends an answer; not where parts lie."""
    config = asdict(bundle.config)
    config.pop("checkpoint", None)
    for part in [config["vision"], config["language"], *(config["vision"].get("towers") or ())]:
        part.pop("name", None)
    # The weights say nothing of positions, windows and norms.
    language = bundle.model.language.config.get_text_config().to_dict()
    language = {name: value for name, value in language.items() if name not in _WITHOUT_EFFECT}
    return json.dumps([config, language, eos_ids(bundle.model.language)], sort_keys=True, default=str)


def tokenizer_hash(tokenizer: Any) -> str:
    """SHA-256 over a tokenizer's words, special tokens and chat template."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    content = backend.to_str() if backend is not None else json.dumps(tokenizer.get_vocab(), sort_keys=True)
    special = json.dumps(tokenizer.special_tokens_map, sort_keys=True, default=str)
    chat = str(getattr(tokenizer, "chat_template", None))
    return hashlib.sha256((content + special + chat).encode()).hexdigest()
