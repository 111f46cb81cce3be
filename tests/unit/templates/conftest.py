"""Tokenizers of several kinds."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TOKENIZERS = Path(__file__).resolve().parents[2] / "golden" / "tokenizers"


@functools.cache
def _load(name: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(TOKENIZERS / name)


@pytest.fixture(scope="session")
def tokenizer() -> Callable[[str], Any]:
    """Loads one of the tokenizers in tests/golden/tokenizers, once."""
    return _load
