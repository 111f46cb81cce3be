"""Losses, hidden states and gradients of single records, against the model asked directly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmtune.batch import IGNORE
from mmtune.errors import UserError
from mmtune.models.building import build
from mmtune.records import ImageRef, Record, Turn
from mmtune.train.engines import optimizer_state
from mmtune.train.recipe import load_recipe
from mmtune.train.record_scores import RecordScorer, _answers_alone, _sketch
from mmtune.train.training_state import FOLDER, Progress, write_progress
from tests.tiny_run import write_recipe


@pytest.fixture(scope="module")
def scorer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scores")
    recipe = load_recipe(write_recipe(folder), [])
    return RecordScorer(build(recipe.model, template=recipe.template, seed=1)), folder


def record(answer="The image is red.", question="What colour is the image?", image="1.png"):
    turns = (Turn("user", f"<image>\n{question}" if image else question), Turn("assistant", answer))
    return Record("r", turns, (ImageRef(image),) if image else ())


def test_the_loss_is_the_mean_over_supervised_tokens(scorer):
    found, folder = scorer
    sample = found.encoder.encode(record(), folder)
    batch = found._batch(sample)
    with torch.no_grad():
        logits = found.model(batch)
    wanted = batch.targets[batch.targets != IGNORE]
    assert found.loss(record(), folder) == pytest.approx(
        torch.nn.functional.cross_entropy(logits, wanted).item(), rel=1e-4
    )


def test_an_answer_alone_knows_neither_question_nor_image(scorer):
    found, folder = scorer
    alone = [
        _answers_alone(found.encoder.encode(one, folder))
        for one in (record(), record(question="Why?", image=None))
    ]
    assert alone[0].document_lengths == alone[1].document_lengths
    assert torch.equal(alone[0].targets, alone[1].targets)
    two = Record(
        "t", (Turn("user", "Why?"), Turn("assistant", "So."), Turn("user", "And?"), Turn("assistant", "No."))
    )
    assert len(_answers_alone(found.encoder.encode(two, folder)).document_lengths) == 2
    assert found.difficulty(record(), folder) == pytest.approx(1, abs=0.5)


def test_hidden_states_and_gradients_see_question_answer_and_image(scorer):
    found, folder = scorer
    for look in (found.hidden, found.gradient):
        first = look(record(), folder)
        assert np.array_equal(first, look(record(), folder))
        assert np.isfinite(first).all() and np.abs(first).max() > 0
        assert not np.allclose(first, look(record(answer="Nine."), folder))
        assert not np.allclose(first, look(record(image="2.png"), folder))


def test_adam_makes_of_a_gradient_what_its_next_step_would(scorer, tmp_path):
    found, folder = scorer
    recipe = load_recipe(write_recipe(tmp_path), [])
    bundle = build(recipe.model, template=recipe.template, seed=1)
    learning = dict(bundle.model.projector.named_parameters(prefix="projector"))
    adam = torch.optim.AdamW(learning.values(), lr=1.0, betas=(0.8, 0.95), eps=1e-6, weight_decay=0)
    start = {name: one.detach().clone() for name, one in learning.items()}
    for _ in range(3):
        for one in learning.values():
            one.grad = torch.randn(one.shape, generator=torch.Generator().manual_seed(1)) * 1e-3
        adam.step()
    (tmp_path / FOLDER).mkdir()
    optimizer_state.write(tmp_path / FOLDER, optimizer_state.collect(adam, bundle.model, torch.clone))
    write_progress(tmp_path / FOLDER, Progress(recipe={"optim": {"betas": [0.8, 0.95], "eps": 1e-6}}))
    with torch.no_grad():
        for name, one in learning.items():
            one.copy_(start[name])
    scaled = RecordScorer(bundle, moments=tmp_path)
    seen = scaled.gradient(record(), folder)
    adam.zero_grad()
    scaled.model.requires_grad_(False)
    for one in learning.values():
        one.requires_grad_(True)
    batch = scaled._batch(scaled.encoder.encode(record(), folder))
    wanted = batch.targets[batch.targets != IGNORE]
    torch.nn.functional.cross_entropy(scaled.model(batch), wanted).backward()
    adam.step()
    moved = tuple(start[name] - one.detach() for name, one in learning.items())
    assert np.allclose(seen, _sketch(moved, len(seen)), rtol=1e-2, atol=1e-2 * np.abs(seen).max())
    assert not np.allclose(seen, found.gradient(record(), folder), atol=1e-2 * np.abs(seen).max())
    (tmp_path / FOLDER / optimizer_state.FILE).unlink()
    with pytest.raises(UserError, match="no moments of Adam"):
        RecordScorer(bundle, moments=tmp_path)


def test_sketched_gradients_keep_inner_products(scorer):
    found, folder = scorer
    records = [record(answer) for answer in ("The image is red.", "The image is blue.", "one two three")]
    wide = np.stack([found.gradient(one, folder, 200_003) for one in records])
    narrow = np.stack([found.gradient(one, folder, 2048) for one in records])
    unit_wide, unit_narrow = (
        found / np.linalg.norm(found, axis=1, keepdims=True) for found in (wide, narrow)
    )
    assert np.abs(unit_wide @ unit_wide.T - unit_narrow @ unit_narrow.T).max() < 0.15
    assert not any(parameter.grad is not None for parameter in found.model.parameters())
