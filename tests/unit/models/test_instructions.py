"""Instructions reach the projector that reads them: packed or alone, with or without words, without a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from mmtune.batch import PackedBatch
from mmtune.models.building import build
from mmtune.models.instructions import read_instructions
from mmtune.models.vlm import VisionLanguageModel
from tests.tiny_projectors import READERS, tiny_projector
from tests.unit.models.rows import (
    IMAGE,
    IMAGE_TOKENS,
    LANGUAGES,
    SIDE,
    make_config,
    make_row,
    split_row,
    token_losses,
)

DOCUMENTS = [[-5, IMAGE, -6, 7, 8, 9], [-9, 10, 11], [IMAGE, -12, IMAGE, 13, 15], [-16, IMAGE, 17]]
WORDS = [[40, 41, 42], [43], [44, 45, 46, 47, 48], []]
"""Instructions of the four images."""


def model_of(backbones: dict[str, str], name: str, language: str = "llama") -> VisionLanguageModel:
    config = make_config(backbones, language=language, projector=tiny_projector(name, queries=IMAGE_TOKENS))
    model = build(config, template="plain").model
    for parameter in model.projector.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.1)  # as a Q-Former starts, a word moves little
    return model


def instructed(row: PackedBatch, words: Sequence[Sequence[int]]) -> PackedBatch:
    flat = [token for one in words for token in one]
    lengths = tuple(len(one) for one in words)
    return replace(row, instruction_ids=torch.tensor(flat, dtype=torch.int64), instruction_lengths=lengths)


def row_of_four() -> PackedBatch:
    return instructed(make_row(DOCUMENTS), WORDS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", READERS)
def test_packed_losses_are_the_unpacked_ones(backbones: dict[str, str], name: str, language: str) -> None:
    model = model_of(backbones, name, language)
    row, alone, image = row_of_four(), [], 0
    with torch.no_grad():
        packed = token_losses(model, row)
        for one in split_row(row):
            own = WORDS[image : image + len(one.image_views)]
            alone.append(token_losses(model, instructed(one, own) if own else one))
            image += len(own)
    torch.testing.assert_close(packed, torch.cat(alone), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", READERS)
def test_another_instruction_gives_another_answer(backbones: dict[str, str], name: str) -> None:
    model = model_of(backbones, name)
    with torch.no_grad():
        one = model(row_of_four())
        other = model(instructed(make_row(DOCUMENTS), [[30, 31, 32], *WORDS[1:]]))
    assert (one[:3] - other[:3]).abs().max() > 1e-4
    torch.testing.assert_close(one[3:], other[3:], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "row",
    [
        make_row([[3, 4, 5]]),
        PackedBatch.empty(3, SIDE),
        instructed(make_row([[-3, IMAGE, 4]]), [[]]),
        instructed(make_row([[-3, IMAGE, 4]]), [[9, 8]]),
    ],
    ids=["text", "empty", "wordless", "words"],
)
def test_every_trainable_parameter_gets_a_gradient(
    backbones: dict[str, str], name: str, row: PackedBatch
) -> None:
    model = model_of(backbones, name)
    for part in model.parts():
        model.set_trainable(part, True)
    model(row).sum().backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    if not row.image_views:
        assert all(p.grad.abs().max() == 0 for p in model.projector.parameters())


@pytest.mark.parametrize("name", READERS)
def test_the_table_learns_nothing_from_instructions(backbones: dict[str, str], name: str) -> None:
    model = model_of(backbones, name)
    row = instructed(make_row([[-5, IMAGE, 6]]), [[50, 51]])
    text = model.read_instructions(row.instruction_ids, row.instruction_lengths)
    assert text is not None and not text.states.requires_grad
    model(row).sum().backward()
    grown = model.language.get_input_embeddings().weight.grad.abs().sum(1).nonzero().flatten().tolist()
    assert not {50, 51} & set(grown)


def test_a_row_without_its_instructions_is_refused(backbones: dict[str, str]) -> None:
    model = model_of(backbones, "instruct_qformer")
    with pytest.raises(ValueError, match="reads the instruction of each image, and none are given"):
        model(make_row(DOCUMENTS))


@pytest.mark.parametrize(("ids", "lengths"), [([1, 2], (3, 0, 0, 0)), ([1, 2, 3], (3,))])
def test_instructions_that_do_not_fit_the_images_are_refused(
    ids: list[int], lengths: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="instructions of"):
        replace(make_row(DOCUMENTS), instruction_ids=torch.tensor(ids), instruction_lengths=lengths)


def test_a_projector_that_reads_nothing_costs_nothing(backbones: dict[str, str], monkeypatch: Any) -> None:
    model = build(make_config(backbones), template="plain").model
    monkeypatch.setattr("mmtune.models.vlm.read_instructions", None)
    model(make_row(DOCUMENTS))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("depth", [0.0, 0.5, 1.0])
def test_what_is_read_are_the_language_models_own_states(
    backbones: dict[str, str], language: str, depth: float
) -> None:
    model = build(make_config(backbones, language=language), template="plain").model
    flat = torch.tensor([token for one in WORDS for token in one])
    lengths = [len(one) for one in WORDS]
    text = read_instructions(model.language, flat, lengths, depth=depth, kernel="auto")
    assert text.real.sum(1).tolist() == lengths
    for place, words in enumerate(WORDS):
        if words:
            with torch.no_grad():
                states = model.language(torch.tensor([words]), output_hidden_states=True).hidden_states
            # transformers scales Gemma's embeddings on their way in; as embeddings they are read unscaled
            own = (
                states[round(depth * 2)]
                if depth
                else model.language.get_input_embeddings()(torch.tensor([words]))
            )
            torch.testing.assert_close(text.states[place, : len(words)], own[0], atol=1e-4, rtol=1e-4)
