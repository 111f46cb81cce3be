"""Vision towers: the right hidden state, the right tokens in the right order, nothing run in vain."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from mmtune.errors import UserError
from mmtune.images.geometry import Grid
from mmtune.models.config import VisionConfig
from mmtune.models.vision import build_vision
from tests.unit.models.rows import SIDE, TOWERS


def pixels(views: int = 2) -> torch.Tensor:
    return torch.randn(views, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("layer", [-1, -2, 1, 3])
@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_hidden_states_are_those_of_transformers(backbones, kind, layer):
    from transformers import AutoModel

    model = AutoModel.from_pretrained(backbones[kind]).eval()
    with torch.no_grad():
        expected = model(pixels(), output_hidden_states=True).hidden_states[layer]
        got = build_vision(VisionConfig(backbones[kind], layer=layer))(pixels())
    torch.testing.assert_close(got, expected[:, 1:] if kind == "clip" else expected, rtol=1e-5, atol=1e-5)


def test_last_layer_of_siglip_is_before_the_final_norm_unless_asked(backbones):
    from transformers import AutoModel

    with torch.no_grad():
        normed = AutoModel.from_pretrained(backbones["siglip"])(pixels()).last_hidden_state
        got = build_vision(VisionConfig(backbones["siglip"], layer=-1))(pixels())
        last = build_vision(VisionConfig(backbones["siglip"], layer=-1, final_norm=True))(pixels())
    assert not torch.allclose(got, normed, atol=0.1)
    torch.testing.assert_close(last, normed)


@pytest.mark.parametrize("layer", [-1, -2, 1])
def test_open_clip_hidden_states_are_the_blocks_outputs(backbones, layer):
    import open_clip

    folder = backbones["open_clip"].removeprefix("open_clip:")
    visual = open_clip.create_model(f"local-dir:{folder}").eval().visual
    states = [None]
    for block in visual.transformer.resblocks:
        block.register_forward_hook(lambda _module, _inputs, out: states.append(out))
    with torch.no_grad():
        visual(pixels())
        tower = build_vision(VisionConfig(backbones["open_clip"], layer=layer, select="cls_patch"))
        got = tower(pixels())
    torch.testing.assert_close(got, states[layer], rtol=1e-5, atol=1e-5)
    patches = build_vision(VisionConfig(backbones["open_clip"], layer=layer))(pixels())
    torch.testing.assert_close(patches, got[:, 1:])


@pytest.mark.parametrize("kind", TOWERS)
def test_tokens_are_patches_in_row_major_order(backbones, kind):
    tower = build_vision(VisionConfig(backbones[kind], layer=1))
    assert tower.grid == Grid(4, 4) and tower.tokens.count == 16
    image = pixels(1)
    touched = image.clone()
    touched[:, :, 8:16, 16:24] += 3.0
    with torch.no_grad():
        change = (tower(touched) - tower(image)).norm(dim=-1)[0]
    assert change.argmax() == 1 * 4 + 2


@pytest.mark.parametrize("kind", TOWERS)
def test_later_blocks_are_kept_but_neither_run_nor_trained(backbones, kind):
    tower = build_vision(VisionConfig(backbones[kind], layer=-2))
    layers = tower.core.transformer.resblocks if kind == "open_clip" else tower.core.encoder.layers
    assert len(layers) == 3 and len(tower.blocks()) == 2
    layers[2].register_forward_pre_hook(lambda *_: pytest.fail("a block behind the chosen layer was run"))
    tower(pixels()).sum().backward()
    silent = {id(p) for p in tower.parameters() if p.grad is None}
    assert silent == {id(p) for p in tower.unused_parameters()}
    assert {id(p) for p in layers[2].parameters()} < silent


@pytest.mark.parametrize("kind", TOWERS)
def test_checkpointing_gives_the_same_gradients(backbones, kind):
    grads = []
    for checkpointing in (False, True):
        tower = build_vision(VisionConfig(backbones[kind]))
        if checkpointing:
            tower.enable_gradient_checkpointing()
        tower(pixels()).square().mean().backward()
        grads.append({n: p.grad for n, p in tower.named_parameters() if p.grad is not None})
    assert grads[0].keys() == grads[1].keys()
    for name, grad in grads[0].items():
        torch.testing.assert_close(grads[1][name], grad, msg=name)


def test_full_clip_gives_its_vision_part(backbones):
    from transformers import CLIPModel

    model = CLIPModel.from_pretrained(backbones["full_clip"]).eval()
    inner = getattr(model.vision_model, "vision_model", model.vision_model)
    own = build_vision(VisionConfig(backbones["full_clip"])).core.state_dict()
    assert own.keys() == inner.state_dict().keys()
    assert all(torch.equal(own[name], tensor) for name, tensor in inner.state_dict().items())


def test_open_clip_never_reads_the_text_part(backbones, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(backbones["open_clip"].removeprefix("open_clip:"), tmp_path / "oc"))
    weights = folder / "open_clip_model.safetensors"
    save_file({k: v for k, v in load_file(weights).items() if k.startswith("visual.")}, weights)
    whole = build_vision(VisionConfig(backbones["open_clip"]))(pixels())
    torch.testing.assert_close(build_vision(VisionConfig(f"open_clip:{folder}"))(pixels()), whole)


@pytest.mark.parametrize("kind", TOWERS)
def test_meta_needs_no_weights(backbones, kind, tmp_path):
    source = backbones[kind].removeprefix("open_clip:")
    folder = shutil.copytree(source, tmp_path / "tower", ignore=shutil.ignore_patterns("*.safetensors"))
    prefix = "open_clip:" if kind == "open_clip" else ""
    tower = build_vision(VisionConfig(f"{prefix}{folder}"), meta=True)
    assert all(p.is_meta for p in tower.parameters())
    assert tower.tokens.count == 16
    with pytest.raises(UserError):
        build_vision(VisionConfig(f"{prefix}{folder}"))


def test_geometry_is_read_from_the_preprocessor(backbones, tmp_path):
    clip = build_vision(VisionConfig(backbones["clip"])).geometry
    assert (clip.size, clip.patch, clip.resample, clip.fit) == (SIDE, 8, "bicubic", "crop")
    siglip = build_vision(VisionConfig(backbones["siglip"])).geometry
    assert siglip.mean == (0.5, 0.5, 0.5) and siglip.fit == "stretch"
    folder = Path(shutil.copytree(backbones["open_clip"].removeprefix("open_clip:"), tmp_path / "oc"))
    file = folder / "open_clip_config.json"
    content = json.loads(file.read_text())
    content["preprocess_cfg"] = {
        "mean": [0.1, 0.2, 0.3],
        "interpolation": "bilinear",
        "resize_mode": "squash",
    }
    file.write_text(json.dumps(content))
    open_clip = build_vision(VisionConfig(f"open_clip:{folder}")).geometry
    assert (open_clip.mean, open_clip.resample, open_clip.fit) == ((0.1, 0.2, 0.3), "bilinear", "stretch")


def test_a_view_without_a_centre_crop_is_stretched(backbones, tmp_path):
    folder = shutil.copytree(backbones["clip"], tmp_path / "clip")
    file = folder / "preprocessor_config.json"
    size = {"height": 32, "width": 32}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"do_center_crop": False, "size": size}))
    assert build_vision(VisionConfig(str(folder)), meta=True).geometry.fit == "stretch"
    assert build_vision(VisionConfig(backbones["clip"]), meta=True).geometry.fit == "crop"


def test_geometry_of_old_and_nested_processor_files(backbones, tmp_path):
    folder = Path(shutil.copytree(backbones["clip"], tmp_path / "clip"))
    file = folder / "preprocessor_config.json"
    settings = json.loads(file.read_text()) | {"image_mean": [0.1, 0.2, 0.3], "resample": 2}
    file.write_text(json.dumps(settings | {"size": SIDE, "crop_size": SIDE}))
    assert build_vision(VisionConfig(str(folder))).geometry.mean == (0.1, 0.2, 0.3)
    file.rename(folder / "processor_config.json").write_text(json.dumps({"image_processor": settings}))
    geometry = build_vision(VisionConfig(str(folder))).geometry
    assert (geometry.mean, geometry.resample) == ((0.1, 0.2, 0.3), "bilinear")
    (folder / "processor_config.json").unlink()
    assert build_vision(VisionConfig(str(folder))).geometry.fit == "crop"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (lambda b: VisionConfig(b["clip"], layer=-4), "no layer -4"),
        (lambda b: VisionConfig(b["clip"], layer=0), "no layer 0"),
        (lambda b: VisionConfig(b["siglip"], select="cls_patch"), "no class token"),
        (lambda b: VisionConfig(b["clip"], image_size=7), "7 pixels cannot be cut into patches of 8"),
        (lambda b: VisionConfig(b["clip"], layer=-1, final_norm=True), "of this CLIP"),
        (lambda b: VisionConfig(b["siglip"], final_norm=True), "not layer -2 of this SigLIP"),
        (lambda b: VisionConfig(b["open_clip"], layer=-1, final_norm=True), "CLIP's last hidden state"),
        (lambda b: VisionConfig(b["llama"]), "type 'llama' is not supported"),
        (lambda b: VisionConfig("/nowhere/at/all"), "no such model folder"),
        (lambda b: VisionConfig("open_clip:" + b["clip"]), "open_clip_config.json"),
        (lambda b: VisionConfig(b["open_clip"].removeprefix("open_clip:")), "has no config.json"),
    ],
)
def test_wrong_towers_are_refused(backbones, config, message):
    with pytest.raises(UserError, match=message):
        build_vision(config(backbones))


@pytest.mark.parametrize("kind", TOWERS)
def test_damaged_weights_are_refused(backbones, kind, tmp_path):
    folder = Path(shutil.copytree(backbones[kind].removeprefix("open_clip:"), tmp_path / "tower"))
    weights = next(folder.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UserError):
        build_vision(VisionConfig(f"{'open_clip:' if kind == 'open_clip' else ''}{folder}"))


@pytest.mark.parametrize(
    ("vision", "message"),
    [
        ({"timm_model_name": "no_such_model"}, "cannot build this model_cfg: Unknown model"),
        (None, "no vision part"),
    ],
)
def test_a_vision_part_that_open_clip_cannot_build_is_refused(backbones, tmp_path, vision, message):
    folder = Path(shutil.copytree(backbones["open_clip"].removeprefix("open_clip:"), tmp_path / "oc"))
    file = folder / "open_clip_config.json"
    content = json.loads(file.read_text())
    content["model_cfg"]["vision_cfg"] = vision
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        build_vision(VisionConfig(f"open_clip:{folder}"))
