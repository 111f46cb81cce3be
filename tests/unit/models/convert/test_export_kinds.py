"""Models of other kinds than Llama with CLIP: out to the Hub's naming, through transformers, and in again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mmtune.errors import UserError
from mmtune.models.bundle import build
from mmtune.models.checkpoint import load, save
from mmtune.models.config import LanguageConfig, ModelConfig, ProjectorConfig, VisionConfig
from mmtune.models.convert import WRITERS, Chat, Given, bring_in, open_native
from tests import tiny_models

CHAT = Chat("{{ messages[0]['content'] }}", ("<|im_end|>",))


def checkpoint(folder: Path, vision: str, language: str, *, select: Any = "patch", **projector: Any) -> Path:
    """A checkpoint of tiny random parts."""
    towers = {"clip": tiny_models.tiny_clip, "siglip": tiny_models.tiny_siglip}
    config = ModelConfig(
        vision=VisionConfig(name=str(towers[vision](folder / vision)), select=select),
        projector=ProjectorConfig(**projector),
        language=LanguageConfig(name=str(tiny_models.LANGUAGE_MODELS[language](folder / language))),
        image_policy="pad",
    )
    return save(folder / "checkpoint", build(config, template="qwen", seed=0))


@pytest.mark.parametrize(
    ("vision", "language", "select"),
    [("siglip", "qwen2", "patch"), ("clip", "qwen3", "cls_patch")],
)
def test_transformers_gives_the_same_logits(tmp_path: Path, vision: str, language: str, select: str) -> None:
    from transformers import AutoModelForImageTextToText

    source = checkpoint(tmp_path, vision, language, select=select)
    out = WRITERS["hub"](open_native(source), tmp_path / "hub", CHAT)
    bundle = load(source)
    model = bundle.model.eval()
    hub, info = AutoModelForImageTextToText.from_pretrained(out, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    size = model.vision.geometry.size
    pixels = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(3))
    count = bundle.policy.token_count(size, size)
    image = hub.config.image_token_index
    ids = torch.tensor([[5, 6, *[image] * count, 7, 8, 9]])
    with torch.no_grad():
        theirs = hub(input_ids=ids, pixel_values=pixels).logits[0]
        visual = model.encode_images(pixels, [1], [(size, size)])
        embedded = model.embed(torch.where(ids == image, -200, ids)[0], visual_tokens=visual)
        ours = model.language(inputs_embeds=embedded[None]).logits[0]
    assert (theirs[:, : ours.shape[1]] - ours).abs().max() <= 1e-4

    again = bring_in(out, tmp_path / "again", Given())
    for part in ("vision", "projector", "language"):
        one, other = (load_file(folder / part / "model.safetensors") for folder in (source, again))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one), part
    back = load(again, meta=True)
    assert back.template == "qwen" and back.policy.name == "pad"
    assert len(back.tokenizer) == len(bundle.tokenizer)
    assert back.config.vision is not None and back.config.vision.select == select


@pytest.mark.parametrize(
    ("projector", "naming", "said"),
    [
        ({"name": "linear"}, "hub", "no projector linear"),
        ({"depth": 3}, "hub", "no projector mlp of depth 3"),
        ({"name": "pool"}, "original", "no projector 'pool'"),
    ],
)
def test_a_part_without_a_counterpart_is_refused(
    tmp_path: Path, projector: dict[str, Any], naming: str, said: str
) -> None:
    native = open_native(checkpoint(tmp_path, "clip", "llama", **projector))
    with pytest.raises(UserError, match=said):
        WRITERS[naming](native, tmp_path / "out", CHAT)
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_without_a_lora_has_none_to_export(tmp_path: Path) -> None:
    native = open_native(checkpoint(tmp_path, "clip", "llama"), merged=False)
    with pytest.raises(UserError, match="adapters here are: none"):
        WRITERS["lora"](native, tmp_path / "out", CHAT)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_can_be_given_a_type(tmp_path: Path, dtype: torch.dtype) -> None:
    native = open_native(checkpoint(tmp_path, "clip", "llama"), dtype=dtype)
    out = WRITERS["hub"](native, tmp_path / "out", CHAT)
    assert {t.dtype for t in load_file(out / "model.safetensors").values()} == {dtype}
