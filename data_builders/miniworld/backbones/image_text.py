"""Train the small open_clip image-text model on rendered scenes and their captions.

The loss is CLIP's contrastive loss plus, as in SigLIP 2, that of a caption decoder that reads the patches
and is thrown away afterwards: the contrast teaches the whole picture, the decoder what each patch holds.
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

from data_builders.miniworld.backbones.schedule import TrainingLog, cosine_lr

log = logging.getLogger(__name__)

MEAN = (0.5, 0.5, 0.5)
STD = (0.5, 0.5, 0.5)
CONTEXT = 44


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


def build_decoder(vocab_size: int, width: int) -> Any:
    """Make the caption decoder: two Llama layers over [patches | caption]."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config)


def caption_loss(decoder: Any, patches: Tensor, ids: Tensor, end: int) -> Tensor:
    """Mean cross-entropy of each caption's tokens, its end token included, given the patches before it.

    Args:
        decoder: causal language model.
        patches: (n, patches, width) features.
        ids: (n, CONTEXT) caption ids, each with one ``end``.
        end: id of the end token; what stands after it is not counted.
    """
    words = decoder.get_input_embeddings()(ids[:, :-1])
    hidden = decoder(inputs_embeds=torch.cat([patches, words], dim=1), use_cache=False).logits
    logits = hidden[:, patches.shape[1] - 1 :]
    after_end = (ids == end).cumsum(1) - (ids == end).long() > 0
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids.masked_fill(after_end, -100).flatten())


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


def curriculum(progress: float, groups: int) -> int:
    """How many of the groups, which stand in the order of their difficulty, are drawn from.

    Args:
        progress: share of the steps that are done.
        groups: all groups.

    Returns:
        From 15 % of the groups at the start to all of them at 45 % of the steps.
    """
    return round(groups * min(1.0, 0.15 + 0.85 * max(0.0, progress - 0.1) / 0.35))


def pretrain(
    model: Any,
    groups: np.ndarray,
    captions: Callable[[int, int, np.random.Generator], str],
    encode: Callable[[Sequence[str]], Tensor],
    *,
    end: int,
    out: Path,
    steps: int,
    save: Callable[[], None],
    save_every: int = 200,
    batch: int = 128,
    lr: float = 1e-3,
    seed: int = 0,
) -> None:
    """Train ``model`` in place and write the curve to ``out/training.jsonl``.

    Args:
        model: open_clip's CLIP.
        groups: (n, variants, h, w, 3) uint8. The variants of a group are one scene with a single thing
            changed; they share a batch, so telling them apart takes more than knowing what is in the picture.
            Groups stand in the order in which they are to be met, the easiest first.
        captions: (group, variant, rng) -> a caption true of that variant alone.
        encode: captions -> (n, CONTEXT) ids.
        end: id of the end token.
        out: folder of the log.
        steps: optimiser steps.
        save: writes the model; called as it goes and at the end.
        save_every: steps between two calls.
        batch: images in a step.
        lr: peak learning rate.
        seed: of order and captions.
    """
    width = model.visual.transformer.width
    decoder = build_decoder(model.vocab_size, width)
    parameters = [*model.parameters(), *decoder.parameters()]
    decay = [p for p in parameters if p.ndim >= 2]
    plain = [p for p in parameters if p.ndim < 2]
    optimiser = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}],
        lr=lr,
        betas=(0.9, 0.98),
    )
    curve = TrainingLog(out / "training.jsonl", every=20)
    rng = np.random.default_rng(seed)
    variants = groups.shape[1]
    model.train()
    model.visual.output_tokens = True
    for step in range(steps):
        reach = curriculum(step / steps, len(groups))
        chosen = rng.choice(reach, size=batch // variants, replace=False)
        for group in optimiser.param_groups:
            group["lr"] = cosine_lr(step, steps, lr, warmup=100)
        pixels = to_pixels(groups[chosen].reshape(-1, *groups.shape[2:]))
        ids = encode([captions(int(g), v, rng) for g in chosen for v in range(variants)])
        pooled, patches = model.visual(pixels)
        image = torch.nn.functional.normalize(pooled, dim=-1)
        text = model.encode_text(ids, normalize=True)
        contrast, accuracy = contrastive_loss(image, text, model.logit_scale.exp())
        caption = caption_loss(decoder, patches, ids, end)
        (contrast + caption).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        with torch.no_grad():
            model.logit_scale.clamp_(0, 4.6)
        curve.add(
            step + 1, contrast=float(contrast.detach()), accuracy=accuracy, caption=float(caption.detach())
        )
    model.visual.output_tokens = False
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
