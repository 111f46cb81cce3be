"""Radar, bars and differences as SVG, coloured by the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from eval.report.charts import ticks
from eval.report.numbers import number

_STYLES = 4
"""Styles of polygons that the page's colours and dashes tell apart."""


@dataclass(frozen=True)
class Outline:
    """One model's figures on a radar."""

    name: str
    values: tuple[float, ...]
    """0..1, one an axis."""
    blind: bool = False

    def style(self, place: int) -> str:
        """CSS class by place among the outlines."""
        return "blind" if self.blind else f"model-{place % _STYLES}"


@dataclass(frozen=True)
class Bar:
    """A value with its interval."""

    name: str
    value: float
    low: float | None
    high: float | None
    blind: float | None = None
    verdict: str = ""
    """``better``, ``worse`` or "", for the colour of a difference."""


def radar(title: str, axes: Sequence[str], outlines: Sequence[Outline]) -> Markup:
    """A radar from 0 in the middle to 1 at the rim; empty for fewer than three axes."""
    if len(axes) < 3 or not outlines:
        return Markup("")
    width, height, radius = 680.0, 430.0, 150.0
    middle_x, middle_y = width / 2, height / 2

    def place(axis: int, share: float) -> tuple[float, float]:
        angle = 2 * math.pi * axis / len(axes) - math.pi / 2
        distance = radius * min(max(share, 0.0), 1.0)
        return round(middle_x + distance * math.cos(angle), 1), round(
            middle_y + distance * math.sin(angle), 1
        )

    told = "; ".join(
        f"{one.name}: " + ", ".join(f"{axis} {number(v)}" for axis, v in zip(axes, one.values, strict=True))
        for one in outlines
    )
    parts = [
        f'<svg class="radar" viewBox="0 0 {width:.0f} {height:.0f}" role="img"'
        f' aria-label="{escape(f"{title}. {told}")}">'
    ]
    for share in (0.25, 0.5, 0.75, 1.0):
        ring = " ".join("{},{}".format(*place(axis, share)) for axis in range(len(axes)))
        parts.append(f'<polygon class="grid" points="{ring}"/>')
    for axis, name in enumerate(axes):
        x, y = place(axis, 1.0)
        parts.append(f'<line class="grid" x1="{middle_x}" y1="{middle_y}" x2="{x}" y2="{y}"/>')
        side = x - middle_x
        anchor = "middle" if abs(side) < 8 else "start" if side > 0 else "end"
        outer_x, outer_y = middle_x + (x - middle_x) * 1.08, middle_y + (y - middle_y) * 1.1 + 4
        parts.append(
            f'<text x="{outer_x:.1f}" y="{outer_y:.1f}" text-anchor="{anchor}">{escape(name)}</text>'
        )
    for order, one in enumerate(outlines):
        corners = [place(axis, value) for axis, value in enumerate(one.values)]
        path = " ".join(f"{x},{y}" for x, y in corners)
        style = one.style(order)
        parts.append(
            f'<polygon class="outline {style}" points="{path}"><title>{escape(one.name)}</title></polygon>'
        )
        parts += [f'<circle class="corner {style}" cx="{x}" cy="{y}" r="3"/>' for x, y in corners]
    return Markup("".join([*parts, "</svg>"]))


def bars(title: str, rows: Sequence[Bar]) -> Markup:
    """Horizontal bars from 0, with whiskers for the intervals and a hollow mark for the blind baseline."""
    if not rows:
        return Markup("")
    highest = max(max(row.value, row.high or 0.0, row.blind or 0.0) for row in rows)
    return _rows(title, rows, 0.0, 1.0 if highest <= 1 else highest * 1.05, from_zero=True)


def differences(title: str, rows: Sequence[Bar]) -> Markup:
    """Differences with their intervals about a line at 0."""
    if not rows:
        return Markup("")
    ends = [abs(end) for row in rows for end in (row.value, row.low, row.high) if end is not None]
    reach = max(*ends, 1e-3) * 1.08
    return _rows(title, rows, -reach, reach, from_zero=False)


def _rows(title: str, rows: Sequence[Bar], low: float, high: float, *, from_zero: bool) -> Markup:
    width, left, right, step, top = 680.0, 230.0, 70.0, 26.0, 26.0
    height = top + step * len(rows) + 6

    def x(value: float) -> float:
        share = (min(max(value, low), high) - low) / (high - low)
        return round(left + share * (width - left - right), 1)

    told = "; ".join(f"{row.name} {_told(row)}" for row in rows)
    parts = [
        f'<svg class="bars" viewBox="0 0 {width:.0f} {height:.0f}" role="img"'
        f' aria-label="{escape(f"{title}. {told}")}">'
    ]
    for tick in ticks(low, high, 4):
        parts.append(f'<line class="grid" x1="{x(tick)}" x2="{x(tick)}" y1="{top - 4}" y2="{height - 4}"/>')
        parts.append(f'<text class="tick" x="{x(tick)}" y="{top - 10}" text-anchor="middle">{tick:g}</text>')
    for place, row in enumerate(rows):
        y = top + step * place + step / 2
        parts.append(
            f'<text x="{left - 10}" y="{y + 5:.1f}" text-anchor="end">{escape(_short(row.name))}</text>'
        )
        style = row.verdict or "plain"
        if from_zero:
            size = f'width="{x(row.value) - x(0):.1f}" height="14" rx="3"'
            parts.append(f'<rect class="body {style}" x="{x(0)}" y="{y - 7:.1f}" {size}/>')
        if row.low is not None and row.high is not None:
            parts.append(
                f'<line class="whisker {style}" x1="{x(row.low)}" x2="{x(row.high)}" y1="{y}" y2="{y}"/>'
            )
        if not from_zero:
            parts.append(f'<circle class="dot {style}" cx="{x(row.value)}" cy="{y}" r="4.5"/>')
        if row.blind is not None:
            parts.append(f'<circle class="blind" cx="{x(row.blind)}" cy="{y}" r="4"/>')
        value = number(row.value) if from_zero else f"{row.value:+.3f}"
        parts.append(f'<text class="value" x="{width}" y="{y + 5:.1f}" text-anchor="end">{value}</text>')
    if not from_zero:
        parts.append(f'<line class="zero" x1="{x(0)}" x2="{x(0)}" y1="{top - 4}" y2="{height - 4}"/>')
    return Markup("".join([*parts, "</svg>"]))


def _told(row: Bar) -> str:
    interval = "" if row.low is None or row.high is None else f" ({number(row.low)} to {number(row.high)})"
    return number(row.value) + interval + (f", blind {number(row.blind)}" if row.blind is not None else "")


def _short(text: str) -> str:
    return text if len(text) <= 30 else text[:29] + "…"
