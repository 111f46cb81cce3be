"""The recipes with published settings: each builds without weights and has the parts and tokens of its paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mmtune import cli
from mmtune.train.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("llava15", "llava_next", "papers")
LLAMA = "6,738,415,616"
LEARNS, STAYS = f"{LLAMA} {LLAMA}", f"{LLAMA} 0"

EXPECTED: dict[str, tuple[dict[str, str], str]] = {
    "llava_next/7b-tune": (
        {
            "vision": "303,507,456 290,909,184 full 2e-06",
            "projector": "20,983,808 20,983,808 full 1e-05",
            "language": f"{LEARNS} full 1e-05",
        },
        "anyres, 576 visual tokens a view, at most 2928 an image",
    ),
    "papers/prismatic-dinosiglip-7b": (
        {"projector": "42,479,616 42,479,616 full 2e-05", "language": f"{LEARNS} full 2e-05"},
        "square, 729 visual tokens a view",
    ),
    "papers/honeybee-7b-align": (
        {"projector": "36,808,192 36,808,192 full 0.0001", "language": f"{STAYS} frozen -"},
        "square, 144 visual tokens a view",
    ),
    "papers/honeybee-7b-tune": (
        {"projector": "36,808,192 36,808,192 full 2e-05", "language": f"{LEARNS} full 2e-05"},
        "square, 144 visual tokens a view",
    ),
    "papers/llava-mole-7b": (
        {
            "projector": "20,979,712 20,979,712 full 2e-05",
            "language": f"{STAYS} mole -",
            "adapters": "173,146,112 173,146,112 mole on language 0.0002",
        },
        "pad, 576 visual tokens a view",
    ),
    "papers/hyperllava-7b-align": (
        {"projector": "34,955,392 34,955,392 full 0.001", "language": f"{STAYS} frozen -"},
        "square, 576 visual tokens a view",
    ),
    "papers/hyperllava-7b-tune": (
        {
            "projector": "34,955,392 34,955,392 full 2e-05",
            "language": f"{LEARNS} language_expert 2e-05",
            "adapters": "4,333,824 4,333,824 language_expert on language 2e-05",
        },
        "pad, 576 visual tokens a view",
    ),
    "papers/instructblip-7b": (
        {"projector": "163,426,560 163,426,560 full 1e-05", "language": f"{STAYS} frozen -"},
        "square, 32 visual tokens a view",
    ),
    "papers/infmllm-7b-align": (
        {"projector": "22,552,576 22,552,576 full 0.001", "language": f"{STAYS} frozen -"},
        "square, 256 visual tokens a view",
    ),
    "papers/infmllm-7b-multitask": (
        {
            "projector": "22,552,576 22,552,576 full 2e-05",
            "language": f"{STAYS} lora -",
            "adapters": "33,554,432 33,554,432 lora on language 0.0001",
        },
        "square, 256 visual tokens a view",
    ),
    "papers/infmllm-7b-tune": (
        {"projector": "22,552,576 22,552,576 full 2e-05", "language": f"{LEARNS} full 2e-05"},
        "pad, 256 visual tokens a view",
    ),
}
"""Rows of the table of parts (parameters, of them trainable, how they learn, peak rate) and what an image is."""


@pytest.fixture(scope="module")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder without data and without models."""
    return tmp_path_factory.mktemp("nowhere")


def dry_run(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert cli.main(["train", str(ROOT / "recipes" / f"{name}.yaml"), "--dry-run"]) == 0
    return capsys.readouterr().out


def test_every_published_recipe_is_expected_here():
    there = {
        f"{path.parent.name}/{path.stem}"
        for name in FOLDERS
        for path in (ROOT / "recipes" / name).glob("*.yaml")
    }
    assert there - {"llava15/7b-align", "llava15/7b-tune"} == set(EXPECTED)


@pytest.mark.parametrize("name", list(EXPECTED))
def test_it_builds_without_weights(
    name: str, nowhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(nowhere)
    monkeypatch.setenv("DATA", str(nowhere / "data"))
    text = dry_run(name, capsys)
    rows, said = EXPECTED[name]
    table = {line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines() if line.strip()}
    assert {part: table[part] for part in rows} == rows
    assert f"images: {said}" in text


@pytest.mark.parametrize("name", list(EXPECTED))
def test_it_says_where_its_settings_come_from(name: str) -> None:
    path = ROOT / "recipes" / f"{name}.yaml"
    head = path.read_text(encoding="utf-8").partition("\nmodel:")[0].partition("\nbase:")[0]
    assert f"mmtune train recipes/{name}.yaml --dry-run" in head
    assert re.search(r"https://github\.com/|arXiv \d{4}\.\d{5}", head)
    assert load_recipe(path).out.startswith("runs/")
