"""New special tokens: rows at the mean, padded and tied tables, and the end of a text that is also the padding."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from mmtune.errors import UserError
from mmtune.models import checkpoint
from mmtune.models.building import build
from mmtune.models.config import LanguageConfig
from mmtune.models.language import load_language
from mmtune.models.new_tokens import add_tokens, ids_of
from mmtune.templates import get_template
from mmtune.templates.segments import encode
from tests.tiny_languages import tiny_language
from tests.unit.models.rows import make_config

NEW = ["<|im_start|>", "<|im_end|>", "<box>"]
TIED = {"llama": False, "gemma": True, "gpt2": True, "phi": False}


def tables(model) -> list[torch.Tensor]:
    head = model.get_output_embeddings()
    return [t for t in (model.get_input_embeddings().weight, head.weight, head.bias) if t is not None]


@pytest.mark.parametrize("family", TIED)
@pytest.mark.parametrize("padding", [0, 2, 64])
def test_new_rows_are_the_mean_of_the_old(tmp_path, family, padding):
    _, tokenizer = load_language(LanguageConfig(str(tiny_language(tmp_path / "small", family))))
    known = len(tokenizer)
    folder = tiny_language(tmp_path / "lm", family, vocab_size=known + padding)
    before, _ = load_language(LanguageConfig(str(folder)))
    model, tokenizer = load_language(LanguageConfig(str(folder), add_tokens=NEW))
    ids = tokenizer.convert_tokens_to_ids(NEW)
    assert ids == [known, known + 1, known + 2] and len(tokenizer) == known + 3
    assert tokenizer.decode(ids) == "".join(NEW) and tokenizer.decode(ids, skip_special_tokens=True) == ""
    rows = model.get_input_embeddings().weight.shape[0]
    assert rows == model.config.vocab_size == model.get_output_embeddings().weight.shape[0]
    assert rows >= known + max(padding, 3)
    for old, new in zip(tables(before), tables(model), strict=True):
        torch.testing.assert_close(new[:known], old[:known], atol=0, rtol=0)
        torch.testing.assert_close(
            new[known : known + 3], old[:known].mean(0).expand_as(new[known : known + 3])
        )
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert tied is TIED[family]
    with torch.no_grad():
        text = torch.arange(3, 12)[None]
        torch.testing.assert_close(
            model(input_ids=text).logits[..., :known],
            before(input_ids=text).logits[..., :known],
            atol=1e-5,
            rtol=0,
        )


def test_ids_that_are_left_out_move_no_row(tmp_path):
    """A vocabulary whose highest id is above its number of tokens."""
    folder = tiny_language(tmp_path / "lm", "llama", vocab_size=640)
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    vocabulary = content["model"]["vocab"]
    last = max(vocabulary, key=vocabulary.get)
    vocabulary[last] = 600
    file.write_text(json.dumps(content))
    before, old = load_language(LanguageConfig(str(folder)))
    assert len(old) < ids_of(old) == 601
    model, tokenizer = load_language(LanguageConfig(str(folder), add_tokens=NEW))
    ids = tokenizer.convert_tokens_to_ids(NEW)
    known = sorted(old.get_vocab().values())
    for one, other in zip(tables(before), tables(model), strict=True):
        torch.testing.assert_close(other[known], one[known], atol=0, rtol=0)
        torch.testing.assert_close(other[ids], one[known].mean(0).expand_as(other[ids]))


def test_an_id_above_the_embeddings_is_refused(tmp_path):
    folder = tiny_language(tmp_path / "lm", "llama")
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary[max(vocabulary, key=vocabulary.get)] = 10_000
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match="the tokenizer has ids up to 10000, the language model only"):
        load_language(LanguageConfig(str(folder)))


def test_a_padded_table_stays_a_multiple(tmp_path):
    folder = tiny_language(tmp_path / "lm", "llama", vocab_size=576)
    model, tokenizer = load_language(LanguageConfig(str(folder)))
    add_tokens(model, tokenizer, [f"<extra{i}>" for i in range(576 - len(tokenizer))])
    assert model.get_input_embeddings().weight.shape[0] == 576
    add_tokens(model, tokenizer, ["<one more>"])
    assert model.get_input_embeddings().weight.shape[0] == 640


def test_tokens_that_are_there_already_stay_as_they_are(backbones):
    model, tokenizer = load_language(LanguageConfig(backbones["qwen2"]))
    before = model.get_input_embeddings().weight.clone()
    ids = add_tokens(model, tokenizer, ["<|im_end|>"])
    assert ids == [tokenizer.eos_token_id]
    assert torch.equal(model.get_input_embeddings().weight, before)


def test_the_meta_device_has_the_same_shapes(backbones):
    config = LanguageConfig(backbones["llama"], add_tokens=NEW)
    real, meta = (load_language(config, meta=meta)[0] for meta in (False, True))
    assert {n: p.shape for n, p in real.named_parameters()} == {
        n: p.shape for n, p in meta.named_parameters()
    }
    assert all(p.is_meta for p in meta.parameters())


def test_a_template_that_needs_them_gets_control_tokens(backbones):
    _, tokenizer = load_language(LanguageConfig(backbones["llama"], add_tokens=NEW))
    from mmtune.records import Turn

    turns = (Turn("user", "Is <|im_end|> red?"), Turn("assistant", "Yes"))
    encoded = encode(get_template("chatml").render(turns), tokenizer)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    places = [place for place, token in enumerate(encoded.ids) if token == end]
    assert places and encoded.supervised[places[-1]]
    assert len(places) == encoded.ids.count(tokenizer.convert_tokens_to_ids("<|im_start|>"))


def test_a_checkpoint_holds_the_grown_model(backbones, tmp_path):
    config = make_config(backbones)
    config = replace(config, language=replace(config.language, add_tokens=NEW))
    bundle = build(config, template="plain")
    assert "language" not in bundle.references
    for part in bundle.model.parts():
        bundle.model.set_trainable(part, False)
    again = checkpoint.load(checkpoint.save(tmp_path / "saved", bundle))
    assert again.tokenizer.convert_tokens_to_ids(NEW) == bundle.tokenizer.convert_tokens_to_ids(NEW)
    for one, two in zip(tables(again.model.language), tables(bundle.model.language), strict=True):
        assert torch.equal(one, two)
    further = build(
        replace(
            config, checkpoint=str(tmp_path / "saved"), language=replace(config.language, add_tokens=["<a>"])
        ),
        template="plain",
    )
    assert further.tokenizer.convert_tokens_to_ids("<a>") == len(bundle.tokenizer)


@pytest.mark.parametrize("pad", [None, "</s>"])
def test_the_end_is_learnt_where_it_is_also_the_padding(backbones, pad):
    """Masks follow the text and never an id, so that an end that pads elsewhere is supervised all the same."""
    from pathlib import Path

    from mmtune.data.prepare import RecordEncoder
    from mmtune.records import parse_llava

    bundle = build(make_config(backbones), template="vicuna_v1")
    if pad:
        bundle.tokenizer.pad_token = pad
        assert bundle.tokenizer.pad_token_id == bundle.tokenizer.eos_token_id
    record = parse_llava(
        {"id": "1", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes."}]}, 0
    )
    encoder = RecordEncoder(bundle.tokenizer, get_template("vicuna_v1"), bundle.policy, 256)
    sample = encoder.encode(record, Path("."))
    assert sample.targets[-2] == bundle.tokenizer.eos_token_id
