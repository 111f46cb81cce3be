"""Judges that are asked again at once."""

from __future__ import annotations

import pytest

from tests.judge_asking import ATTEMPTS


class _Impatient:
    """Few attempts without a wait."""

    def __init__(self, attempts: int = ATTEMPTS, base_s: float = 0.0) -> None:
        self.attempts = ATTEMPTS

    def wait_s(self, attempt: int, asked_s: float | None) -> float:
        return 0.0


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that fails is given up after ``ATTEMPTS`` attempts without a wait."""
    monkeypatch.setattr("data_builders.teachers.openai_compatible.Backoff", _Impatient)
