"""What DeepSpeed reports in ways of its own."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmtune.errors import UserError
from mmtune.train.engines.deepspeed_zero import Zero2


def reporting(norm: float | None, **optimizer: Any) -> Any:
    engine = SimpleNamespace(step=lambda: None, get_global_grad_norm=lambda: norm)
    return SimpleNamespace(wrapped=engine, optimizer=SimpleNamespace(**optimizer))


@pytest.mark.parametrize(
    "wrapped",
    [reporting(None), reporting(-1.0), reporting(math.inf), reporting(0.5, overflow=True)],
    ids=["none", "minus one", "infinity", "of the step before"],
)
def test_a_gradient_that_is_not_finite_never_looks_finite(wrapped: Any) -> None:
    assert not math.isfinite(Zero2.step(wrapped))
    assert Zero2.step(reporting(0.5, overflow=False)) == 0.5


def test_another_number_of_processes_is_said_in_a_sentence(tmp_path: Path) -> None:
    zero = pytest.importorskip("deepspeed.runtime.zero.utils")

    def load_checkpoint(*_: Any, **__: Any) -> None:
        raise zero.ZeRORuntimeException("The checkpoint being loaded used a DP world size of 4")

    (tmp_path / "deepspeed").mkdir()
    engine: Any = SimpleNamespace(wrapped=SimpleNamespace(load_checkpoint=load_checkpoint), world=2)
    with pytest.raises(UserError, match=r"2 processes.*world size of 4.*model\.checkpoint"):
        Zero2.load_state(engine, tmp_path)
