"""Train the small open_clip image-text model, contrastively, on rendered scenes and their captions."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data_builders.miniworld.backbones.schedule import TrainingLog, cosine_lr

log = logging.getLogger(__name__)

MEAN = (0.5, 0.5, 0.5)
STD = (0.5, 0.5, 0.5)
CONTEXT = 72


def model_config(vocab_size: int, image_size: int) -> dict[str, Any]:
    """open_clip's model configuration: a 6-layer tower on 16-pixel patches and a 3-layer text tower.

    The tower pools by averaging its patches, so each patch has to say what it holds; a class token would let
    the patches, which are what a language model reads, stay uninformative.
    """
    return {
        "embed_dim": 192,
        "vision_cfg": {
            "image_size": image_size,
            "patch_size": 16,
            "layers": 6,
            "width": 160,
            "head_width": 40,
            "pool_type": "avg",
        },
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": vocab_size,
            "hf_tokenizer_name": "tokenizer",
            "width": 128,
            "heads": 4,
            "layers": 3,
        },
    }


def build_model(config: dict[str, Any], seed: int) -> Any:
    """Make the untrained model out of open_clip's own classes."""
    from open_clip.model import CLIP

    torch.manual_seed(seed)
    text = {key: value for key, value in config["text_cfg"].items() if key != "hf_tokenizer_name"}
    return CLIP(config["embed_dim"], config["vision_cfg"], text)


def to_pixels(images: np.ndarray) -> Tensor:
    """Normalise uint8 images (n, h, w, 3) to float32 pixels (n, 3, h, w)."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255.0)
    return pixels.sub_(torch.tensor(MEAN).view(3, 1, 1)).div_(torch.tensor(STD).view(3, 1, 1))


def contrastive_loss(image: Tensor, text: Tensor, scale: Tensor) -> tuple[Tensor, float]:
    """CLIP's symmetric loss and the share of images whose own caption is the nearest.

    Args:
        image: (n, width) unit vectors.
        text: (n, width) unit vectors.
        scale: the learnt temperature's inverse.
    """
    logits = scale * image @ text.T
    own = torch.arange(len(logits))
    loss = (
        torch.nn.functional.cross_entropy(logits, own) + torch.nn.functional.cross_entropy(logits.T, own)
    ) / 2
    return loss, float((logits.argmax(1) == own).float().mean())


def pretrain(
    model: Any,
    groups: np.ndarray,
    captions: Callable[[int, int, np.random.Generator], str],
    encode: Callable[[Sequence[str]], Tensor],
    *,
    out: Path,
    steps: int,
    batch: int = 128,
    lr: float = 1e-3,
    seed: int = 0,
) -> None:
    """Train ``model`` in place and write the curve to ``out/training.jsonl``.

    Args:
        model: open_clip's CLIP.
        groups: (n, variants, h, w, 3) uint8. The variants of a group are one scene with a single thing
            changed; they share a batch, so telling them apart takes more than knowing what is in the picture.
        captions: (group, variant, rng) -> a caption true of that variant alone.
        encode: captions -> (n, CONTEXT) ids.
        out: folder of the log.
        steps: optimiser steps.
        batch: images in a step.
        lr: peak learning rate.
        seed: of order and captions.
    """
    decay = [p for p in model.parameters() if p.ndim >= 2]
    plain = [p for p in model.parameters() if p.ndim < 2]
    optimiser = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}],
        lr=lr,
        betas=(0.9, 0.98),
    )
    curve = TrainingLog(out / "training.jsonl", every=20)
    rng = np.random.default_rng(seed)
    variants = groups.shape[1]
    order = np.array([], dtype=np.int64)
    model.train()
    for step in range(steps):
        if len(order) < batch // variants:
            order = np.concatenate([order, rng.permutation(len(groups))])
        chosen, order = order[: batch // variants], order[batch // variants :]
        for group in optimiser.param_groups:
            group["lr"] = cosine_lr(step, steps, lr, warmup=100)
        pixels = to_pixels(groups[chosen].reshape(-1, *groups.shape[2:]))
        ids = encode([captions(int(g), v, rng) for g in chosen for v in range(variants)])
        image, text, scale = model(pixels, ids)
        loss, accuracy = contrastive_loss(image, text, scale)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        with torch.no_grad():
            model.logit_scale.clamp_(0, 4.6)
        curve.add(step + 1, loss=float(loss.detach()), accuracy=accuracy)
    curve.close()


def save(model: Any, config: dict[str, Any], folder: Path) -> None:
    """Write the folder that open_clip loads as ``local-dir:``, its weights in half precision."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    size = config["vision_cfg"]["image_size"]
    preprocess = {
        "mean": list(MEAN),
        "std": list(STD),
        "interpolation": "bicubic",
        "resize_mode": "shortest",
        "size": [size, size],
    }
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}, indent=2) + "\n", encoding="utf-8"
    )
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors", metadata={"format": "pt"})
