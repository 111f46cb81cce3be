"""LoRA and DoRA: they start as nothing, merge exactly, and their files are peft's."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from mmtune.errors import UserError
from mmtune.models import adapters, checkpoint
from mmtune.models.adapters import make_adapter, naming
from mmtune.models.adapters.saved import attach_lora
from mmtune.models.building import build
from tests.tiny_models import tiny_llama
from tests.unit.models.adapters.models import (
    MIXED,
    ROWS,
    adapted,
    freeze_all_but_adapters,
    gradients,
    logits,
    stir_adapters,
)
from tests.unit.models.rows import make_config

SMALL = {"rank": 4, "alpha": 8}
ON = [("language", "clip", "llama"), ("language", "clip", "gemma"), ("vision", "clip", "llama")]
TOWERS = [("vision", tower, "llama") for tower in ("siglip", "open_clip")]


@pytest.mark.parametrize(("part", "tower", "language"), [*ON, *TOWERS])
@pytest.mark.parametrize("dora", [False, True], ids=["lora", "dora"])
def test_a_fresh_adapter_changes_nothing_and_merges_exactly(backbones, part, tower, language, dora):
    bundle = adapted(backbones, "lora", part, tower=tower, language=language, dora=dora, stir=False, **SMALL)
    before = logits(build(make_config(backbones, tower, language), template="plain"))
    torch.testing.assert_close(logits(bundle), before, atol=1e-5, rtol=0)
    stir_adapters(bundle)
    apart = logits(bundle)
    assert (apart - before).abs().max() > 0.05
    adapters.merge(bundle.model)
    assert (logits(bundle) - apart).abs().max() <= 1e-5 * max(1.0, float(apart.abs().max()))
    adapters.unmerge(bundle.model)
    torch.testing.assert_close(logits(bundle), apart, atol=2e-5, rtol=0)


@pytest.mark.parametrize(("part", "tower", "language"), [*ON, *TOWERS])
@pytest.mark.parametrize("row", ROWS)
def test_every_weight_that_learns_gets_a_gradient(backbones, part, tower, language, row):
    bundle = adapted(backbones, "lora", part, tower=tower, language=language, **SMALL)
    freeze_all_but_adapters(bundle, [part])
    found = gradients(bundle, ROWS[row])
    assert found and all(f".{naming.BASE}." not in name and "lora_" in name for name in found)
    assert [name for name, gradient in found.items() if gradient is None] == []
    if row == "mixed":
        assert all(gradient.abs().max() > 0 for gradient in found.values())


def test_names_of_the_parts_weights_do_not_change(backbones):
    plain = build(make_config(backbones), template="plain").model
    model = adapted(backbones, "lora", **SMALL).model
    assert list(model.state_of("language")) == list(plain.language.state_dict())
    assert set(model.state_of("adapters")) == {
        f"language.{name}" for name in model.language.state_dict() if "lora_" in name
    }
    assert len(model.blocks()) == len(plain.blocks())


def test_folding_leaves_a_plain_model(backbones):
    from mmtune.models.checkpoint.adapters import fold

    bundle = adapted(backbones, "lora", **SMALL)
    apart = logits(bundle)
    fold(bundle)
    plain = build(make_config(backbones), template="plain").model
    assert list(bundle.model.state_dict()) == list(plain.state_dict())
    assert not bundle.model.adapters and "language" not in bundle.references
    torch.testing.assert_close(logits(bundle), apart, atol=1e-5 * float(apart.abs().max()), rtol=0)


@pytest.mark.parametrize(
    "settings", [SMALL, {**SMALL, "dora": True}, {**SMALL, "targets": ["q_proj", "mlp.up_proj"]}]
)
def test_a_checkpoint_holds_the_adapter_in_pefts_format(backbones, tmp_path, settings):
    from peft import PeftModel

    bundle = adapted(backbones, "lora", **settings)
    freeze_all_but_adapters(bundle, ["language"])
    folder = checkpoint.save(tmp_path / "saved", bundle, include=["projector"])
    assert not list((folder / "language").glob("*.safetensors"))
    assert sorted(p.name for p in (folder / "adapters/language").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    again = checkpoint.load(folder)
    assert again.model.adapters["language"].settings == bundle.model.adapters["language"].settings
    torch.testing.assert_close(logits(again), logits(bundle), atol=0, rtol=0)
    ids = torch.arange(3, 20)[None]
    base = AutoModelForCausalLM.from_pretrained(backbones["llama"], attn_implementation="eager")
    theirs = PeftModel.from_pretrained(base, str(folder / "adapters/language")).eval()
    with torch.no_grad():
        expected = theirs(input_ids=ids).logits
        found = bundle.model.language(input_ids=ids, use_cache=False).logits
    torch.testing.assert_close(found, expected, atol=1e-5 * float(expected.abs().max()), rtol=0)


@pytest.mark.parametrize("rslora", [False, True])
def test_a_lora_that_peft_has_made_can_be_put_on(backbones, tmp_path, rslora):
    from peft import LoraConfig, get_peft_model

    base = AutoModelForCausalLM.from_pretrained(backbones["llama"], attn_implementation="eager")
    theirs = get_peft_model(
        base,
        LoraConfig(
            r=4,
            lora_alpha=8,
            target_modules=["q_proj", "down_proj"],
            use_rslora=rslora,
            init_lora_weights=False,
        ),
    ).eval()
    theirs.save_pretrained(tmp_path / "peft")
    bundle = build(make_config(backbones), template="plain")
    attach_lora(bundle.model, "language", tmp_path / "peft")
    ids = torch.arange(3, 20)[None]
    with torch.no_grad():
        expected = theirs(input_ids=ids).logits
        found = bundle.model.language.eval()(input_ids=ids, use_cache=False).logits
    torch.testing.assert_close(found, expected, atol=1e-5 * float(expected.abs().max()), rtol=0)


@pytest.mark.parametrize(
    ("changes", "cause", "named"),
    [
        ({"hidden_size": 32}, "other widths", "is [4, 64] and should be [4, 32]"),
        (
            {"num_hidden_layers": 1},
            "another number of layers",
            "layers.1.mlp.down_proj.lora_A.weight has no place",
        ),
    ],
)
def test_a_lora_of_another_base_is_refused_with_what_differs(backbones, tmp_path, changes, cause, named):
    saved = checkpoint.save(tmp_path / "saved", adapted(backbones, "lora", **SMALL))
    other = tiny_llama(tmp_path / "other", **changes)
    bundle = build(make_config({**backbones, "llama": str(other)}), template="plain")
    with pytest.raises(UserError) as error:
        attach_lora(bundle.model, "language", saved / "adapters/language")
    message = str(error.value)
    assert cause in message and named in message and "made for another model" in message
    assert message.count(".lora_") == 10  # the first ten names, no more
    assert not bundle.model.adapters and not list(naming.wrappers(bundle.model))


def test_a_base_with_other_weights_of_the_same_shape_is_refused(backbones, tmp_path):
    base = Path(shutil.copytree(backbones["llama"], tmp_path / "base"))
    bundle = adapted({**backbones, "llama": str(base)}, "lora", **SMALL)
    freeze_all_but_adapters(bundle, ["language"])
    folder = checkpoint.save(tmp_path / "saved", bundle, include=["projector", "vision"])
    shutil.rmtree(base)
    tiny_llama(base, seed=9)
    with pytest.raises(
        UserError, match="language weights are not the ones that the checkpoint was trained with"
    ):
        checkpoint.load(folder)


def test_damaged_and_foreign_folders_are_refused(backbones, tmp_path):
    folder = checkpoint.save(tmp_path / "saved", adapted(backbones, "lora", **SMALL)) / "adapters/language"
    model = build(make_config(backbones), template="plain").model
    config = json.loads((folder / "adapter_config.json").read_text())
    for change, message in (
        ({"bias": "all"}, "peft's bias"),
        ({"peft_type": "IA3"}, "no LoRA"),
        ({"init_lora_weights": "pissa_niter_4"}, "started as pissa_niter_4"),
    ):
        (folder / "adapter_config.json").write_text(json.dumps(config | change))
        with pytest.raises(UserError, match=message):
            attach_lora(model, "language", folder)
    (folder / "adapter_config.json").write_text(json.dumps(config))
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(UserError, match="cut short"):
        attach_lora(model, "language", folder)
    with pytest.raises(UserError, match="cut short"):
        checkpoint.load(tmp_path / "saved")
    with pytest.raises(UserError, match="no LoRA"):
        attach_lora(model, "language", tmp_path)


def test_fresh_weights_follow_the_seed_alone(backbones):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, two = (adapted(backbones, "lora", stir=False, **SMALL).model.state_of("adapters") for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize(
    ("part", "kind", "settings", "message"),
    [
        ("language", "lora", {"rnak": 4}, "did you mean 'rank'"),
        ("language", "lora", {"rank": "4"}, "rank must be a whole number"),
        ("language", "lora", {"rank": 0}, "rank must be at least 1"),
        ("language", "lora", {"dropout": 1.0}, "dropout must lie in"),
        ("language", "lora", {"alpha": 0}, "alpha must be above 0"),
        ("language", "lora", {"targets": []}, "targets is empty"),
        ("language", "lora", {"targets": "q_proj"}, "a list of texts or null"),
        ("language", "lora", {"bits": 8}, "bits must be 4"),
        ("language", "lroa", {}, "did you mean 'lora'"),
        ("vision", "mole", {}, "cannot be put on the vision part"),
        ("projector", "lora", {}, "cannot be put on the projector part"),
    ],
)
def test_wrong_settings_are_refused(part, kind, settings, message):
    with pytest.raises(UserError, match=message):
        make_adapter(part, kind, settings)


def test_a_target_that_no_layer_has_is_refused(backbones):
    with pytest.raises(UserError, match=r"called 'query'.*q_proj"):
        adapted(backbones, "lora", targets=["q_proj", "query"], **SMALL)


def test_one_adapter_a_part(backbones):
    bundle = adapted(backbones, "lora", **SMALL)
    with pytest.raises(UserError, match="has a lora adapter already"):
        adapters.attach(bundle.model, make_adapter("language", "mole", {}))


@pytest.mark.skipif(torch.cuda.is_available(), reason="only says what is missing where there is no GPU")
def test_four_bits_need_a_gpu(backbones):
    with pytest.raises(UserError, match="need a GPU"):
        adapted(backbones, "lora", bits=4, **SMALL)


def test_a_part_of_four_bits_is_not_written(backbones, tmp_path):
    bundle = adapted(backbones, "lora", **SMALL)
    freeze_all_but_adapters(bundle, ["language"])
    adapter = bundle.model.adapters["language"]
    adapter.settings = replace(adapter.settings, bits=4)
    with pytest.raises(UserError, match="the language part is held in four bits"):
        checkpoint.save(tmp_path / "saved", bundle)
    checkpoint.save(tmp_path / "referred", bundle, include=["projector", "vision"])


def test_a_checkpoint_of_four_bits_loads_without_a_gpu(backbones, tmp_path):
    folder = checkpoint.save(tmp_path / "saved", adapted(backbones, "lora", **SMALL))
    manifest = json.loads((folder / "mmtune.json").read_text())
    manifest["adapters"]["language"]["settings"]["bits"] = 4
    (folder / "mmtune.json").write_text(json.dumps(manifest))
    if not torch.cuda.is_available():
        assert checkpoint.load(folder).model.adapters["language"].settings.bits is None


def test_gradient_checkpointing_gives_the_same_gradients(backbones):
    bundle = adapted(backbones, "lora", dropout=0.0, **SMALL)
    freeze_all_but_adapters(bundle, ["language"])
    plain = gradients(bundle, MIXED)
    bundle.model.enable_gradient_checkpointing()
    for name, gradient in gradients(bundle, MIXED).items():
        torch.testing.assert_close(gradient, plain[name], atol=1e-4, rtol=1e-4)
