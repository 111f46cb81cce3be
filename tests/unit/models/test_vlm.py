"""The composed model: packing changes nothing, images land in their places, no parameter is left without gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmtune.batch import IMAGE_TOKEN_ID, PackedBatch
from mmtune.errors import UserError
from mmtune.models.building import build
from mmtune.models.config import VisionConfig
from tests.unit.models.rows import (
    IMAGE,
    IMAGE_TOKENS,
    LANGUAGES,
    PAIRS,
    SIDE,
    TOWERS,
    make_config,
    make_row,
    split_row,
    token_losses,
)

MIXED = [[-5, IMAGE, -6, 7, 8, 9], [-9, 10, 11], [IMAGE, -12, IMAGE, 13, -14, 15], [-16, IMAGE, 17]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_packed_losses_are_the_unpacked_ones(backbones, language):
    model = build(make_config(backbones, language=language), template="plain").model
    row = make_row(MIXED)
    with torch.no_grad():
        packed = token_losses(model, row)
        alone = torch.cat([token_losses(model, one) for one in split_row(row)])
    assert packed.numel() == row.supervised == 8
    assert alone.std() > 0.1
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=0)


documents = st.lists(
    st.lists(st.just(IMAGE) | st.integers(3, 60) | st.integers(-60, -3), min_size=1, max_size=6),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(documents=documents)
def test_any_row_packs_exactly(bundle, documents):
    row = make_row(documents)
    with torch.no_grad():
        packed = token_losses(bundle.model, row)
        alone = torch.cat([token_losses(bundle.model, one) for one in split_row(row)])
    assert packed.shape == (row.supervised,)
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=0)


def test_documents_do_not_see_each_other(bundle):
    before = make_row([[3, 4, 5, 6], [IMAGE, 7, 8]])
    after = make_row([[3, 9, 10, 6], [IMAGE, 7, 8]])
    with torch.no_grad():
        one, two = bundle.model(before), bundle.model(after)
    assert not torch.allclose(one[1], two[1], atol=1e-3)
    torch.testing.assert_close(one[3:], two[3:], atol=1e-5, rtol=0)


def test_packed_gradients_are_the_unpacked_ones(backbones):
    model = build(make_config(backbones), template="plain").model
    row = make_row(MIXED)
    token_losses(model, row).sum().backward()
    packed = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    for one in split_row(row):
        if one.supervised:
            token_losses(model, one).sum().backward()
    for name, parameter in model.named_parameters():
        if name in packed:
            torch.testing.assert_close(packed[name], parameter.grad, atol=1e-3, rtol=1e-3, msg=name)


@pytest.mark.parametrize(("tower", "language"), PAIRS)
@pytest.mark.parametrize(
    "row",
    [make_row([[3, 4, 5]]), make_row([[-3, IMAGE, -4]]), PackedBatch.empty(3, SIDE)],
    ids=["text", "mute", "empty"],
)
def test_every_trainable_parameter_gets_a_gradient(backbones, tower, language, row):
    model = build(make_config(backbones, tower, language), template="plain").model
    for part in model.parts():
        model.set_trainable(part, True)
    logits = model(row)
    assert logits.shape == (row.supervised, model.language.config.vocab_size)
    logits.sum().backward()
    silent = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert silent == []
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    if not row.image_views:
        seen = [
            p for part in ("vision", "projector") for p in model.parts()[part].parameters() if p.requires_grad
        ]
        assert seen and all(p.grad.abs().max() == 0 for p in seen)


@pytest.mark.parametrize(
    "learns", [("projector",), ("projector", "language"), ("vision", "projector", "language")]
)
def test_only_what_learns_gets_a_gradient(backbones, learns):
    model = build(make_config(backbones), template="plain").model
    for part in model.parts():
        model.set_trainable(part, part in learns)
    for row in (make_row(MIXED), make_row([[3, 4]]), PackedBatch.empty(3, SIDE)):
        model.zero_grad()
        model(row).sum().backward()
        touched = {
            name for name, part in model.parts().items() if any(p.grad is not None for p in part.parameters())
        }
        assert touched == set(learns)
        assert not any(p.requires_grad and p.grad is None for p in model.parameters())


def test_a_frozen_tower_keeps_no_graph(backbones):
    model = build(make_config(backbones), template="plain").model
    model.set_trainable("vision", False)
    seen = []
    model.projector.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].requires_grad))
    model(make_row(MIXED))
    model.set_trainable("vision", True)
    model(make_row(MIXED))
    assert seen == [False, True]


def test_training_a_part_leaves_the_unused_tower_layers_frozen(backbones):
    model = build(make_config(backbones), template="plain").model
    model.set_trainable("vision", True)
    assert not any(p.requires_grad for p in model.vision.unused_parameters())
    assert any(p.requires_grad for p in model.vision.parameters())


def test_visual_tokens_stand_in_their_places(bundle):
    row = make_row([[5, IMAGE, 6], [7, IMAGE, IMAGE, 8]])
    embedded = bundle.model.embed(row.input_ids, row.pixels, row.image_views, row.image_sizes)
    visual = bundle.model.encode_images(row.pixels, row.image_views, row.image_sizes)
    assert [v.shape for v in visual] == [(IMAGE_TOKENS, 64)] * 3
    places = row.input_ids == IMAGE_TOKEN_ID
    torch.testing.assert_close(embedded[places], torch.cat(visual))
    table = bundle.model.language.get_input_embeddings().weight
    torch.testing.assert_close(embedded[~places], table[torch.tensor([5, 6, 7, 8])])
    again = bundle.model.embed(row.input_ids, visual_tokens=visual)
    assert torch.equal(again, embedded)


def test_the_table_learns_nothing_from_image_places(backbones):
    model = build(make_config(backbones), template="plain").model
    model.embed(*_embed_arguments(make_row([[5, IMAGE, 6]]))).sum().backward()
    rows = model.language.get_input_embeddings().weight.grad.abs().sum(1).nonzero().squeeze(1)
    assert rows.tolist() == [5, 6]


def _embed_arguments(row):
    return row.input_ids, row.pixels, row.image_views, row.image_sizes


def test_a_wrong_number_of_visual_tokens_is_refused(bundle):
    row = make_row([[5, IMAGE, 6]])
    with pytest.raises(ValueError, match="32 visual tokens, the row has 16 places"):
        bundle.model.embed(row.input_ids, row.pixels.repeat(2, 1, 1, 1), (1, 1), ((SIDE, SIDE),) * 2)
    with pytest.raises(ValueError, match="0 visual tokens, the row has 16 places"):
        bundle.model.embed(row.input_ids)


def test_a_language_model_that_ignores_logits_to_keep_is_refused(backbones, monkeypatch):
    model = build(make_config(backbones), template="plain").model
    forward = model.language.forward
    monkeypatch.setattr(
        model.language, "forward", lambda *, logits_to_keep, **arguments: forward(**arguments)
    )
    with pytest.raises(UserError, match="logits_to_keep"):
        model(make_row(MIXED))


def test_the_class_token_can_be_kept(backbones):
    config = make_config(backbones, vision=VisionConfig(backbones["clip"], select="cls_patch"))
    model = build(config, template="plain").model
    (visual,) = model.encode_images(torch.zeros(1, 3, SIDE, SIDE), (1,), ((SIDE, SIDE),))
    assert visual.shape[0] == IMAGE_TOKENS + 1 == model.policy.token_count(SIDE, SIDE)


@pytest.mark.parametrize("tower", TOWERS)
def test_gradient_checkpointing_changes_nothing(backbones, tower):
    row, grads = make_row(MIXED), []
    for checkpointing in (False, True):
        model = build(make_config(backbones, tower), template="plain").model.train()
        if checkpointing:
            model.enable_gradient_checkpointing()
        token_losses(model, row).sum().backward()
        grads.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    assert grads[0].keys() == grads[1].keys()
    for name, grad in grads[0].items():
        torch.testing.assert_close(grads[1][name], grad, msg=name)


def test_blocks_are_what_runs(backbones):
    model = build(make_config(backbones), template="plain").model
    ran = []
    for block in model.blocks():
        block.register_forward_hook(lambda module, *_: ran.append(module))
    model(make_row(MIXED))
    assert ran == model.blocks() and len(ran) == 2 + 2


@pytest.mark.parametrize("tower", TOWERS)
def test_pure_bfloat16_and_autocast(backbones, tower):
    row = make_row(MIXED)
    model = build(make_config(backbones, tower), template="plain").model
    exact = model(row)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = model(row)
    pure = model.to(torch.bfloat16)(row)
    pure.sum().backward()
    for logits in (mixed, pure):
        assert logits.dtype == torch.float32
        assert (logits - exact).norm() < 0.1 * exact.norm()


def test_a_projector_may_stay_in_float32_beside_bfloat16_parts(backbones):
    model = build(make_config(backbones, dtype="bfloat16"), template="plain").model
    model(make_row(MIXED)).sum().backward()
    assert next(model.projector.parameters()).grad.dtype == torch.float32


def test_meta_build_has_the_shapes_of_the_real_one(backbones):
    config = make_config(backbones, "siglip", "qwen3")
    meta, real = build(config, template="plain", meta=True).model, build(config, template="plain").model
    assert {n: p.shape for n, p in meta.named_parameters()} == {
        n: p.shape for n, p in real.named_parameters()
    }
    assert all(p.is_meta for p in meta.parameters())
