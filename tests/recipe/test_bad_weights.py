"""Weights that do not fit, through the command line: what differs, the first names, the likely cause, status 2."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mmtune import cli
from tests.tiny_models import tiny_full_clip, tiny_llama, tiny_open_clip
from tests.tiny_run import write_recipe

Tensors = dict[str, Tensor]
Fails = Callable[..., None]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny project, its backbones, and a run that saved every part and one that saved a LoRA."""
    folder = tmp_path_factory.mktemp("project")
    whole = write_recipe(folder, optim__steps=1, optim__batch_records=4, checkpoint__save_frozen=True)
    tiny_open_clip(folder / "open_clip", image_size=16)
    tiny_full_clip(folder / "full_clip", image_size=16)
    assert cli.main(["train", str(whole)]) == 0
    lora = ["--stage.learn.language", "lora", "--stage.adapters.language", "{rank: 4, alpha: 8}"]
    lora += ["--checkpoint.save_frozen", "false"]
    assert cli.main(["train", str(whole), "--out", str(folder / "lora"), *lora]) == 0
    return folder


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Fails:
    """Run a command that must end with status 2 and one sentence in which all of ``parts`` stand."""

    def run(words: list[object], *parts: str) -> None:
        capsys.readouterr()
        assert cli.main([str(word) for word in words]) == 2
        told = capsys.readouterr().err
        (line,) = [line for line in told.splitlines() if line.startswith("mmtune: ")]
        assert [part for part in parts if part not in line] == [], line
        assert "Traceback" not in told

    return run


def renamed(tensors: Tensors) -> Tensors:
    return {f"base.{name}": tensor for name, tensor in tensors.items()}


def halved(tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if ".1." not in name}


def without_ups(tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if "lora_B" not in name}


def deeper(tensors: Tensors) -> Tensors:
    more = {name.replace(".1.", ".7."): tensor.clone() for name, tensor in tensors.items() if ".1." in name}
    return tensors | more


def extended(tensors: Tensors) -> Tensors:
    return tensors | {f"resampler.{number}": torch.zeros(1) for number in range(12)}


def largest(tensors: Tensors) -> str:
    return max(tensors, key=lambda name: tensors[name].numel())


def narrower(tensors: Tensors) -> Tensors:
    name = largest(tensors)
    return tensors | {name: tensors[name][..., :-1].contiguous()}


def poisoned(tensors: Tensors) -> Tensors:
    tensors[largest(tensors)].view(-1)[3] = float("nan")
    return tensors


def changed(folder: Path, file: str, change: Callable[[Tensors], Tensors], place: Path) -> Path:
    """A copy of a model folder with other tensors in one file."""
    shutil.copytree(folder, place)
    save_file(change(load_file(place / file)), place / file, metadata={"format": "pt"})
    return place


LANGUAGE = ("llama", "model.safetensors", "--model.language.name", "")
TOWER = ("clip", "model.safetensors", "--model.vision.name", "")
OPEN_CLIP = ("open_clip", "open_clip_model.safetensors", "--model.vision.name", "open_clip:")
NAN = "hold NaN or infinity"


@pytest.mark.parametrize(
    ("backbone", "change", "said"),
    [
        (LANGUAGE, renamed, ["21 missing, 21 not of this model", "base.lm_head.weight", "another naming"]),
        (LANGUAGE, halved, ["9 missing", "model.layers.1.mlp.up_proj.weight", "not downloaded"]),
        (LANGUAGE, deeper, ["9 not of this model", "model.layers.7.", "another kind or size"]),
        (LANGUAGE, extended, ["12 not of this model", "resampler.7", "and 2 more"]),
        (LANGUAGE, narrower, ["1 of another shape", "is [488, 31] and should be [488, 32]", "vocabulary"]),
        (LANGUAGE, poisoned, ["1 language model weights", NAN, "earlier checkpoint"]),
        (TOWER, halved, ["16 missing", "encoder.layers.1.", "and 6 more"]),
        (TOWER, deeper, ["16 not of this model", "encoder.layers.7."]),
        (TOWER, narrower, ["1 of another shape", "[32, 3, 8, 7] and should be [32, 3, 8, 8]"]),
        (TOWER, poisoned, ["1 vision tower weights", NAN]),
        (OPEN_CLIP, renamed, ["no visual part"]),
        (OPEN_CLIP, halved, ["12 missing", "transformer.resblocks.1.", "and 2 more"]),
        (OPEN_CLIP, narrower, ["1 of another shape"]),
        (OPEN_CLIP, poisoned, [NAN]),
    ],
)
def test_a_backbone_that_does_not_fit_its_settings(
    project: Path,
    tmp_path: Path,
    fails: Fails,
    backbone: tuple[str, str, str, str],
    change: Callable[[Tensors], Tensors],
    said: list[str],
) -> None:
    name, file, key, before = backbone
    place = changed(project / name, file, change, tmp_path / "broken")
    out = tmp_path / "out"
    fails(["train", project / "recipe.yaml", "--out", out, key, f"{before}{place}"], str(place), *said)
    assert not list(out.glob("checkpoints/*"))


class _Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, ("ran",))


@pytest.mark.parametrize(
    ("backbone", "pickled"),
    [
        (LANGUAGE, "pytorch_model.bin"),
        (TOWER, "pytorch_model.bin"),
        (OPEN_CLIP, "open_clip_pytorch_model.bin"),
    ],
)
def test_a_pickled_backbone_that_would_run_something(
    project: Path, user_folder: Path, fails: Fails, backbone: tuple[str, str, str, str], pickled: str
) -> None:
    name, file, key, before = backbone
    place = user_folder / "broken"
    shutil.copytree(project / name, place)
    (place / file).unlink()
    torch.save({"x": _Harmful()}, place / pickled)
    words = ["train", project / "recipe.yaml", "--out", user_folder / "out", key, f"{before}{place}"]
    fails(words, "holds more than tensors", "so it is refused", "safetensors")
    assert not (user_folder / "ran").exists()


def test_the_text_half_of_a_clip_is_no_fault(project: Path, tmp_path: Path) -> None:
    words = ["train", project / "recipe.yaml", "--out", tmp_path / "out", "--model.vision.name"]
    assert cli.main([str(word) for word in (*words, project / "full_clip")]) == 0


@pytest.mark.parametrize("part", ["vision", "projector", "language"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (renamed, ["not of this model", "base.", "another naming"]),
        (extended, ["12 not of this model", "resampler.7", "and 2 more"]),
        (narrower, ["1 of another shape"]),
        (poisoned, [NAN]),
    ],
)
def test_a_checkpoint_that_does_not_fit_its_settings(
    project: Path,
    tmp_path: Path,
    fails: Fails,
    part: str,
    change: Callable[[Tensors], Tensors],
    said: list[str],
) -> None:
    saved = next((project / "out" / "checkpoints").iterdir())
    broken = changed(saved, f"{part}/model.safetensors", change, tmp_path / "broken")
    fails(["chat", broken, "--question", "Hi"], part, *said)
    fails(["export", broken, "--out", tmp_path / "exported"], part, *said)
    assert not (tmp_path / "exported").exists()


def test_an_adapter_that_does_not_fit(project: Path, tmp_path: Path, fails: Fails) -> None:
    saved = next((project / "lora" / "checkpoints").iterdir())
    file = "adapters/language/adapter_model.safetensors"
    for number, (change, said) in enumerate(
        [
            (halved, ["is missing", "number of layers"]),
            (without_ups, ["is not whole", "q_proj.lora_B.weight is missing", "fetch or save it again"]),
            (narrower, ["and should be", "other widths"]),
            (poisoned, ["adapter weights", NAN]),
        ]
    ):
        broken = changed(saved, file, change, tmp_path / str(number))
        fails(["chat", broken, "--question", "Hi"], *said)


@pytest.mark.parametrize("command", [["train"], ["train", "--dry-run"], ["inspect"], ["data", "check"]])
def test_a_policy_with_more_tokens_than_a_record_may_have(
    project: Path, tmp_path: Path, fails: Fails, command: list[str]
) -> None:
    words = [*command, project / "recipe.yaml", "--model.image_policy", "anyres", "--data.max_tokens", "20"]
    fails([*words, "--out", tmp_path / "out"] if command == ["train"] else words, "up to 24", "20 tokens")


def test_a_lora_goes_on_no_other_base(project: Path, tmp_path: Path, fails: Fails) -> None:
    saved = next((project / "lora" / "checkpoints").iterdir())
    other = tiny_llama(tmp_path / "other", seed=5, hidden_size=32, intermediate_size=48)
    words = ["train", project / "recipe.yaml", "--out", tmp_path / "out", "--model.checkpoint", saved]
    fails([*words, "--model.language.name", other], "language", str(other))
