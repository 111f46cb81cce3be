"""The typed recipe: everything that a training run depends on, checked when it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from mmtune.data.config import DataConfig
from mmtune.errors import UserError
from mmtune.models.adapters import ADAPTERS, make_adapter
from mmtune.models.config import ModelConfig

PARTS = ("vision", "projector", "language")
"""The parts of a model that a stage can teach, in the order of the data flow."""

ADAPTERS_PART = "adapters"
"""What the adapters of all parts are called together, in stage.lr and in optimiser groups."""

OWN = ("frozen", "full")
"""How a part's own weights can learn; every adapter's name is one more way for a part to learn."""

EngineName = Literal["auto", "single", "ddp", "fsdp2", "zero1", "zero2", "zero3"]


def _check(condition: bool, key: str, problem: str) -> None:
    if not condition:
        raise UserError(f"the setting {key} {problem}")


@dataclass
class StageConfig:
    """Which parts learn in this stage, and how fast."""

    name: str = "tune"
    """Name of the stage, for logs and the checkpoint."""
    learn: dict[str, str] = field(default_factory=lambda: {"projector": "full"})
    """How each part (vision, projector, language) learns: frozen, full, or by an adapter (lora, mole,
    language_expert); a part that is not named is frozen."""
    adapters: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings of each part's adapter, as ``language: {rank: 16}``: see docs/models.md."""
    lr: dict[str, float] = field(default_factory=dict)
    """Learning rate of single parts, where it differs from optim.lr; ``adapters`` is that of all adapters."""

    def __post_init__(self) -> None:
        for key, known, mapping in (
            ("stage.learn", PARTS, self.learn),
            ("stage.adapters", PARTS, self.adapters),
            ("stage.lr", (*PARTS, ADAPTERS_PART), self.lr),
        ):
            for part in mapping:
                _check(part in known, f"{key}.{part}", f"names no part; the parts are {', '.join(known)}")
        for part, how in self.learn.items():
            _check(
                how in OWN or how in ADAPTERS,
                f"stage.learn.{part}",
                f"must be one of {', '.join((*OWN, *ADAPTERS))}, got {how!r}",
            )
        self.learn = {part: self.learn.get(part, "frozen") for part in PARTS}
        _check(
            any(how != "frozen" for how in self.learn.values()),
            "stage.learn",
            "freezes every part: nothing would learn",
        )
        for part in self.adapters:
            _check(
                self.learn[part] not in OWN,
                f"stage.adapters.{part}",
                f"is for an adapter, and stage.learn.{part} is {self.learn[part]}",
            )
        own = {part for part in PARTS if self.learn[part] == "full"}
        for part, kind in self.adapted().items():
            if make_adapter(part, kind, self.adapters.get(part, {})).tunes_base:
                own.add(part)
        self.own_weights: frozenset[str] = frozenset(own)
        """Parts whose own weights learn."""
        for part, rate in self.lr.items():
            _check(rate >= 0, f"stage.lr.{part}", f"must not be negative, got {rate}")
            _check(
                part in own or (part == ADAPTERS_PART and bool(self.adapted())),
                f"stage.lr.{part}",
                "gives a rate to a part that stage.learn freezes"
                if part == ADAPTERS_PART or self.learn[part] == "frozen"
                else "gives a rate to weights frozen under an adapter; its own is stage.lr.adapters",
            )

    def adapted(self) -> dict[str, str]:
        """The adapter of each part that learns by one."""
        return {part: how for part, how in self.learn.items() if how not in OWN}


@dataclass
class OptimConfig:
    """AdamW, its schedule and the size of a step."""

    batch_records: int = 128
    """Records in one optimiser step, over all ranks and accumulation."""
    epochs: float = 1.0
    """Passes over the training mixture; fractions are allowed."""
    steps: int | None = None
    """Optimiser steps; overrides epochs."""
    lr: float = 2e-5
    """Peak learning rate of parts that stage.lr does not name."""
    weight_decay: float = 0.0
    """Decoupled weight decay; never applied to biases and norms."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's decay rates."""
    eps: float = 1e-8
    """AdamW's epsilon."""
    clip: float | None = 1.0
    """Largest norm of the whole gradient; null switches clipping off."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Shape of the learning rate after warm-up; cosine and linear fall to min_lr_ratio."""
    warmup_ratio: float = 0.03
    """Share of the steps over which the rate rises linearly from 0."""
    warmup_steps: int | None = None
    """Steps of warm-up; overrides warmup_ratio."""
    min_lr_ratio: float = 0.0
    """Rate at the last step, as a share of the peak."""

    def __post_init__(self) -> None:
        _check(
            self.batch_records >= 1, "optim.batch_records", f"must be at least 1, got {self.batch_records}"
        )
        _check(self.epochs > 0, "optim.epochs", f"must be above 0, got {self.epochs}")
        _check(self.steps is None or self.steps >= 1, "optim.steps", f"must be at least 1, got {self.steps}")
        _check(self.lr >= 0, "optim.lr", f"must not be negative, got {self.lr}")
        _check(self.weight_decay >= 0, "optim.weight_decay", f"must not be negative, got {self.weight_decay}")
        _check(
            all(0 <= beta < 1 for beta in self.betas), "optim.betas", f"must lie in [0, 1), got {self.betas}"
        )
        _check(self.clip is None or self.clip > 0, "optim.clip", f"must be above 0 or null, got {self.clip}")
        _check(
            0 <= self.warmup_ratio <= 1, "optim.warmup_ratio", f"must lie in [0, 1], got {self.warmup_ratio}"
        )
        _check(
            0 <= self.min_lr_ratio <= 1, "optim.min_lr_ratio", f"must lie in [0, 1], got {self.min_lr_ratio}"
        )


@dataclass
class EngineConfig:
    """What runs the model, in which precision."""

    name: EngineName = "auto"
    """auto takes ddp when a launcher started several processes, and single otherwise."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """bf16 keeps float32 master weights of what learns and holds frozen parts in bf16; auto takes it on GPUs
    that have bf16 arithmetic, and fp32 elsewhere."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: about a third more time, much less memory."""
    offload: Literal["none", "optimizer", "all"] = "none"
    """Keep optimiser state (or parameters, too) in CPU memory; zero engines only (all: zero3)."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto takes the GPU where there is one."""
    threads: int | None = None
    """CPU threads of each process; default: the machine's cores shared among its processes."""
    timeout_minutes: float = 30.0
    """How long a rank waits for the others before the run stops with an error."""

    def __post_init__(self) -> None:
        sharded = self.name in ("zero1", "zero2", "zero3")
        _check(self.offload == "none" or sharded, "engine.offload", f"needs a zero engine, got {self.name}")
        _check(
            self.offload != "all" or self.name == "zero3",
            "engine.offload",
            f"'all' needs zero3, got {self.name}",
        )
        _check(
            self.threads is None or self.threads >= 1,
            "engine.threads",
            f"must be at least 1, got {self.threads}",
        )


@dataclass
class ValidationConfig:
    """Loss and real answers on records that are not trained on."""

    every: int | None = None
    """Steps between validations; default: ten times a run. The last step always validates."""
    records: int | None = 512
    """At most this many validation records; null takes all."""
    samples: int = 4
    """Validation prompts that the model answers at each validation, for the log and samples.jsonl."""
    sample_tokens: int = 64
    """Longest of these answers."""

    def __post_init__(self) -> None:
        _check(
            self.every is None or self.every >= 1, "validation.every", f"must be at least 1, got {self.every}"
        )
        _check(
            self.records is None or self.records >= 1,
            "validation.records",
            f"must be at least 1, got {self.records}",
        )
        _check(self.samples >= 0, "validation.samples", f"must not be negative, got {self.samples}")


@dataclass
class EvalConfig:
    """Benchmarks that the model of a run is asked on the way."""

    tasks: list[str] = field(default_factory=list)
    """Benchmarks with their files, as ``mmtune eval --task`` takes them:
    ``pope:annotations=FILE,images=FOLDER,limit=200``. Their scores stand beside the losses. None are asked by
    default."""
    every: int | None = None
    """Steps between evaluations; default: ten times a run. The last step always evaluates, and so does the
    start of a run: the curves begin before step 1, and what is wrong with a benchmark costs seconds."""
    limit: int | None = 200
    """Items of each benchmark that has no ``limit=`` of its own, drawn once; null takes all."""
    batch_size: int = 64
    """Questions that each process answers together."""
    how: Literal["generate", "next_token", "likelihood"] = "generate"
    """How items with options are answered; see docs/evaluation.md."""
    blind: bool = False
    """Also ask each question about another item's image: twice the time."""

    def __post_init__(self) -> None:
        for name in ("every", "limit"):
            value = getattr(self, name)
            _check(value is None or value >= 1, f"eval.{name}", f"must be at least 1, got {value}")
        _check(self.batch_size >= 1, "eval.batch_size", f"must be at least 1, got {self.batch_size}")


@dataclass
class CheckpointConfig:
    """When to save, what to keep, what to resume."""

    every: int | None = None
    """Steps between checkpoints; default: ten times a run."""
    keep: int = 2
    """Newest checkpoints to keep; older ones are deleted after a newer one is complete."""
    resume: str = "auto"
    """auto: go on from the newest checkpoint in out; never: start anew; or the path of a checkpoint."""
    save_frozen: bool = False
    """Save frozen parts, too, so that the checkpoint needs no other file."""
    final_state: bool = False
    """Keep the optimiser state in the last checkpoint, so that the run can be prolonged."""

    def __post_init__(self) -> None:
        _check(
            self.every is None or self.every >= 1, "checkpoint.every", f"must be at least 1, got {self.every}"
        )
        _check(self.keep >= 1, "checkpoint.keep", f"must be at least 1, got {self.keep}")


@dataclass
class Recipe:
    """One training run. Relative paths are relative to the folder where the command is run."""

    model: ModelConfig
    """The parts of the model and where they come from."""
    data: DataConfig
    """What to train and validate on."""
    template: str = "vicuna_v1"
    """Chat template that renders records to text."""
    stage: StageConfig = field(default_factory=StageConfig)
    """Which parts learn."""
    objective: str = "sft"
    """The loss; a name out of mmtune.train.objectives."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    """Optimiser, schedule, step size."""
    engine: EngineConfig = field(default_factory=EngineConfig)
    """Single device or a distributed engine, and the precision."""
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    """Validation loss and sample answers."""
    eval: EvalConfig = field(default_factory=EvalConfig)
    """Benchmarks along the way."""
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    """Saving and resuming."""
    seed: int = 0
    """Seed of the data order, new weights and everything else random."""
    out: str = "runs/train"
    """Run folder: log, scalars, samples, checkpoints."""
    tensorboard: bool = True
    """Write TensorBoard scalars to out/tensorboard."""
