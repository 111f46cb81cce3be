"""Checkpoints that are broken or do not fit: refused with what differs, the first names and the likely cause."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mmtune.cli import main
from mmtune.errors import UserError
from mmtune.models.convert import Given, bring_in, naming_of
from mmtune.models.convert.native import open_native
from mmtune.models.reading import read_file, read_weights
from tests import reference_checkpoints as reference
from tests.tiny_models import tiny_llama

Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A whole checkpoint of each naming."""
    place = tmp_path_factory.mktemp("whole")
    return {
        "hub": reference.hub(place, "tiny_llava"),
        "original": reference.original(place, "tiny_llava"),
        "lora": reference.lora(place, pickled=False),
    }


def broken(made: dict[str, Path], tmp_path: Path, change: Callable[[Tensors], Tensors]) -> Path:
    """The Hub checkpoint with other tensors."""
    folder = tmp_path / "broken"
    shutil.copytree(made["hub"], folder)
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors")
    return folder


def refusal(source: Path, tmp_path: Path, given: Given | None = None, **options: Any) -> str:
    """The sentence that an import is refused with; nothing is left behind."""
    out = tmp_path / "out"
    with pytest.raises(UserError) as caught:
        bring_in(source, out, given or Given(), **options)
    assert not out.exists()
    return str(caught.value)


def renamed(tensors: Tensors) -> Tensors:
    return {
        name.replace("language_model.model.layers", "language_model.model.blocks"): t
        for name, t in tensors.items()
    }


def without_projector(tensors: Tensors) -> Tensors:
    return {name: t for name, t in tensors.items() if "projector" not in name}


def with_more(tensors: Tensors) -> Tensors:
    return tensors | {f"resampler.{number}": torch.zeros(1) for number in range(12)}


def wider(tensors: Tensors) -> Tensors:
    return tensors | {"multi_modal_projector.linear_1.weight": torch.zeros(48, 33)}


def mixed(tensors: Tensors) -> Tensors:
    name = "language_model.model.layers.0.mlp.up_proj.weight"
    return tensors | {name: tensors[name].half()}


def with_nan(tensors: Tensors) -> Tensors:
    tensors["vision_tower.vision_model.post_layernorm.weight"][3] = float("nan")
    return tensors


def renamed_whole(tensors: Tensors) -> Tensors:
    return {f"base.{name}": tensor for name, tensor in tensors.items()}


def quantised(tensors: Tensors) -> Tensors:
    return tensors | {"language_model.model.layers.0.mlp.up_proj.weight.absmax": torch.zeros(2)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (renamed, ["27 missing, 27 not of this model", "and 44 more", "check --naming"]),
        (
            without_projector,
            [
                "projector weights do not fit: 4 missing",
                "multi_modal_projector.linear_1.weight",
                "holds no projector part",
            ],
        ),
        (
            with_more,
            ["12 not of this model", "resampler.0", "resampler.7", "and 2 more", "another kind or size"],
        ),
        (
            wider,
            [
                "multi_modal_projector.linear_1.weight is [48, 33] and should be [48, 32]",
                "another vision tower or language model",
            ],
        ),
        (mixed, ["mixed types", "model.layers.0.mlp.up_proj.weight is float16", "--dtype"]),
        (
            with_nan,
            [
                "1 vision weights hold NaN or infinity: vision_tower.vision_model.post_layernorm.weight",
                "diverged",
            ],
        ),
        (quantised, ["up_proj.weight.absmax", "quantised"]),
        (
            renamed_whole,
            ["71 missing, 105 not of this model", "vision_tower.vision_model.", "base.", "check --naming"],
        ),
    ],
)
def test_what_differs_is_told(
    made: dict[str, Path], tmp_path: Path, change: Callable[[Tensors], Tensors], said: list[str]
) -> None:
    sentence = refusal(broken(made, tmp_path, change), tmp_path)
    assert [text for text in said if text not in sentence] == [], sentence


def test_mixed_types_can_be_made_one(made: dict[str, Path], tmp_path: Path) -> None:
    bring_in(broken(made, tmp_path, mixed), tmp_path / "out", Given(), dtype=torch.bfloat16)
    weights = open_native(tmp_path / "out").weights
    assert {t.dtype for tensors in weights.values() for t in tensors.values()} == {torch.bfloat16}


def test_a_file_that_is_cut_short_is_refused(made: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(made["hub"], folder)
    os.truncate(folder / "model.safetensors", 100_000)
    assert "damaged or cut short" in refusal(folder, tmp_path)
    pickled = tmp_path / "cut-original"
    shutil.copytree(made["original"], pickled)
    os.truncate(pickled / "pytorch_model.bin", 100_000)
    tower = str(made["original"].parent / "vision_tower")
    assert "damaged or cut short" in refusal(pickled, tmp_path, Given(vision=tower))


def test_a_missing_shard_is_named(made: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    shutil.copytree(made["hub"], folder)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    halves = {"model-00001-of-00002.safetensors": names[:50], "model-00002-of-00002.safetensors": names[50:]}
    for file, half in halves.items():
        save_file({name: tensors[name] for name in half}, folder / file)
    places = {name: file for file, half in halves.items() for name in half}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    assert read_weights(folder).keys() == tensors.keys()
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "1 of 2 weight files are missing, the first is model-00002" in refusal(folder, tmp_path)


class _Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("ran",))


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path, user_folder: Path) -> None:
    file = tmp_path / "mm_projector.bin"
    torch.save({"model.mm_projector.0.weight": _Harmful()}, file)
    with pytest.raises(UserError, match="could run any program"):
        read_file(file)
    file.write_bytes(pickle.dumps(_Harmful()))
    with pytest.raises(UserError):
        read_file(file)
    assert not (user_folder / "ran").exists()
    torch.save([1, 2], file)
    with pytest.raises(UserError, match="something else than tensors"):
        read_file(file)


def test_a_tokenizer_with_more_tokens_than_embeddings_is_refused(
    made: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "original"
    shutil.copytree(made["original"], folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 1990}))
    sentence = refusal(folder, tmp_path, Given(vision=str(made["original"].parent / "vision_tower")))
    assert "the tokenizer has ids up to 1999, the language model only 1990 embeddings" in sentence


def test_a_resampler_behind_the_tower_is_refused_and_image_tags_are_warned_of(
    made: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, given = tmp_path / "original", Given(vision=str(made["original"].parent / "vision_tower"))
    shutil.copytree(made["original"], folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"mm_resampler_type": "spatial_pool"}))
    assert "a resampler of type 'spatial_pool' has no counterpart" in refusal(folder, tmp_path, given)
    (folder / "config.json").write_text(json.dumps(config | {"mm_use_im_start_end": True}))
    bring_in(folder, tmp_path / "out", given)
    assert "trained with <im_start> and <im_end> around images" in caplog.text


def test_embeddings_of_another_vocabulary_are_refused(made: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "original"
    shutil.copytree(made["original"], folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 2016}))
    sentence = refusal(folder, tmp_path, Given(vision=str(made["original"].parent / "vision_tower")))
    assert "is [2000, 48] and should be [2016, 48]" in sentence and "another vocabulary" in sentence


def test_a_hub_model_with_other_embeddings_than_its_settings_say_is_refused(
    made: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "hub"
    shutil.copytree(made["hub"], folder)
    config = json.loads((folder / "config.json").read_text())
    for told, said in ((2112, "embed_tokens.weight is [2048, 48] and should be [2112, 48]"), (1990, "1990")):
        config["text_config"]["vocab_size"] = told
        (folder / "config.json").write_text(json.dumps(config))
        assert said in refusal(folder, tmp_path)


def test_names_of_later_transformers_are_told_as_they_stand_in_the_file(
    made: dict[str, Path], tmp_path: Path
) -> None:
    def later(tensors: Tensors) -> Tensors:
        return {
            name.replace("language_model.model.", "model.language_model.").replace(
                "vision_tower.vision_model.", "model.vision_tower."
            ): tensor
            for name, tensor in tensors.items()
            if "post_layernorm.bias" not in name
        }

    sentence = refusal(broken(made, tmp_path, later), tmp_path)
    assert "1 missing (missing: model.vision_tower.post_layernorm.bias)" in sentence


def test_a_template_that_does_not_fit_is_warned_of_with_both_names(
    made: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    assert main(["import", str(made["hub"]), "--out", str(out), "--template", "chatml"]) == 0
    assert f"template chatml does not fit the tokenizer {out / 'language'}" in caplog.text


def test_a_lora_for_another_base_is_refused(made: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "lora"
    shutil.copytree(made["lora"], folder)
    tensors = load_file(folder / "adapter_model.safetensors")
    wide = {n: torch.zeros(8, 64) if "q_proj.lora_A" in n else t for n, t in tensors.items()}
    save_file(wide, folder / "adapter_model.safetensors")
    sentence = refusal(folder, tmp_path, Given(base=str(made["original"])))
    assert "q_proj" in sentence and "64" in sentence and "48" in sentence, sentence


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("non_lora_trainables.bin", lambda t: dict(list(t.items())[1:]), ["projector", "1 missing"]),
        (
            "non_lora_trainables.bin",
            lambda t: {n.replace("mm_projector", "projector"): x for n, x in t.items()},
            [
                "4 missing, 4 not of this model",
                "model.projector.0.weight",
                "non_lora_trainables.bin",
                "naming",
            ],
        ),
        ("adapter_model.safetensors", lambda t: t | {min(t): t[min(t)].half()}, ["adapter", "mixed types"]),
        (
            "adapter_model.safetensors",
            lambda t: {n.replace("q_proj", "wq"): x for n, x in t.items()},
            ["layers.0.self_attn.wq.lora_A.weight has no place", "of another family"],
        ),
        (
            "adapter_model.safetensors",
            lambda t: t | {n.replace("layers.0.", "layers.9."): x.clone() for n, x in t.items()},
            ["layers.9.mlp.down_proj.lora_A.weight has no place", "another number of layers"],
        ),
        ("adapter_model.safetensors", lambda t: t | {min(t): t[min(t)] * torch.nan}, ["adapter", "NaN"]),
    ],
)
def test_a_lora_folder_whose_weights_are_spoilt_is_refused(
    made: dict[str, Path], tmp_path: Path, file: str, change: Callable[[Tensors], Tensors], said: list[str]
) -> None:
    folder = tmp_path / "lora"
    shutil.copytree(made["lora"], folder)
    if file.endswith(".bin"):
        torch.save(change(torch.load(folder / file)), folder / file)
    else:
        save_file(change(load_file(folder / file)), folder / file)
    sentence = refusal(folder, tmp_path, Given(base=str(made["original"])))
    assert [text for text in said if text not in sentence] == [], sentence


def test_a_lora_on_a_base_of_another_name_is_warned_of_and_the_template_told(
    made: dict[str, Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Weights of the same shapes cannot be told apart; ``original`` is what the adapter names."""
    other = tmp_path / "another"
    shutil.copytree(made["original"], other)
    shutil.copytree(made["original"].parent / "vision_tower", tmp_path / "vision_tower")
    words = ["import", str(made["lora"]), "--vision", str(tmp_path / "vision_tower"), "--base"]
    assert main([*words, str(other), "--out", str(tmp_path / "warned")]) == 0
    assert f"names original as its base, and the base given is {other}" in caplog.text
    assert "vicuna_v1 is the likeliest, --template NAME takes another" in capsys.readouterr().out
    caplog.clear()
    chosen = ["--out", str(tmp_path / "quiet"), "--template", "plain"]
    assert main([*words, str(made["original"]), *chosen]) == 0
    assert "as its base" not in caplog.text and "--template" not in capsys.readouterr().out


def test_a_lora_without_its_base_asks_for_it(made: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "alone" / "lora"
    shutil.copytree(made["lora"], folder)
    assert "say with --base where it is" in refusal(folder, tmp_path)


def test_a_tower_that_does_not_fit_is_named_itself(made: dict[str, Path], tmp_path: Path) -> None:
    tower = tmp_path / "tower"
    shutil.copytree(made["original"].parent / "vision_tower", tower)
    file = tower / "model.safetensors"
    save_file(dict(list(load_file(file).items())[1:]), file)
    sentence = refusal(made["original"], tmp_path, Given(vision=str(tower)))
    assert f"({tower})" in sentence and "1 missing" in sentence, sentence


def test_a_naming_that_it_is_not_in_is_refused(made: dict[str, Path], tmp_path: Path) -> None:
    given = Given(vision=str(made["original"].parent / "vision_tower"))
    assert "not of an original LLaVA" in refusal(made["hub"], tmp_path, given, naming="original")
    assert "not of a Hub LLaVA" in refusal(made["original"], tmp_path, given, naming="hub")


def test_a_projector_alone_is_for_a_language_model_alone(made: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "mm_projector.bin"
    whole = torch.load(made["original"] / "pytorch_model.bin")
    torch.save({name: tensor for name, tensor in whole.items() if "mm_projector" in name}, file)
    tower = str(made["original"].parent / "vision_tower")
    sentence = refusal(file, tmp_path, Given(vision=tower, language=str(made["original"])))
    assert "a whole LLaVA and not a language model" in sentence


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda t: {n.replace("mm_projector", "projector"): x for n, x in t.items()},
            ["4 not of this model", "model.projector.0.weight", "another naming"],
        ),
        (lambda t: t | {"model.resampler": torch.zeros(2)}, ["1 not of this model", "model.resampler"]),
        (lambda t: t | {"resampler": torch.zeros(2)}, ["1 not of this model", "resampler"]),
    ],
)
def test_a_projectors_file_with_other_tensors_is_refused(
    made: dict[str, Path], tmp_path: Path, change: Callable[[Tensors], Tensors], said: list[str]
) -> None:
    whole = torch.load(made["original"] / "pytorch_model.bin")
    file = tmp_path / "mm_projector.bin"
    torch.save(change({n: t for n, t in whole.items() if "mm_projector" in n}), file)
    language = tiny_llama(tmp_path / "language", hidden_size=48, intermediate_size=64)
    given = Given(vision=str(made["original"].parent / "vision_tower"), language=str(language))
    sentence = refusal(file, tmp_path, given)
    assert [text for text in ["projector weights", str(file), *said] if text not in sentence] == [], sentence


def test_what_is_no_checkpoint_is_told(made: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such checkpoint"):
        naming_of(tmp_path / "nothing")
    with pytest.raises(UserError, match="neither an original LLaVA nor one of the Hub"):
        naming_of(tmp_path)
    assert {name: naming_of(folder) for name, folder in made.items()} == {name: name for name in made}


def test_a_missing_tower_is_asked_for(made: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "alone" / "checkpoint"
    shutil.copytree(made["original"], folder)
    sentence = refusal(folder, tmp_path)
    assert "the vision tower is not found" in sentence and "--vision" in sentence
