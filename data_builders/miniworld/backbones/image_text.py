"""Train the small open_clip image-text model on rendered scenes and their captions.

The loss is CLIP's contrastive loss plus that of heads which name the object at each patch: the contrast
teaches the whole picture, the heads what each patch holds.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data_builders.miniworld.backbones.captions import contrastive_caption
from data_builders.miniworld.backbones.grounding import Heads, targets
from data_builders.miniworld.backbones.optimiser import Optimiser
from data_builders.miniworld.backbones.schedule import TrainingLog, cosine_lr
from data_builders.scenes import Scene

log = logging.getLogger(__name__)

MEAN = (0.5, 0.5, 0.5)
STD = (0.5, 0.5, 0.5)
CONTEXT = 48
BATCH = 64
LR = 3e-3
CONTRAST_WEIGHT = 0.3
"""Of the contrastive loss beside that of the heads, which is what is slow to learn."""


def model_config(vocab_size: int, image_size: int) -> dict[str, Any]:
    """open_clip's model configuration: a 4-layer tower on 16-pixel patches and a 2-layer text tower."""
    return {
        "embed_dim": 192,
        "vision_cfg": {
            "image_size": image_size,
            "patch_size": 16,
            "layers": 4,
            "width": 160,
            "head_width": 40,
        },
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": vocab_size,
            "hf_tokenizer_name": "local-dir:.",  # open_clip looks in the folder itself,
            "width": 128,
            "heads": 4,
            "layers": 2,
        },
    }


def build_model(config: dict[str, Any], seed: int) -> Any:
    """Make the untrained model out of open_clip's own classes."""
    from open_clip.model import CLIP

    torch.manual_seed(seed)
    text = {key: value for key, value in config["text_cfg"].items() if key != "hf_tokenizer_name"}
    model = CLIP(config["embed_dim"], config["vision_cfg"], text)
    # Places are hardly learnt from the usual small start: 150 steps against more than 400 for single objects.
    torch.nn.init.normal_(model.visual.positional_embedding, std=0.5)
    return model


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
    pairs: Callable[[int, int], list[Scene]],
    render: Callable[[Scene], np.ndarray],
    encode: Callable[[Sequence[str]], Tensor],
    *,
    out: Path,
    steps: int,
    save: Callable[[], None],
    save_every: int = 200,
    batch: int = BATCH,
    lr: float = LR,
    seed: int = 0,
) -> None:
    """Train ``model`` in place and write the curve to ``out/training.jsonl``.

    Args:
        model: open_clip's CLIP.
        pairs: (number of the first pair, pairs) -> scenes that no step has seen before, each followed by a
            variant with a single thing changed; as they share a batch, telling them apart takes more than
            knowing what is in the picture.
        render: scene -> (h, w, 3) uint8.
        encode: captions -> (n, CONTEXT) ids.
        out: folder of the log.
        steps: optimiser steps.
        save: writes the model; called as it goes and at the end.
        save_every: steps between two calls.
        batch: images in a step.
        lr: peak learning rate.
        seed: of the heads and the captions.
    """
    torch.manual_seed(seed)
    heads = Heads(model.visual.transformer.width)
    grid = model.visual.grid_size[0]
    blocks = [*model.visual.transformer.resblocks, *model.transformer.resblocks]
    optimiser = Optimiser(blocks, [*model.parameters(), *heads.parameters()], lr, weight_decay=0.05)
    curve = TrainingLog(out / "training.jsonl", every=20)
    rng = np.random.default_rng(seed)
    patches = _LastTokens(model.visual.transformer)
    model.train()
    for step in range(steps):
        scenes = pairs(step * batch // 2, batch // 2)
        pixels = to_pixels(np.stack([render(scene) for scene in scenes]))
        image = model.encode_image(pixels, normalize=True)
        text = model.encode_text(
            encode([contrastive_caption(scene, rng) for scene in scenes]), normalize=True
        )
        contrast, accuracy = contrastive_loss(image, text, model.logit_scale.exp())
        named, shares = heads(patches.last[:, 1:], targets(scenes, grid))
        (CONTRAST_WEIGHT * contrast + named).backward()
        optimiser.step(cosine_lr(step, steps, lr, warmup=100))
        with torch.no_grad():
            model.logit_scale.clamp_(0, 4.6)
        curve.add(
            step + 1,
            contrast=float(contrast.detach()),
            accuracy=accuracy,
            named=float(named.detach()),
            **shares,
        )
        if (step + 1) % save_every == 0 or step + 1 == steps:
            save()
    patches.remove()
    curve.close()


class _LastTokens:
    """Keeps what the last block gave, class token first, as a language model will read it."""

    def __init__(self, transformer: Any) -> None:
        self._handle = transformer.register_forward_hook(self._keep)

    def _keep(self, module: Any, inputs: Any, output: Tensor) -> None:
        self.last = output

    def remove(self) -> None:
        """Take the hook off."""
        self._handle.remove()


def load(model: Any, folder: Path) -> None:
    """Put stored weights into a model of the same shape."""
    from safetensors.torch import load_file

    model.load_state_dict(load_file(folder / "open_clip_model.safetensors"))


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
