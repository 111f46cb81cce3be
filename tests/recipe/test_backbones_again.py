"""The backbones are built again to the byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data_builders.miniworld.backbones.__main__ import main


def test_building_twice_gives_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_builders.miniworld.backbones.__main__.TOKENIZER_DOCUMENTS", 50)
    small = ["--image-text-steps", "2", "--documents", "40", "--language-steps", "5"]
    digests = []
    for name in ("one", "two"):
        main([*small, "--out", str(tmp_path / name)])
        builds = [
            json.loads((tmp_path / name / p / "build.json").read_text()) for p in ("image_text", "language")
        ]
        digests.append([build["sha256"] for build in builds])
    assert digests[0] == digests[1]
