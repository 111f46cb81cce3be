"""How many rows of each source, and in which order: the mixtures that papers publish.

A recipe of mmtune draws from its sources by their ``weight`` (``mmtune.data.mixture``); here the same
decisions become a file, for trainers that read one, or weights to put into a recipe.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from data_builders.curate.selection.clusters import quotas
from mmtune.errors import UserError, unknown


@dataclass(frozen=True, slots=True)
class MixSettings:
    """What a mixture is told.

    Args:
        rule: a key of ``RULES``.
        weights: source -> weight, for ``weights``.
        temperature: for ``temperature``: 1 in proportion to size, larger more evenly.
        cap: most rows of a source that count for its share (T5's and FLAN's artificial limit).
        total: rows of the mixture; by default as many as all sources have.
        losses: source -> loss (or error) of the model on that skill, for ``skills``.
        upsample: whether a source may give a row more than once.
    """

    rule: str = "proportional"
    weights: Mapping[str, float] = field(default_factory=dict)
    temperature: float = 2.0
    cap: int | None = None
    total: int | None = None
    losses: Mapping[str, float] = field(default_factory=dict)
    upsample: bool = True

    def __post_init__(self) -> None:
        for name, rows in (("cap", self.cap), ("total", self.total)):
            if rows is not None and rows < 1:
                raise UserError(f"the {name} is {rows} rows", f"--{name}", "give at least 1")
        for rule, given in (("weights", self.weights), ("skills", self.losses)):
            if given and self.rule != rule:
                raise UserError(
                    f"the rule {self.rule} reads neither weights nor losses", "--rule", f"give --rule {rule}"
                )


def _proportional(sizes: Mapping[str, int], settings: MixSettings) -> dict[str, float]:
    return {name: float(size) for name, size in sizes.items()}


def _equal(sizes: Mapping[str, int], settings: MixSettings) -> dict[str, float]:
    return dict.fromkeys(sizes, 1.0)


def _square_root(sizes: Mapping[str, int], settings: MixSettings) -> dict[str, float]:
    """Source: InstructBLIP, which samples data sets in proportion to the square root of their sizes."""
    return {name: math.sqrt(size) for name, size in sizes.items()}


def _temperature(sizes: Mapping[str, int], settings: MixSettings) -> dict[str, float]:
    """Source: the temperature-scaled mixing of multilingual BERT and T5: size to the power of 1 / T."""
    if not settings.temperature > 0:
        raise UserError(f"the temperature is {settings.temperature}", "--temperature", "give more than 0")
    return {name: size ** (1 / settings.temperature) for name, size in sizes.items()}


def _weights(sizes: Mapping[str, int], settings: MixSettings) -> dict[str, float]:
    """Size times weight, as in a recipe: weight 2 sees a source twice as often as its size."""
    for name in settings.weights:
        if name not in sizes:
            raise unknown("source", name, sizes, "--weight")
    return {name: size * settings.weights.get(name, 1.0) for name, size in sizes.items()}


def _skills(sizes: Mapping[str, int], settings: MixSettings) -> dict[str, float]:
    """More of the skills that the model is worse at: in proportion to their losses, evenly otherwise.

    Source: the reweighting step of Skill-it without a graph of prerequisites, and DataEnvGym's skill agent.
    """
    lacking = sorted(set(sizes) - set(settings.losses))
    if lacking:
        raise UserError(
            f"there is no loss for the source {lacking[0]!r}", "--loss", "give one for each source"
        )
    for name in settings.losses:
        if name not in sizes:
            raise unknown("source", name, sizes, "--loss")
    if min(settings.losses.values()) < 0:
        raise UserError("a loss is below 0", "--loss", "give losses or error rates")
    return {name: float(settings.losses[name]) for name in sizes}


RULES: dict[str, Callable[[Mapping[str, int], MixSettings], dict[str, float]]] = {
    "proportional": _proportional,
    "equal": _equal,
    "square_root": _square_root,
    "temperature": _temperature,
    "weights": _weights,
    "skills": _skills,
}
"""Each rule: sizes of the sources -> shares, in any unit."""


def counts(sizes: Mapping[str, int], settings: MixSettings) -> dict[str, int]:
    """Rows that each source gives.

    Args:
        sizes: source -> its rows.
        settings: the rule.

    Raises:
        UserError: an unknown rule, a source without rows, or more rows than there are without repetition.
    """
    if settings.rule not in RULES:
        raise unknown("mixture rule", settings.rule, RULES, "--rule")
    empty = [name for name, size in sizes.items() if size < 1]
    if empty or not sizes:
        raise UserError("a source has no rows", empty[0] if empty else None, "leave it out")
    capped = {name: min(size, settings.cap or size) for name, size in sizes.items()}
    shares = RULES[settings.rule](capped, settings)
    if min(shares.values()) < 0 or not sum(shares.values()) > 0:
        raise UserError("the shares of the sources are not above 0", fix="see the weights or losses")
    total = settings.total or sum(capped.values())
    most = {name: total if settings.upsample else size for name, size in sizes.items()}
    limits = [most[name] if shares[name] > 0 else 0 for name in sizes]
    if sum(limits) < total:
        raise UserError(
            f"the sources have {sum(limits)} rows and the mixture should have {total}",
            "--total",
            "ask for fewer, or allow rows to come twice",
        )
    given = quotas(np.array([shares[name] for name in sizes]), np.array(limits, dtype=np.int64), total)
    return dict(zip(sizes, given.tolist(), strict=True))


def recipe_weights(sizes: Mapping[str, int], given: Mapping[str, int]) -> dict[str, float]:
    """The ``weight`` of each source in a recipe with the same shares: rows given over rows there are."""
    return {name: float(f"{given[name] / size:.6g}") for name, size in sizes.items()}


def draw(size: int, wanted: int, seed: int) -> list[int]:
    """Rows of one source: each as often as any other, give or take one, the surplus at random."""
    passes, rest = divmod(wanted, size)
    surplus = np.random.RandomState(seed & 0xFFFFFFFF).permutation(size)[:rest].tolist()
    return sorted([place for place in range(size) for _ in range(passes)] + surplus)


Place = tuple[str, int]
"""Source and row."""


def shuffled(stages: Sequence[Mapping[str, Sequence[int]]], seed: int) -> Iterator[Place]:
    """Rows of one stage after the other, each stage shuffled in itself.

    Two stages, the pool of many tasks and then a little of the wanted style, are Vision-Flan's order.

    Args:
        stages: for each stage source -> rows.
        seed: of the shuffles.
    """
    for number, stage in enumerate(stages):
        places = [(name, row) for name, rows in stage.items() for row in rows]
        order = np.random.RandomState([seed & 0xFFFFFFFF, number]).permutation(len(places))
        yield from (places[int(index)] for index in order)


def curriculum(
    rows: Sequence[Place], difficulty: Sequence[float], seed: int, buckets: int = 10
) -> Iterator[Place]:
    """Easy rows first: buckets of rising difficulty, each shuffled in itself.

    Args:
        rows: to order.
        difficulty: of each; NaN counts as in the middle.
        seed: of the shuffles.
        buckets: steps of difficulty.
    """
    values = np.asarray(difficulty, dtype=float)
    known = values[~np.isnan(values)]
    values = np.where(np.isnan(values), np.median(known) if len(known) else 0.0, values)
    order = np.argsort(values, kind="stable")
    for number, bucket in enumerate(np.array_split(order, max(1, buckets))):
        mixed = np.random.RandomState([seed & 0xFFFFFFFF, number]).permutation(len(bucket))
        yield from (rows[int(bucket[int(index)])] for index in mixed)
