"""Models with tiles, newlines and patch grids: what is planned is what is spliced, saved and learnt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from mmtune.batch import IGNORE, IMAGE_TOKEN_ID, PackedBatch
from mmtune.decode.images import encode_images
from mmtune.decode.requests import Clip
from mmtune.errors import UserError
from mmtune.models.building import build
from mmtune.models.bundle import Bundle
from mmtune.models.checkpoint import load, save
from mmtune.models.config import ImagesConfig, ModelConfig, TowerConfig, VisionConfig
from mmtune.models.newline import newline_of
from tests.tiny_models import tiny_dinov2
from tests.unit.models.rows import make_config

SIZES = [(70, 40), (20, 90), (33, 33)]
POLICIES = ["anyres", "anyres_max_9", "native"]


def image(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def row(bundle: Bundle, sizes: list[tuple[int, int]]) -> PackedBatch:
    """A document of all images and a few words."""
    policy = bundle.policy
    views = [policy.views(image(*size)) for size in sizes]
    counts = tuple(policy.token_count(*size) for size in sizes)
    ids = torch.tensor([IMAGE_TOKEN_ID] * sum(counts) + [5, 6, 7, 8])
    targets = torch.full_like(ids, IGNORE)
    targets[-4:-1] = ids[-3:]
    side = policy.geometry.size
    return PackedBatch(
        input_ids=ids,
        position_ids=torch.arange(len(ids)),
        targets=targets,
        document_lengths=(len(ids),),
        pixels=policy.normalise(torch.cat(views)) if views else torch.zeros(0, 3, side, side),
        image_views=tuple(len(v) for v in views),
        image_sizes=tuple(sizes),
        image_token_counts=counts,
    )


def made(backbones: dict[str, str], policy: str, **changes) -> Bundle:
    config = make_config(backbones, changes.pop("tower", "clip"), image_policy=policy, **changes)
    return build(config, template="plain")


@pytest.mark.parametrize("tower", ["clip", "siglip", "open_clip"])
@pytest.mark.parametrize("policy", POLICIES)
def test_an_image_gives_the_tokens_that_were_planned_for_it(backbones, policy, tower):
    if (policy, tower) == ("native", "open_clip"):
        with pytest.raises(UserError, match="sees square views only"):
            made(backbones, policy, tower=tower)
        return
    bundle = made(backbones, policy, tower=tower)
    batch = row(bundle, SIZES)
    tokens = bundle.model.encode_images(batch.pixels, batch.image_views, batch.image_sizes)
    assert tuple(len(one) for one in tokens) == batch.image_token_counts
    alone = encode_images(bundle.model, [image(*size) for size in SIZES])
    for one, other in zip(tokens, alone, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert bundle.model(batch).shape[0] == 3


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("sizes", [SIZES, [(200, 1)], []], ids=["images", "strip", "none"])
def test_every_weight_that_learns_gets_a_gradient(backbones, policy, sizes):
    """Also where a row has no image, or one so thin that its rows and newlines are cut off."""
    model = made(backbones, policy).model
    for part in ("vision", "projector", "language"):
        model.set_trainable(part, True)
    bundle = Bundle(model, None, "plain", model.policy, ModelConfig(checkpoint="x"))
    model(row(bundle, sizes)).sum().backward()
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    newline = newline_of(model.projector)
    assert (newline is None) == (policy == "native")
    if newline is not None and sizes == SIZES:
        assert newline.weight.grad.abs().sum() > 0


def test_the_newline_is_where_the_policy_puts_it(backbones):
    bundle = made(backbones, "anyres")
    newline = newline_of(bundle.model.projector)
    assert newline is not None
    with torch.no_grad():
        newline.weight.fill_(7.0)
        (tokens,) = encode_images(bundle.model, [image(64, 32)])
    ends = [place for place, token in enumerate(tokens) if (token == 7.0).all()]
    assert ends == [16 + 8 + 9 * r for r in range(4)]


def test_a_native_square_gives_what_the_policy_square_gives(backbones):
    native, square = made(backbones, "native"), made(backbones, "square")
    square.model.load_state_dict(native.model.state_dict())
    seen = [encode_images(bundle.model, [image(32, 32)])[0] for bundle in (native, square)]
    torch.testing.assert_close(seen[0], seen[1], rtol=1e-4, atol=1e-4)


def test_frames_of_a_video_are_seen_as_training_sees_them(backbones):
    bundle = made(backbones, "anyres")
    frames = [image(64, 32), image(64, 32).transpose(Image.Transpose.ROTATE_180)]
    (clip,) = encode_images(bundle.model, [Clip(tuple(frames))])
    policy = bundle.policy
    views = [policy.views(frame, frame=True) for frame in frames]
    tokens = bundle.model.encode_images(
        policy.normalise(torch.cat(views)), [len(v) for v in views], [f.size for f in frames]
    )
    assert len(clip) == 2 * policy.token_count(64, 32, frame=True) == 34
    torch.testing.assert_close(clip, torch.cat(tokens), rtol=1e-4, atol=1e-4)


def test_checkpoints_keep_policy_settings_and_newline(backbones, tmp_path):
    bundle = made(backbones, "anyres", images=ImagesConfig(pinpoints=[[32, 64], [64, 32]], video_frames=3))
    save(tmp_path / "one", bundle)
    again = load(tmp_path / "one")
    assert again.config.images == bundle.config.images and again.policy.canvases == ((32, 64), (64, 32))
    batch = row(bundle, SIZES)
    torch.testing.assert_close(again.model(batch), bundle.model(batch))
    was, now = newline_of(bundle.model.projector), newline_of(again.model.projector)
    assert was is not None and now is not None and torch.equal(was.weight, now.weight)


def test_a_stage_may_change_the_policy(backbones, tmp_path):
    """Aligned on one view and tuned on tiles, as LLaVA-1.6 is: the newline is born with the second stage."""
    plain = made(backbones, "pad")
    save(tmp_path / "align", plain)
    tuned = build(ModelConfig(checkpoint=str(tmp_path / "align"), image_policy="anyres"), template="plain")
    assert tuned.policy.name == "anyres" and newline_of(tuned.model.projector) is not None
    save(tmp_path / "tune", tuned)
    kept = build(ModelConfig(checkpoint=str(tmp_path / "tune")), template="plain")
    assert torch.equal(newline_of(kept.model.projector).weight, newline_of(tuned.model.projector).weight)
    back = build(ModelConfig(checkpoint=str(tmp_path / "tune"), image_policy="square"), template="plain")
    assert newline_of(back.model.projector) is None
    more = ImagesConfig(max_views=2)
    changed = build(ModelConfig(checkpoint=str(tmp_path / "tune"), images=more), template="plain")
    assert changed.config.images == more and changed.policy.token_count(64, 64) < kept.policy.token_count(
        64, 64
    )


@pytest.mark.parametrize("fuse", ["channel", "interleave"])
def test_a_fused_tower_goes_through_a_checkpoint_stored_or_referred_to(backbones, tmp_path, fuse):
    dinov2 = str(tiny_dinov2(tmp_path / "dinov2"))
    vision = VisionConfig("fused", towers=[TowerConfig(dinov2), TowerConfig(backbones["siglip"])], fuse=fuse)
    bundle = made(backbones, "anyres", vision=vision)
    bundle.model.set_trainable("vision", False)
    batch = row(bundle, SIZES)
    expected = bundle.model(batch)
    save(tmp_path / "whole", bundle)
    save(tmp_path / "referred", bundle, include=("projector", "language"))
    for name in ("whole", "referred"):
        torch.testing.assert_close(load(tmp_path / name).model(batch), expected)
    (tmp_path / "dinov2").rename(tmp_path / "moved")
    torch.testing.assert_close(load(tmp_path / "whole").model(batch), expected)
    with pytest.raises(UserError):
        load(tmp_path / "referred")
    there = vision.located(f"{tmp_path / 'moved'} + {backbones['siglip']}")
    moved = build(ModelConfig(vision=there, checkpoint=str(tmp_path / "referred")), template="plain")
    torch.testing.assert_close(moved.model(batch), expected)
    other = replace(there, fuse="channel" if fuse == "interleave" else "interleave")
    with pytest.raises(UserError, match="trained with"):
        build(ModelConfig(vision=other, checkpoint=str(tmp_path / "referred")), template="plain")


def test_native_needs_patches_alone(backbones):
    with pytest.raises(UserError, match="have no class token"):
        made(backbones, "native", vision=VisionConfig(backbones["clip"], select="cls_patch"))
