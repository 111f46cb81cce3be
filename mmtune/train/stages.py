"""A stage: which parts of the model learn, at which rate, and the table that says so."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from mmtune.errors import UserError
from mmtune.models.adapters import ADAPTERS, attach, make_adapter, naming
from mmtune.models.adapters.base import Adapter
from mmtune.models.vlm import ADAPTERS_PART, VisionLanguageModel
from mmtune.train.settings import OptimConfig, StageConfig

log = logging.getLogger(__name__)


def _freeze(model: VisionLanguageModel, part: str) -> None:
    model.set_trainable(part, False)
    model.set_adapter_trainable(part, False)


def _learn_all(model: VisionLanguageModel, part: str) -> None:
    if part in model.adapters:
        raise UserError(
            f"the {part} part has a {model.adapters[part].kind} adapter from the checkpoint before",
            f"stage.learn.{part}",
            "set model.merge_adapters to train the merged weights",
        )
    model.set_trainable(part, True)


def _learn_adapter(model: VisionLanguageModel, part: str) -> None:
    model.set_trainable(part, model.adapters[part].tunes_base)
    model.set_adapter_trainable(part, True)


LEARN: dict[str, Callable[[VisionLanguageModel, str], None]] = {
    "frozen": _freeze,
    "full": _learn_all,
    **dict.fromkeys(ADAPTERS, _learn_adapter),
}
"""How a part can learn: frozen, full, or by any adapter."""


@dataclass(frozen=True)
class PartRow:
    """One line of the table of parts."""

    part: str
    parameters: int
    trainable: int
    learn: str
    lr: float | None


def apply(model: VisionLanguageModel, stage: StageConfig, *, seed: int = 0) -> None:
    """Freeze or unfreeze each part as the stage says, and set training and evaluation modes.

    Adapters that the stage wants and the model lacks are put on it.

    Args:
        model: the model.
        stage: what learns.
        seed: of fresh adapters.

    Raises:
        UserError: an adapter of the model is another than the stage's, or one does not fit the model.
    """
    for part, kind in stage.adapted().items():
        _put_on(model, part, kind, stage, seed)
    for part in model.parts():
        LEARN[stage.learn[part]](model, part)
    set_training_mode(model, stage)


def _put_on(model: VisionLanguageModel, part: str, kind: str, stage: StageConfig, seed: int) -> None:
    wanted = make_adapter(part, kind, stage.adapters.get(part, {}))
    present = model.adapters.get(part)
    if present is None:
        attach(model, wanted, seed=seed)
    elif (present.kind, present.settings) != (wanted.kind, wanted.settings):
        raise UserError(
            f"the stage wants {_told(wanted, present)}, the checkpoint has {_told(present, wanted)}",
            f"stage.learn.{part}",
            "use the checkpoint's settings, or set model.merge_adapters to start a new adapter",
        )


def _told(adapter: Adapter, other: Adapter) -> str:
    """An adapter's kind, with the settings in which it differs from another of that kind."""
    if adapter.kind != other.kind:
        return adapter.kind
    mine, its = asdict(adapter.settings), asdict(other.settings)
    return f"{adapter.kind} with " + ", ".join(f"{key} {mine[key]}" for key in mine if mine[key] != its[key])


def set_training_mode(model: VisionLanguageModel, stage: StageConfig) -> None:
    """Training mode for parts that learn, evaluation mode (no dropout) for frozen ones."""
    model.train()
    for name, part in model.parts().items():
        part.train(name in stage.own_weights)
        if name in stage.adapted():
            for module in naming.adapter_modules(part):
                module.train()
            for _, wrapper in naming.wrappers(part):
                wrapper.training = True  # not what it wraps
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
    """Peak learning rate of a part, or of ``adapters``; None where it is frozen."""
    learns = bool(stage.adapted()) if part == ADAPTERS_PART else part in stage.own_weights
    return stage.lr.get(part, optim.lr) if learns else None


def part_rows(parts: Mapping[str, nn.Module], stage: StageConfig, optim: OptimConfig) -> list[PartRow]:
    """The table of parts as data, adapters last; weights that are tied or shared count once."""
    rows, seen = [], set[int]()
    added: list[nn.Parameter] = []
    for name, part in parts.items():
        own = [p for p in naming.own_parameters(part) if id(p) not in seen]
        seen.update(id(p) for p in own)
        added += naming.adapter_parameters(part)
        rows.append(_row(name, own, stage.learn[name], learning_rate(stage, optim, name)))
    if added:
        how = ", ".join(f"{kind} on {part}" for part, kind in stage.adapted().items()) or "frozen"
        rows.append(_row(ADAPTERS_PART, added, how, learning_rate(stage, optim, ADAPTERS_PART)))
    return rows


def _row(name: str, parameters: list[nn.Parameter], how: str, rate: float | None) -> PartRow:
    trainable = sum(p.numel() for p in parameters if p.requires_grad)
    return PartRow(name, sum(p.numel() for p in parameters), trainable, how, rate)


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
    wrapped = {name for name, _ in naming.wrappers(model)}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            part = (
                ADAPTERS_PART
                if naming.is_adapters(name, wrapped)
                else name.removeprefix("module.").split(".")[0]
            )
            groups.setdefault((part, parameter.ndim >= 2), []).append(parameter)
    result = []
    for (part, decays), parameters in groups.items():
        rate = learning_rate(stage, optim, part)
        decay = optim.weight_decay if decays else 0.0
        result.append(
            {"params": parameters, "part": part, "lr": rate, "peak_lr": rate, "weight_decay": decay}
        )
    return result
