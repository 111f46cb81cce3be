"""Registries: names at once, files only when they are asked for, every entry a file that is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mmtune.errors import UserError
from mmtune.registry import Registry

ROOT = Path(__file__).parents[2]
WORDS: Registry[object] = Registry(
    "case of text", "json", {"upper": "decoder:JSONDecoder", "lower": "gone:Lower"}
)


def test_names_are_there_without_their_files() -> None:
    assert list(WORDS) == ["upper", "lower"] and len(WORDS) == 2
    assert "lower" in WORDS and "title" not in WORDS
    with pytest.raises(ModuleNotFoundError):
        WORDS["lower"]
    with pytest.raises(KeyError):
        WORDS["title"]


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown case of text 'lwer' \(text\.case\); did you mean 'lower'"):
        WORDS.find("lwer", "text.case")


def test_a_name_stands_for_what_its_file_holds() -> None:
    from mmtune.images.policies import POLICIES
    from mmtune.models.adapters import ADAPTERS
    from mmtune.models.vision import LIBRARIES
    from mmtune.models.vision.base import Library

    assert all(policy.name == name for name, policy in POLICIES.items())
    assert all(adapter.kind == name for name, adapter in ADAPTERS.items())
    assert all(isinstance(library, Library) for library in LIBRARIES.values())


def test_reading_the_names_of_adapters_needs_no_torch() -> None:
    told = "import sys; from mmtune.models.adapters import ADAPTERS; list(ADAPTERS); 'torch' in sys.modules and sys.exit(1)"
    assert subprocess.run([sys.executable, "-c", told], check=False, cwd=ROOT).returncode == 0
