"""How much memory of each GPU a stage takes, by engine: an estimate before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from mmtune.train.settings import EngineConfig

_MOMENTS = 8
"""Bytes of AdamW's two float32 moments."""
_FULL = 4
"""Bytes of a float32 number."""
_SAVED_PER_CHANNEL = 17
"""Numbers that a transformer layer keeps for each token and channel where nothing is recomputed: inputs of
two norms and of the attention, queries, keys, values, and the MLP's own, about 2.7 times as wide."""


@dataclass(frozen=True)
class Shape:
    """What the estimate depends on."""

    trainable: int
    frozen: int
    largest_layer: int
    """Parameters of the largest transformer layer."""
    layers: int
    width: int
    vocabulary: int
    row_tokens: int


def _low(engine: EngineConfig) -> int:
    """Bytes of a number in the arithmetic; ``auto`` counts as what a GPU would take."""
    return 4 if engine.precision == "fp32" else 2


def weights_gb(shape: Shape, engine: EngineConfig, name: str, gpus: int) -> float:
    """Weights, gradients and optimiser state that one GPU holds.

    Args:
        shape: sizes of the model.
        engine: precision and offloading.
        name: the engine that ``auto`` comes down to.
        gpus: number of processes.
    """
    low = _low(engine)
    total = shape.trainable + shape.frozen
    if name in ("single", "ddp"):
        cast = low if low == 2 else 0  # autocast keeps bf16 copies during a step
        held = shape.frozen * low + shape.trainable * (_FULL + _FULL + _MOMENTS + cast)
        buckets = shape.trainable * _FULL if name == "ddp" else 0
        return (held + buckets) / 1e9
    if name == "fsdp2":
        sharded = shape.frozen * low + shape.trainable * (_FULL + _FULL + _MOMENTS)
        return (sharded / gpus + 3 * shape.largest_layer * low) / 1e9
    optimizer = shape.trainable * (_FULL + _MOMENTS) / gpus * (0 if engine.offload != "none" else 1)
    # ZeRO-3 adds rows up in float32.
    gradients = shape.trainable * {"zero1": low, "zero2": low / gpus}.get(name, _FULL / gpus)
    if name == "zero3":
        parameters = (
            total * low / gpus * (0 if engine.offload == "all" else 1) + 3 * shape.largest_layer * low
        )
    else:
        parameters = total * low
    return (parameters + gradients + optimizer) / 1e9


def activations_gb(shape: Shape, engine: EngineConfig) -> float:
    """Activations of one row in the language model, and the logits of its supervised half, with gradient."""
    low = _low(engine)
    kept = 1 if engine.gradient_checkpointing else _SAVED_PER_CHANNEL
    layers = shape.row_tokens * shape.width * low * (shape.layers * kept + _SAVED_PER_CHANNEL)
    logits = shape.row_tokens / 2 * shape.vocabulary * (low + _FULL)
    return (layers + logits) / 1e9
