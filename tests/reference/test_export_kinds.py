"""Models of other kinds than Llama with CLIP: out to the Hub's naming, through transformers, and in again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from mmtune.cli import main
from mmtune.errors import UserError
from mmtune.images.geometry import Grid, ViewGeometry, ViewTokens
from mmtune.images.policies import get_policy
from mmtune.images.settings import ImagesConfig
from mmtune.models.adapters import attach, make_adapter
from mmtune.models.building import build
from mmtune.models.checkpoint import load, save
from mmtune.models.config import LanguageConfig, ModelConfig, ProjectorConfig, VisionConfig
from mmtune.models.convert import WRITERS, Chat, Given, bring_in, open_native
from mmtune.models.convert.image_processors import processor_for, tower_processor
from mmtune.models.convert.template_names import likely_template
from tests import tiny_models

CHAT = Chat("{{ messages[0]['content'] }}", ("<|im_end|>",))


TOWERS = {
    "clip": tiny_models.tiny_clip,
    "siglip": tiny_models.tiny_siglip,
    "siglip2": tiny_models.tiny_siglip2,
    "dinov2": tiny_models.tiny_dinov2,
    "registers": lambda folder: tiny_models.tiny_dinov2(folder, registers=2),
}


def checkpoint(
    folder: Path,
    vision: str,
    language: str,
    *,
    image_policy: str = "pad",
    images: ImagesConfig | None = None,
    select: Any = "patch",
    layer: int = -2,
    **projector: Any,
) -> Path:
    """A checkpoint of tiny random parts."""
    config = ModelConfig(
        vision=VisionConfig(name=str(TOWERS[vision](folder / vision)), select=select, layer=layer),
        projector=ProjectorConfig(**projector),
        language=LanguageConfig(name=str(tiny_models.LANGUAGE_MODELS[language](folder / language))),
        image_policy=image_policy,
        images=images,
    )
    return save(folder / "checkpoint", build(config, template="qwen", seed=0))


@pytest.mark.parametrize(
    ("vision", "language", "changes"),
    [
        ("siglip", "qwen2", {}),
        ("clip", "qwen3", {"select": "cls_patch"}),
        ("dinov2", "llama", {}),
        ("dinov2", "llama", {"image_policy": "anyres"}),
        *[(vision, "llama", {"layer": -1}) for vision in ("clip", "siglip", "dinov2")],
    ],
)
def test_transformers_gives_the_same_logits(
    tmp_path: Path, vision: str, language: str, changes: dict[str, Any]
) -> None:
    from transformers import AutoModelForImageTextToText

    source = checkpoint(tmp_path, vision, language, **changes)
    out = WRITERS["hub"](open_native(source), tmp_path / "hub", CHAT)
    bundle = load(source)
    model = bundle.model.eval()
    hub, info = AutoModelForImageTextToText.from_pretrained(out, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    image = Image.new("RGB", (60, 30))
    views = bundle.policy.views(image)
    pixels = torch.randn(views.shape, generator=torch.Generator().manual_seed(3))
    tiled = {"image_sizes": torch.tensor([[30, 60]]), "pixel_values": pixels[None]}
    given = tiled if bundle.policy.needs_size else {"pixel_values": pixels}
    count = bundle.policy.token_count(*image.size)
    place = hub.config.image_token_index
    ids = torch.tensor([[5, 6, *[place] * count, 7, 8, 9]])
    with torch.no_grad():
        theirs = hub.eval()(input_ids=ids, **given).logits[0]
        visual = model.encode_images(pixels, [len(pixels)], [image.size])
        embedded = model.embed(torch.where(ids == place, -200, ids)[0], visual_tokens=visual)
        ours = model.language(inputs_embeds=embedded[None]).logits[0]
    assert (theirs[:, : ours.shape[1]] - ours).abs().max() <= 1e-4

    again = bring_in(out, tmp_path / "again", Given())
    for part in ("vision", "projector", "language"):
        one, other = (load_file(folder / part / "model.safetensors") for folder in (source, again))
        assert one.keys() == other.keys()
        # DINOv2's position embeddings go out for the view that the model was trained on
        kept = [name for name in one if not (vision == "dinov2" and "position_embeddings" in name)]
        assert all(torch.equal(one[name], other[name]) for name in kept), part
    back = load(again, meta=True)
    assert (back.template, back.policy.name) == ("qwen", changes.get("image_policy", "pad"))
    assert len(back.tokenizer) == len(bundle.tokenizer)
    assert back.config.vision is not None and bundle.config.vision is not None
    for key in ("select", "layer"):
        assert getattr(back.config.vision, key) == getattr(bundle.config.vision, key)


@pytest.mark.parametrize(
    ("vision", "naming", "said"),
    [
        ("siglip2", "hub", "siglip2_vision_model: it takes patches"),
        ("registers", "hub", "registers as if they were patches.*only CLIP and SigLIP and DINOv2"),
        ("dinov2", "original", "no place for a vision tower of the kind dinov2"),
    ],
)
def test_a_tower_that_others_cannot_read_is_refused_with_the_reason(
    tmp_path: Path, vision: str, naming: str, said: str
) -> None:
    native = open_native(checkpoint(tmp_path, vision, "llama"))
    with pytest.raises(UserError, match=said):
        WRITERS[naming](native, tmp_path / "out", CHAT)


def test_padding_that_was_always_there_stays(tmp_path: Path) -> None:
    """A published checkpoint of a model with a ``<pad>`` of its own, as Gemma's, says nothing of added tokens."""
    tokenizer = tmp_path / "tokenizer"
    tiny_models.byte_level_tokenizer(
        tokenizer, ("<pad>", "<s>", "</s>"), bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    language = tiny_models.tiny_llama(tmp_path / "lm", tokenizer=tokenizer)
    config = ModelConfig(
        VisionConfig(str(tiny_models.tiny_clip(tmp_path / "clip"))),
        language=LanguageConfig(str(language)),
    )
    source = save(tmp_path / "checkpoint", build(config, template="vicuna_v1"))
    out = WRITERS["hub"](open_native(source), tmp_path / "hub", CHAT)
    content = json.loads((out / "config.json").read_text())
    del content["mmtune"]
    (out / "config.json").write_text(json.dumps(content))
    back = load(bring_in(out, tmp_path / "again", Given()), meta=True).tokenizer
    assert back.get_vocab() == load(source, meta=True).tokenizer.get_vocab()
    assert back.pad_token == "<pad>"


def test_tiles_are_scaled_as_the_policy_does_it() -> None:
    """The Hub's processor has one filter for all, and a tower may have another than the policy's."""
    geometry = ViewGeometry(16, 4, resample="bilinear")
    policy = get_policy("anyres", geometry, ViewTokens(16, Grid(4, 4)))
    assert (processor_for(policy, "x")["resample"], tower_processor(geometry)["resample"]) == (3, 2)


def test_a_limit_on_views_goes_out_where_there_is_a_word_for_it(tmp_path: Path) -> None:
    source = checkpoint(
        tmp_path, "clip", "llama", image_policy="anyres", images=ImagesConfig(max_views=4, merge="unpad")
    )
    with pytest.raises(UserError, match="without max_views can be exported"):
        WRITERS["hub"](open_native(source), tmp_path / "hub", CHAT)
    out = WRITERS["original"](open_native(source), tmp_path / "original", CHAT)
    assert json.loads((out / "config.json").read_text())["image_aspect_ratio"] == "anyres_max_4"
    back = load(bring_in(out, tmp_path / "again", Given()), meta=True)
    for size in ((30, 60), (90, 31), (200, 200)):
        assert back.policy.token_count(*size) == load(source, meta=True).policy.token_count(*size)


@pytest.mark.parametrize(
    ("jinja", "name"),
    [
        ("{{ '[INST] <<SYS>>\\n' }}", "llava_llama_2"),
        ("{{ '[INST] ' }}", "mistral_instruct"),
        ("{{ 'USER: ' }}", "vicuna_v1"),
    ],
)
def test_a_chat_template_tells_whose_it_is(jinja: str, name: str) -> None:
    assert likely_template("llama", None, jinja) == name


@pytest.mark.parametrize(
    ("projector", "naming", "said"),
    [
        (
            {"name": "linear"},
            "hub",
            "no projector linear.*--naming original takes this one",
        ),
        ({"depth": 3}, "hub", "no projector mlp of depth 3"),
        ({"name": "pool"}, "original", "no projector 'pool'.*no other naming has it: keep and share"),
        ({"name": "pool"}, "hub", "no projector pool.*no other naming has it: keep and share"),
    ],
)
def test_a_part_without_a_counterpart_is_refused(
    tmp_path: Path, projector: dict[str, Any], naming: str, said: str
) -> None:
    native = open_native(checkpoint(tmp_path, "clip", "llama", **projector))
    with pytest.raises(UserError, match=said):
        WRITERS[naming](native, tmp_path / "out", CHAT)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("naming", ["hub", "original", "lora"])
def test_an_adapter_that_no_naming_has_is_to_be_kept_here(
    tmp_path: Path, naming: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the naming, no other one is advised."""
    bundle = load(checkpoint(tmp_path, "clip", "llama"))
    attach(bundle.model, make_adapter("language", "mole", {"experts": 2, "rank": 2}), seed=0)
    source = save(tmp_path / "mixture", bundle)
    assert main(["export", str(source), "--naming", naming, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "no other naming has such an adapter" in said and "mole on language" in said
    assert "keep and share the checkpoint of mmtune" in said and "--naming" not in said
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
