"""Tiles, patch grids and fused towers on real photographs: align, tune, save, reload and chat by the commands."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file

from mmtune import cli
from mmtune.assets import shipped
from tests import tiny_models
from tests.commands import run
from tests.tiny_run import losses

DATA = "OUT/photos/data"


@dataclass(frozen=True)
class Setup:
    """A model over tiny backbones of real classes."""

    towers: dict[str, Callable[[Path], Path]]
    policy: str
    words: tuple[str, ...] = ()
    """More of the recipe, with ``{name}`` for a tower's folder."""


SETUPS = {
    "anyres": Setup(
        {"clip": tiny_models.tiny_clip},
        "anyres",
        ("--model.vision.name", "{clip}", "--data.max_tokens", "512"),
    ),
    "fused": Setup(
        {"dinov2": tiny_models.tiny_dinov2, "siglip": tiny_models.tiny_siglip},
        "anyres_max_9",
        (
            *("--model.vision.name", "fused", "--model.vision.fuse", "interleave"),
            *(
                "--model.vision.towers",
                "[{{name: {dinov2}}}, {{name: {siglip}, layer: -1, final_norm: true}}]",
            ),
            *("--model.images.pinpoints", "(1x1),...,(2x2)", "--model.images.max_views", "2"),
        ),
    ),
    "native": Setup(
        {"siglip2": tiny_models.tiny_siglip2},
        "native",
        ("--model.vision.name", "{siglip2}", "--model.images.max_patches", "24"),
    ),
}


@dataclass(frozen=True)
class Made:
    """A folder in which a setup was aligned and tuned."""

    setup: Setup
    folder: Path
    dry: str
    checkpoint: Path


@pytest.fixture(scope="module", params=sorted(SETUPS))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    setup = SETUPS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    names = {name: str(make(folder / name)) for name, make in setup.towers.items()}
    language = str(tiny_models.tiny_llama(folder / "language"))
    words = [word.format(**names) for word in setup.words]
    words += ["--model.language.name", language, "--model.image_policy", setup.policy]
    quick = ["--tensorboard", "false", "--validation.every", "40", "--checkpoint.every", "40"]
    run(["build", "photos", "--out", DATA], folder)
    align = [str(shipped("recipes/photos/align.yaml")), *words, *quick, "--optim.lr", "1e-2"]
    dry = run(["train", *align, "--dry-run"], folder)
    run(["train", *align], folder)
    tune = [str(shipped("recipes/photos/tune.yaml")), "--template", "vicuna_v1", "--optim.steps", "40"]
    run(["train", *tune, *quick, "--optim.lr", "3e-3"], folder)
    (checkpoint,) = (folder / "OUT/photos/tune/checkpoints").glob("step-*")
    return Made(setup, folder, dry, checkpoint)


def test_losses_are_finite_and_fall(made: Made) -> None:
    told = losses(made.folder / "OUT/photos/tune")
    assert all(math.isfinite(loss) for loss in told)
    assert sum(told[-3:]) < 0.75 * sum(told[:3]), told


def test_the_dry_run_tells_the_tokens_of_an_image(made: Made) -> None:
    line = next(line for line in made.dry.splitlines() if line.startswith("images:"))
    assert made.setup.policy in line
    # A view and a canvas with a newline a row: 16 + 8 * 9; 32 interleaved + 8 * 9 of two tiles; 24 patches.
    most = {"anyres": 88, "anyres_max_9": 104, "native": 24}[made.setup.policy]
    assert f"at most {most} an image" in line


def test_the_checkpoint_says_how_images_are_seen(made: Made) -> None:
    content = json.loads((made.checkpoint / "mmtune.json").read_text())
    assert content["image_policy"] == made.setup.policy
    stored = load_file(made.checkpoint / "projector" / "model.safetensors")
    assert ("newline.weight" in stored) == made.setup.policy.startswith("anyres")
    if made.setup.policy == "anyres":
        aligned = next((made.folder / "OUT/photos/align/checkpoints").glob("step-*"))
        before = load_file(aligned / "projector" / "model.safetensors")["newline.weight"]
        assert not before.equal(stored["newline.weight"]), "the newline learns with the projector"
    if "dinov2" in made.setup.towers:
        assert content["parts"]["vision"]["library"] == "fused"
        assert content["model"]["images"]["max_views"] == 2


def test_it_answers_about_photographs_of_any_shape(made: Made) -> None:
    photo = made.folder / DATA / "images" / "cat_2.png"
    wide = made.folder / "wide.png"
    with Image.open(photo) as image:
        image.resize((400, 90)).save(wide)
    for file in (photo, wide):
        question = ["--image", str(file), "--question", "What animal is this?", "--max-new-tokens", "8"]
        assert run(["chat", str(made.checkpoint), *question], made.folder).strip()


def test_too_small_a_record_is_refused_before_anything_is_trained(made: Made) -> None:
    words = ["train", str(shipped("recipes/photos/tune.yaml")), "--template", "vicuna_v1", "--dry-run"]
    errors = io.StringIO()
    before = Path.cwd()
    os.chdir(made.folder)
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            assert cli.main([*words, "--data.max_tokens", "20"]) == 2
    finally:
        os.chdir(before)
    told = " ".join(errors.getvalue().split())
    assert f"image policy {made.setup.policy} gives an image up to" in told and "may have 20 tokens" in told
