"""Runs ``mmtune`` and sends this process a signal soon after a step began: signal number, step, delay in ms."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

from mmtune.cli import main
from mmtune.train import objectives


def arm(number: int, step: int, delay_ms: float) -> None:
    """Wrap the objective: with one row a step, its calls with gradient count the steps."""
    import torch

    whole, calls = objectives.OBJECTIVES["sft"], 0

    def strike() -> None:
        time.sleep(delay_ms / 1000)
        os.kill(os.getpid(), number)

    def counting(model: Any, batch: Any) -> Any:
        nonlocal calls
        calls += torch.is_grad_enabled()
        if calls == step and torch.is_grad_enabled():
            threading.Thread(target=strike).start()
        return whole(model, batch)

    objectives.OBJECTIVES["sft"] = counting


if __name__ == "__main__":
    arm(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
    sys.exit(main(sys.argv[4:]))
