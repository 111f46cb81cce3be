"""docs/extending.md does what it says: its file and its registry line, and nothing else, make a projector."""

from __future__ import annotations

import filecmp
import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from mmtune.train.recipe import load_recipe
from tests import processes
from tests.tiny_run import write_recipe

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")

LOAD_AND_ASK = """
import sys
from PIL import Image
from mmtune.decode.engine import Engine, Request, Settings
from mmtune.records import Turn

engine = Engine.from_checkpoint(sys.argv[1], "cpu")
turns = (Turn("user", "<image>\\nWhat colour is the image?"),)
(answer,) = engine.generate([Request([Image.new("RGB", (40, 30), "red")], turns)], Settings(4))
print(type(engine.model.projector).__name__, engine.bundle.policy.tokens.count, len(answer.ids))
"""


def block(kind: str) -> str:
    """The first fenced block of this kind on the page."""
    found = re.search(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/extending.md has no {kind} block"
    return found[1]


def apply(diff: str, text: str) -> str:
    """Put each added line behind the line that stands before it in the diff."""
    before = ""
    for line in diff.splitlines():
        if line.startswith("+"):
            assert text.count(f"{before}\n") == 1, before
            text = text.replace(f"{before}\n", f"{before}\n{line[1:]}\n")
        before = line[1:]
    return text


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with what the page adds."""
    folder = tmp_path_factory.mktemp("extended")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("mmtune", "recipes"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    projectors = folder / "mmtune" / "models" / "projectors"
    (projectors / "max_pool.py").write_text(block("python"))
    registry = projectors / "__init__.py"
    registry.write_text(apply(block("diff"), registry.read_text()))
    return folder


def run(extended: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(extended), str(ROOT)])}
    done = processes.run(words, cwd=extended, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def differences(ours: Path, theirs: Path) -> list[str]:
    """Files below two folders that are in one alone or differ."""
    compared = filecmp.dircmp(ours, theirs, ignore=["__pycache__"])
    found = [*compared.left_only, *compared.right_only, *compared.diff_files]
    for name in compared.common_dirs:
        found += differences(ours / name, theirs / name)
    return found


def test_one_file_and_one_line(extended: Path) -> None:
    assert differences(ROOT / "mmtune", extended / "mmtune") == ["max_pool.py", "__init__.py"]
    added = [line for line in block("diff").splitlines() if line.startswith("+")]
    assert len(added) == 1 and not re.search(r"^-", block("diff"), re.MULTILINE)


def test_the_tests_of_every_projector_take_it(extended: Path) -> None:
    file = ROOT / "tests" / "unit" / "models" / "projectors" / "test_every_projector.py"
    # appended, so that mmtune is the copy and not the one beside the tests
    words = (
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--import-mode=append",
        str(file),
        "-k",
        "max_pool",
    )
    assert re.search(r"^[89] passed", run(extended, *words), re.MULTILINE)


def test_it_is_planned_trained_saved_and_asked(extended: Path, tmp_path: Path) -> None:
    recipe = write_recipe(
        tmp_path, optim__steps=2, model__projector=yaml.safe_load(block("yaml"))["model"]["projector"]
    )
    planned = run(extended, "-m", "mmtune", "train", str(recipe), "--dry-run")
    assert re.search(r"^  max_pool +1,056 parameters +1 tokens  <- this recipe$", planned, re.MULTILINE), (
        planned
    )
    run(extended, "-m", "mmtune", "train", str(recipe))
    checkpoint = tmp_path / "out" / "checkpoints" / "step-000002"
    told = run(extended, "-c", LOAD_AND_ASK, str(checkpoint))
    assert told.split()[-3:-1] == ["MaxPoolProjector", "1"] and int(told.split()[-1]) >= 1


def test_without_the_line_the_name_is_unknown(tmp_path: Path) -> None:
    from mmtune.errors import UserError
    from mmtune.train.dry_run import dry_run

    recipe = load_recipe(write_recipe(tmp_path, model__projector={"name": "max_pool"}))
    with pytest.raises(UserError, match="unknown projector 'max_pool'"):
        dry_run(recipe)
