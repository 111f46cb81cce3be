"""Language models: what is mended, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from mmtune.errors import UserError
from mmtune.models.config import LanguageConfig
from mmtune.models.isolation import check_isolation
from mmtune.models.language import load_language
from mmtune.train.stages import set_dtypes
from tests.unit.models.rows import save_other_language


def copied(backbones: dict[str, str], tmp_path: Path, *without: str) -> Path:
    return Path(shutil.copytree(backbones["llama"], tmp_path / "lm", ignore=shutil.ignore_patterns(*without)))


def edit(file: Path, **changes: object) -> None:
    content = json.loads(file.read_text())
    content.update(changes)
    file.write_text(json.dumps(content))


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "mistral", "gemma"])
def test_packed_attention_is_installed(backbones, kind):
    model, tokenizer = load_language(LanguageConfig(backbones[kind]))
    assert model.config._attn_implementation == "mmtune_packed"
    assert tokenizer.pad_token_id is not None
    assert next(model.parameters()).dtype == torch.float32


def test_dtype(backbones):
    model, _ = load_language(LanguageConfig(backbones["llama"], dtype="bfloat16"))
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def test_meta_needs_the_config_and_tokenizer_only(backbones, tmp_path):
    folder = copied(backbones, tmp_path, "*.safetensors")
    model, tokenizer = load_language(LanguageConfig(str(folder)), meta=True)
    real, _ = load_language(LanguageConfig(backbones["llama"]))
    assert all(p.is_meta for p in model.parameters())
    assert {n: p.shape for n, p in model.named_parameters()} == {
        n: p.shape for n, p in real.named_parameters()
    }
    assert len(tokenizer) > 0


def test_the_embedding_of_a_pad_that_is_also_the_end_learns(backbones, tmp_path):
    folder = copied(backbones, tmp_path)
    edit(folder / "config.json", pad_token_id=2, eos_token_id=2)
    edit(folder / "tokenizer_config.json", pad_token="</s>")
    model, tokenizer = load_language(LanguageConfig(str(folder)))
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == 2
    model(input_ids=torch.tensor([[5, 2, 6]]), use_cache=False).logits.sum().backward()
    assert model.get_input_embeddings().weight.grad[2].abs().sum() > 0


def test_generation_settings_of_vicuna_can_be_saved(backbones, tmp_path):
    folder = copied(backbones, tmp_path)
    (folder / "generation_config.json").write_text(
        json.dumps({"temperature": 0.9, "top_p": 0.6, "do_sample": False})
    )
    model, _ = load_language(LanguageConfig(str(folder)))
    model.save_pretrained(tmp_path / "saved")


def test_tokenizer_longer_than_the_embeddings_is_refused(backbones, tmp_path):
    folder = copied(backbones, tmp_path)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"<extra{i}>" for i in range(3)])
    tokenizer.save_pretrained(folder)
    with pytest.raises(
        UserError, match=r"the tokenizer has ids up to \d+, the language model only \d+ embeddings"
    ):
        load_language(LanguageConfig(str(folder)))


@pytest.mark.parametrize("kind", ["chunked_attention", "linear_attention"])
def test_layers_that_are_not_told_where_documents_end_are_refused(backbones, tmp_path, kind):
    folder = save_other_language(tmp_path / "mistral", "mistral")
    edit(folder / "config.json", layer_types=["full_attention", kind])
    with pytest.raises(UserError, match=f"layers of the kind {kind}"):
        load_language(LanguageConfig(str(folder)), meta=True)


class _RunningMean(torch.nn.Module):
    """What a state space does to a packed row: every token gets something of all before it."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden.cumsum(1) / hidden.shape[1]


def test_a_layer_that_lets_documents_see_each_other_is_found_out(backbones):
    model, _ = load_language(LanguageConfig(backbones["llama"]))
    model.train()
    check_isolation(model, "here")
    assert model.training and not model.model.layers[0]._forward_hooks
    model.model.layers[1].mlp = _RunningMean()
    with pytest.raises(UserError, match="would see each other"):
        check_isolation(model, "here")
    model.model.layers[1].mlp = torch.nn.Bilinear(2, 2, 2)
    with pytest.raises(UserError, match="cannot run a packed row"):
        check_isolation(model, "here")


def test_the_trial_is_part_of_loading(backbones, monkeypatch):
    from transformers.models.llama.modeling_llama import LlamaMLP

    monkeypatch.setattr(LlamaMLP, "forward", lambda self, hidden: hidden.cumsum(1))
    with pytest.raises(UserError, match="would see each other"):
        load_language(LanguageConfig(backbones["llama"]))


@pytest.mark.parametrize("frozen", [False, True])
def test_a_language_model_loaded_in_bfloat16_learns_on_float32_masters(backbones, frozen):
    model, _ = load_language(LanguageConfig(backbones["llama"], dtype="bfloat16"))
    model.requires_grad_(not frozen)
    set_dtypes({"language": model}, learns=torch.float32, frozen=torch.bfloat16)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16 if frozen else torch.float32}


@pytest.mark.parametrize(
    ("without", "message"),
    [
        ("config.json", "no config.json"),
        ("*.safetensors", "cannot be loaded"),
        ("tokenizer*", "there is no tokenizer"),
    ],
)
def test_missing_files(backbones, tmp_path, without, message):
    with pytest.raises(UserError, match=message):
        load_language(LanguageConfig(str(copied(backbones, tmp_path, without))))


def test_missing_folder_and_other_models(backbones):
    with pytest.raises(UserError, match="no such model folder"):
        load_language(LanguageConfig("./nowhere"))
    with pytest.raises(UserError):
        load_language(LanguageConfig(backbones["clip"]))


def test_incomplete_and_damaged_weights(backbones, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = copied(backbones, tmp_path)
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(
        UserError, match=r"weights do not fit: 1 missing \(missing: model\.layers\.1\.mlp\.up_proj"
    ):
        load_language(LanguageConfig(str(folder)))
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be loaded"):
        load_language(LanguageConfig(str(folder)))
