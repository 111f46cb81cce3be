"""A stage: which parts of the model learn, at which rate, and the table that says so."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mmtune.models.vlm import VisionLanguageModel
from mmtune.train.settings import OptimConfig, StageConfig

log = logging.getLogger(__name__)


def _freeze(model: VisionLanguageModel, part: str) -> None:
    model.set_trainable(part, False)


def _learn_all(model: VisionLanguageModel, part: str) -> None:
    model.set_trainable(part, True)


LEARN: dict[str, Callable[[VisionLanguageModel, str], None]] = {"frozen": _freeze, "full": _learn_all}
"""How a part can learn; an adapter method adds its own entry."""


@dataclass(frozen=True)
class PartRow:
    """One line of the table of parts."""

    part: str
    parameters: int
    trainable: int
    learn: str
    lr: float | None


def apply(model: VisionLanguageModel, stage: StageConfig) -> None:
    """Freeze or unfreeze each part as the stage says, and set training and evaluation modes."""
    for part in model.parts():
        LEARN[stage.learn[part]](model, part)
    set_training_mode(model, stage)


def set_training_mode(model: VisionLanguageModel, stage: StageConfig) -> None:
    """Training mode for parts that learn, evaluation mode (no dropout) for frozen ones."""
    model.train()
    for name, part in model.parts().items():
        part.train(stage.learn[name] != "frozen")
        for module in part.modules():
            if getattr(module, "gradient_checkpointing", False):
                # a frozen layer is recomputed, too, and transformers asks the layer's own flag for that
                module.training = True


def set_dtypes(parts: Mapping[str, nn.Module], *, learns: torch.dtype, frozen: torch.dtype) -> None:
    """Hold what learns in one type (of the master weights) and what is frozen in another (of the arithmetic).

    Buffers keep their type: rotary frequencies in bfloat16 would shift positions.
    """
    for part in parts.values():
        for parameter in part.parameters():
            if parameter.is_floating_point():
                parameter.data = parameter.data.to(learns if parameter.requires_grad else frozen)


def learning_rate(stage: StageConfig, optim: OptimConfig, part: str) -> float | None:
    """Peak learning rate of a part; None where it is frozen."""
    return None if stage.learn[part] == "frozen" else stage.lr.get(part, optim.lr)


def part_rows(parts: Mapping[str, nn.Module], stage: StageConfig, optim: OptimConfig) -> list[PartRow]:
    """The table of parts as data; weights that are tied or shared count once."""
    rows, seen = [], set[int]()
    for name, part in parts.items():
        own = [p for p in part.parameters() if id(p) not in seen]
        seen.update(id(p) for p in own)
        trainable = sum(p.numel() for p in own if p.requires_grad)
        rate = learning_rate(stage, optim, name)
        rows.append(PartRow(name, sum(p.numel() for p in own), trainable, stage.learn[name], rate))
    return rows


def render(rows: list[PartRow], stage_name: str) -> str:
    """The table of parts as aligned text."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"stage {stage_name}", title_justify="left", box=None, pad_edge=False)
    table.add_column("part")
    for heading in ("parameters", "trainable"):
        table.add_column(heading, justify="right")
    table.add_column("learns")
    table.add_column("peak lr", justify="right")
    for row in rows:
        rate = "-" if row.lr is None else f"{row.lr:g}"
        table.add_row(row.part, f"{row.parameters:,}", f"{row.trainable:,}", row.learn, rate)
    total, trainable = sum(r.parameters for r in rows), sum(r.trainable for r in rows)
    table.add_row("all", f"{total:,}", f"{trainable:,}", "", "")
    console = Console(width=100, file=None, record=False, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def param_groups(model: nn.Module, stage: StageConfig, optim: OptimConfig) -> list[dict[str, Any]]:
    """Optimiser groups named by part; biases and parameters of norms have no weight decay.

    Args:
        model: a module whose trainable parameters are named ``PART.…``, wrapped or not.

    Returns:
        AdamW groups with the extra keys ``part`` and ``peak_lr``.
    """
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            part = name.removeprefix("module.").split(".")[0]
            groups.setdefault((part, parameter.ndim >= 2), []).append(parameter)
    result = []
    for (part, decays), parameters in groups.items():
        rate = learning_rate(stage, optim, part)
        decay = optim.weight_decay if decays else 0.0
        result.append(
            {"params": parameters, "part": part, "lr": rate, "peak_lr": rate, "weight_decay": decay}
        )
    return result
