"""Towers beyond CLIP and SigLIP of one size: DINOv2, SigLIP 2, timm and ResNets, other sizes, patch grids, fused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mmtune.errors import UserError
from mmtune.images.geometry import Grid
from mmtune.models.config import TowerConfig, VisionConfig
from mmtune.models.vision import build_vision, restore_vision
from tests import tiny_models

SIDE = 32


def pixels(views: int = 2, side: int = SIDE) -> torch.Tensor:
    return torch.randn(views, 3, side, side, generator=torch.Generator().manual_seed(7))


def patches_of(image: torch.Tensor, patch: int = 8) -> tuple[torch.Tensor, Grid]:
    """(3, height, width) pixels as (patches, 3, patch, patch), by another way than the tower's own."""
    _, height, width = image.shape
    grid = Grid(height // patch, width // patch)
    cut = image.unfold(1, patch, patch).unfold(2, patch, patch)
    return cut.flatten(1, 2).transpose(0, 1).contiguous(), grid


@pytest.fixture(scope="module")
def towers(backbones, tmp_path_factory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("towers")
    return {
        "clip": backbones["clip"],
        "siglip": backbones["siglip"],
        "open_clip": backbones["open_clip"],
        "siglip2": str(tiny_models.tiny_siglip2(root / "siglip2")),
        "dinov2": str(tiny_models.tiny_dinov2(root / "dinov2")),
        "registers": str(tiny_models.tiny_dinov2(root / "registers", registers=2)),
    }


@pytest.fixture(scope="module")
def timm_vit(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("timm") / "vit"
    return f"open_clip:{tiny_models.tiny_timm_open_clip(folder, 'test_vit', timm_pool='token', timm_proj='linear')}"


@pytest.fixture(scope="module")
def timm_convnext(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("timm") / "convnext"
    name = "test_convnext"
    made = tiny_models.tiny_timm_open_clip(folder, name, image_size=64, timm_pool="avg", timm_proj="linear")
    return f"open_clip:{made}"


@pytest.mark.parametrize("layer", [-1, -2, 1])
@pytest.mark.parametrize("kind", ["dinov2", "registers"])
def test_hidden_states_of_dinov2_are_those_of_transformers(towers, kind, layer):
    from transformers import AutoModel

    model = AutoModel.from_pretrained(towers[kind]).eval()
    tower = build_vision(VisionConfig(towers[kind], layer=layer))
    assert tower.geometry.size == SIDE and tower.geometry.mean == (0.485, 0.456, 0.406)
    with torch.no_grad():
        states = model(pixels(), output_hidden_states=True).hidden_states
        got = tower(pixels())
        whole = build_vision(VisionConfig(towers[kind], layer=layer, select="cls_patch"))(pixels())
    first = 3 if kind == "registers" else 1
    torch.testing.assert_close(got, states[layer][:, first:], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(whole[:, 0], states[layer][:, 0], rtol=1e-5, atol=1e-5)
    assert whole.shape[1] == tower.tokens.count + 1 == 17


@pytest.mark.parametrize("kind", ["dinov2", "registers", "siglip"])
def test_the_final_norm_gives_the_last_hidden_state(towers, kind):
    from transformers import AutoModel

    tower = build_vision(VisionConfig(towers[kind], layer=-1, final_norm=True))
    with torch.no_grad():
        expected = AutoModel.from_pretrained(towers[kind])(pixels()).last_hidden_state
        got = tower(pixels())
    torch.testing.assert_close(got, expected[:, -16:], rtol=1e-5, atol=1e-5)
    got = tower(pixels())
    got.sum().backward()
    silent = {id(p) for p in tower.parameters() if p.grad is None}
    assert silent == {id(p) for p in tower.unused_parameters()}


def _siglip2_reference(folder: str, images: list[torch.Tensor]) -> list[torch.Tensor]:
    """Hidden states of transformers' own SigLIP 2 for images of different shapes in one padded batch."""
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    cut = [patches_of(image) for image in images]
    longest = max(grid.cells for _, grid in cut)
    flat = torch.zeros(len(images), longest, 3 * 64)
    mask = torch.zeros(len(images), longest, dtype=torch.int64)
    for place, (patches, grid) in enumerate(cut):
        flat[place, : grid.cells] = patches.permute(0, 2, 3, 1).flatten(1)
        mask[place, : grid.cells] = 1
    shapes = torch.tensor([[grid.rows, grid.cols] for _, grid in cut])
    with torch.no_grad():
        states = model(
            pixel_values=flat, pixel_attention_mask=mask, spatial_shapes=shapes, output_hidden_states=True
        ).hidden_states[-2]
    return [state[: grid.cells] for state, (_, grid) in zip(states, cut, strict=True)]


SHAPES = [(32, 32), (16, 40), (24, 8)]


def test_siglip2_sees_what_transformers_lets_it_see(towers):
    images = [pixels(1, 64)[0, :, :height, :width] for height, width in SHAPES]
    expected = _siglip2_reference(towers["siglip2"], images)
    tower = build_vision(VisionConfig(towers["siglip2"]))
    cut = [patches_of(image) for image in images]
    with torch.no_grad():
        got = tower.encode_grids(torch.cat([p for p, _ in cut]), [g for _, g in cut])
        square = tower(images[0][None])[0]
    torch.testing.assert_close(got, torch.cat(expected), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(square, expected[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["clip", "siglip", "siglip2", "dinov2", "registers"])
def test_grids_of_different_shapes_go_through_together_as_they_would_alone(towers, kind):
    tower = build_vision(VisionConfig(towers[kind])).eval()
    images = [pixels(1, 64)[0, :, :height, :width] for height, width in SHAPES]
    cut = [patches_of(image) for image in images]
    with torch.no_grad():
        together = tower.encode_grids(torch.cat([p for p, _ in cut]), [g for _, g in cut])
        alone = torch.cat([tower.encode_grids(p, [g]) for p, g in cut])
        square = tower(images[0][None])[0]
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together[:16], square, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["clip", "siglip", "dinov2", "registers"])
def test_another_size_interpolates_the_positions_as_transformers_does(towers, kind):
    from transformers import AutoModel

    tower = build_vision(VisionConfig(towers[kind], image_size=56))
    assert tower.geometry.size == 56 and tower.tokens.count == 49
    more = {"interpolate_pos_encoding": True} if kind in ("clip", "siglip") else {}
    model = AutoModel.from_pretrained(towers[kind]).eval()
    with torch.no_grad():
        expected = model(pixels(side=56), output_hidden_states=True, **more).hidden_states[-2]
        got = tower(pixels(side=56))
    torch.testing.assert_close(got, expected[:, -49:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["clip", "siglip", "siglip2", "dinov2", "registers", "open_clip"])
def test_a_tower_of_another_size_is_rebuilt_from_its_description(towers, kind):
    config = VisionConfig(towers[kind], image_size=48)
    tower = build_vision(config).eval()
    content = json.loads(json.dumps(tower.describe()))
    new = restore_vision(
        content["library"], content["config"], tower.geometry, layer=-2, select="patch", meta=False
    ).eval()
    new.load_state_dict(tower.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(new(pixels(side=48)), tower(pixels(side=48)))
    shapes = {n: p.shape for n, p in build_vision(config, meta=True).named_parameters()}
    assert shapes == {n: p.shape for n, p in tower.named_parameters()}


def test_open_clip_interpolates_as_open_clip_does(towers):
    import open_clip

    folder = towers["open_clip"].removeprefix("open_clip:")
    visual = open_clip.create_model(f"local-dir:{folder}", force_image_size=64).visual
    tower = build_vision(VisionConfig(towers["open_clip"], image_size=64))
    torch.testing.assert_close(tower.core.positional_embedding, visual.positional_embedding)


@pytest.mark.parametrize("layer", [-1, -2, 2])
def test_blocks_of_a_timm_transformer(timm_vit, layer):
    tower = build_vision(VisionConfig(timm_vit, layer=layer)).eval()
    assert tower.grid == Grid(2, 2) and tower.geometry.fit == "stretch"
    states = [None]
    for block in tower.core.trunk.blocks:
        block.register_forward_hook(lambda _module, _inputs, out: states.append(out))
    with torch.no_grad():
        tower.core.trunk(pixels())
        expected = states[layer]
        states.clear()
        got = tower(pixels())
    torch.testing.assert_close(got, expected[:, 1:])
    assert len(states) == tower.depth, "blocks behind the chosen one were run"


@pytest.mark.parametrize("layer", [-1, -2])
def test_stages_of_a_convolutional_network(timm_convnext, layer):
    tower = build_vision(VisionConfig(timm_convnext, layer=layer)).eval()
    assert tower.geometry.patch == (32 if layer == -1 else 16)
    stage = tower.core.trunk.stages[layer]
    seen = []
    stage.register_forward_hook(lambda _module, _inputs, out: seen.append(out))
    with torch.no_grad():
        got = tower(pixels(side=64))
    assert got.shape == (2, tower.tokens.count, tower.width)
    torch.testing.assert_close(got[0, tower.grid.cols + 1], seen[0][0, :, 1, 1])


def test_open_clip_resnets(tmp_path):
    import open_clip.modified_resnet
    from safetensors.torch import save_file

    vision = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 8}
    visual = open_clip.modified_resnet.ModifiedResNet([1, 1, 1, 1], 16, 32, image_size=64, width=8)
    save_file(
        {f"visual.{n}": v for n, v in visual.state_dict().items()}, tmp_path / "open_clip_model.safetensors"
    )
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps(
            {"model_cfg": {"embed_dim": 16, "vision_cfg": vision, "text_cfg": {}}, "preprocess_cfg": {}}
        )
    )
    tower = build_vision(VisionConfig(f"open_clip:{tmp_path}", layer=-1))
    assert tower.tokens.count == 4 and tower.width == 256 and len(tower.blocks()) == 4


def test_a_library_that_is_not_there_gets_the_nearest():
    with pytest.raises(UserError, match=r"unknown library of vision towers 'openclip'.*'open_clip'"):
        build_vision(VisionConfig("openclip:laion/model"))


@pytest.mark.parametrize("kind", ["vit", "convnext"])
def test_weights_behind_the_chosen_layer_stay_frozen(timm_vit, timm_convnext, kind):
    name, side = (timm_vit, 32) if kind == "vit" else (timm_convnext, 64)
    tower = build_vision(VisionConfig(name, layer=-2))
    tower(pixels(side=side)).sum().backward()
    silent = {id(p) for p in tower.parameters() if p.grad is None}
    assert silent and silent == {id(p) for p in tower.unused_parameters()}
    content = json.loads(json.dumps(tower.describe()))
    new = restore_vision(
        content["library"], content["config"], tower.geometry, layer=-2, select="patch", meta=False
    )
    new.load_state_dict(tower.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(new.eval()(pixels(side=side)), tower.eval()(pixels(side=side)))


def test_a_timm_transformer_without_a_class_token_has_a_final_norm(tmp_path):
    """SigLIP's, as prismatic reads it; without weights, since timm has no small one."""
    vision = {"timm_model_name": "vit_base_patch16_siglip_224", "image_size": 224, "timm_pool": "map"}
    model = {"embed_dim": 768, "vision_cfg": vision | {"timm_proj": "none"}, "text_cfg": {}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": {}}))
    config = VisionConfig(f"open_clip:{tmp_path}", layer=-1, final_norm=True)
    tower = build_vision(config, meta=True)
    norm = set(tower.core.trunk.norm.parameters())
    assert tower.tokens.count == 196 and norm and not norm & set(tower.unused_parameters())


def test_a_timm_transformer_of_another_size(timm_vit):
    own = build_vision(VisionConfig(timm_vit))
    tower = build_vision(VisionConfig(timm_vit, image_size=64))
    assert tower.tokens.count == 16 and tower(pixels(side=64)).shape == (2, 16, tower.width)
    assert own.core.trunk.pos_embed.shape[1] == 5 and tower.core.trunk.pos_embed.shape[1] == 17
    meta = build_vision(VisionConfig(timm_vit, image_size=64), meta=True)
    assert meta.core.trunk.pos_embed.shape == tower.core.trunk.pos_embed.shape


def fused(towers: dict[str, str], *kinds: str, **changes) -> VisionConfig:
    return VisionConfig("fused", towers=[TowerConfig(towers[kind]) for kind in kinds], **changes)


def test_channels_of_several_towers_stand_side_by_side(towers):
    tower = build_vision(fused(towers, "dinov2", "siglip"))
    alone = [build_vision(VisionConfig(towers[kind], image_size=SIDE)) for kind in ("dinov2", "siglip")]
    assert tower.width == 64 and tower.tokens.count == 16
    raw = pixels().sigmoid()
    seen = [
        (raw - torch.tensor(t.geometry.mean).view(3, 1, 1)) / torch.tensor(t.geometry.std).view(3, 1, 1)
        for t in alone
    ]
    with torch.no_grad():
        got = tower(seen[0])
        expected = torch.cat([t(s) for t, s in zip(alone, seen, strict=True)], dim=-1)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_interleaved_tokens_keep_the_order_of_the_patches(towers):
    tower = build_vision(fused(towers, "clip", "dinov2", fuse="interleave"))
    beside = build_vision(fused(towers, "clip", "dinov2"))
    assert tower.tokens.grid == Grid(4, 8) and tower.width == 64
    with torch.no_grad():
        got, channels = tower(pixels()), beside(pixels())
    assert not got[:, 0::2, 32:].any() and not got[:, 1::2, :32].any()
    torch.testing.assert_close(got[:, 0::2, :32], channels[..., :32])
    torch.testing.assert_close(got[:, 1::2, 32:], channels[..., 32:])


def test_patches_of_another_size_are_brought_to_the_first_grid(towers, timm_vit):
    tower = build_vision(fused(towers | {"timm": timm_vit}, "clip", "timm"))
    with torch.no_grad():
        coarse = tower.towers[1](tower._as_seen_by(tower.towers[1], pixels()))
        got = tower(pixels())[..., 32:]
    assert coarse.shape[1] == 4 and got.shape[1] == 16
    torch.testing.assert_close(got[:, 0], coarse[:, 0])  # corners keep the nearest patch's value


def test_a_fused_tower_is_rebuilt_from_its_description(towers):
    config = fused(towers, "siglip", "registers", image_size=48)
    tower = build_vision(config).eval()
    content = json.loads(json.dumps(tower.describe()))
    new = restore_vision(
        "fused", content["config"], tower.geometry, layer=-2, select="patch", meta=False
    ).eval()
    new.load_state_dict(tower.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(new(pixels(side=48)), tower(pixels(side=48)))
    tower(pixels(side=48)).sum().backward()
    silent = {id(p) for p in tower.parameters() if p.grad is None}
    assert silent == {id(p) for p in tower.unused_parameters()}
    assert len(tower.blocks()) == 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VisionConfig("fused", towers=[TowerConfig("x")]), "two towers or more"),
        (lambda: VisionConfig("x", towers=[TowerConfig("a"), TowerConfig("b")]), "two towers or more"),
        (
            lambda: VisionConfig("fused", towers=[TowerConfig("a"), TowerConfig("b")], select="cls_patch"),
            "only be joined patch by patch",
        ),
        (
            lambda: VisionConfig("fused", layer=-1, towers=[TowerConfig("a"), TowerConfig("b")]),
            "several towers have a layer each",
        ),
    ],
)
def test_what_cannot_be_fused_is_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_a_fused_source_names_every_tower(towers):
    config = fused(towers, "clip", "dinov2")
    assert config.source == f"{towers['clip']} + {towers['dinov2']}"
    moved = config.located("/a + /b")
    assert [t.name for t in moved.towers] == ["/a", "/b"] and Path(config.towers[0].name).is_dir()
