"""Reward models of transformers: their own number, and no model without a trained head."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2ForSequenceClassification,
    GPT2Model,
    PreTrainedTokenizerFast,
)

from data_builders.curate.scores.reward import RewardModel
from mmtune.errors import RecordError, UserError
from mmtune.records import ImageRef, Record, Turn

WORDS = ["<pad>", "<unk>", "what", "is", "it", "?", "a", "red", "cat", "human", "model", "."]


def record(answer: str) -> Record:
    return Record(
        "r", (Turn("user", "<image>\nwhat is it ?"), Turn("assistant", answer)), (ImageRef("a.png"),)
    )


def save(folder: Path, outputs: int, head: bool = True, template: str | None = None) -> Path:
    torch.manual_seed(1)
    config = GPT2Config(
        vocab_size=len(WORDS),
        n_positions=12,
        n_embd=8,
        n_layer=1,
        n_head=2,
        num_labels=outputs,
        pad_token_id=0,
    )
    (GPT2ForSequenceClassification if head else GPT2Model)(config).save_pretrained(folder)
    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, "<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", unk_token="<unk>")
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return folder


def logits(folder: Path, words: str) -> torch.Tensor:
    model = GPT2ForSequenceClassification.from_pretrained(folder).eval()
    ids = torch.tensor([[WORDS.index(word) for word in words.split()]])
    with torch.inference_mode():
        return model(input_ids=ids).logits[0]


def test_the_reward_is_the_models_own(tmp_path: Path) -> None:
    model = RewardModel(save(tmp_path, 1))
    assert model.reward(record("a red cat .")) == pytest.approx(
        logits(tmp_path, "what is it ? a red cat .").item(), abs=1e-6
    )
    assert model.question_reward(record("a red cat .")) == pytest.approx(
        logits(tmp_path, "what is it ?").item(), abs=1e-6
    )
    assert model.reward(record("a cat .")) != model.reward(record("a red cat ."))


def test_a_chat_template_is_used_and_two_outputs_are_log_odds(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}{{ 'human ' if m.role == 'user' else 'model ' }}{{ m.content }} {% endfor %}"
    )
    found = RewardModel(save(tmp_path, 2, template=template)).reward(record("a red cat ."))
    first, second = logits(tmp_path, "human what is it ? model a red cat .").tolist()
    assert found == pytest.approx(second - first, abs=1e-6)


def test_what_is_no_reward_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"lacks weights: score\.weight"):
        RewardModel(save(tmp_path / "bare", 1, head=False))
    with pytest.raises(UserError, match="3 outputs"):
        RewardModel(save(tmp_path / "three", 3))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="cannot be loaded"):
        RewardModel(tmp_path / "empty")


def test_a_record_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="reads 12 tokens, the record has 24"):
        RewardModel(save(tmp_path, 1)).reward(record("a " * 20))
