"""Curves on fixed axes as hand-written SVG: corruption, calibration, risk over coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from eval.report.charts import ticks

_WIDTH, _HEIGHT = 420.0, 260.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 14.0, 24.0, 44.0
_STYLES = ("first", "second", "third", "fourth")


@dataclass(frozen=True)
class Spot:
    """A point of a curve, with its interval where there is one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    weight: float = 1.0
    """Area of the dot, as for the answers in a bin; 0 draws none."""


@dataclass(frozen=True)
class Curve:
    """A named line."""

    name: str
    spots: tuple[Spot, ...]


def curves(
    title: str,
    lines: Sequence[Curve],
    x_label: str,
    y_label: str,
    *,
    diagonal: bool = False,
    top: float = 1.0,
) -> Markup:
    """A chart of lines with dots and intervals, the names beside their last dots.

    Args:
        title: for readers who do not see it.
        lines: at most four are told apart.
        x_label: of the axis below.
        y_label: above the axis at the left, which goes from 0 to ``top``.
        diagonal: also draw where both are equal, as for calibration.
        top: highest value.

    Returns:
        An SVG element; empty without a spot.
    """
    spots = [spot for line in lines for spot in line.spots]
    if not spots:
        return Markup("")
    x_low, x_high = min(0.0, *(spot.x for spot in spots)), max(spot.x for spot in spots) or 1.0
    x_high = 1.0 if x_high <= 1 else x_high

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / (x_high - x_low) * (_WIDTH - _LEFT - _RIGHT)
        up = min(max(y / top, 0.0), 1.0) * (_HEIGHT - _TOP - _BOTTOM)
        return round(_LEFT + across, 1), round(_HEIGHT - _BOTTOM - up, 1)

    box = f'viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}"'
    parts = [f'<svg class="curves" {box} role="img" aria-label="{escape(title)}">']
    for tick in ticks(0.0, top, 4):
        _, y = place(x_low, tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        at = f'x="{_LEFT - 7}" y="{y + 4}"'
        parts.append(f'<text class="tick" {at} text-anchor="end">{tick:g}</text>')
    for tick in ticks(x_low, x_high, 5):
        x, _ = place(tick, 0.0)
        at = f'x="{x}" y="{_HEIGHT - _BOTTOM + 18}"'
        parts.append(f'<text class="tick" {at} text-anchor="middle">{tick:g}</text>')
    corner = f'x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}"'
    parts.append(
        f'<text class="axis" {corner} text-anchor="end">{escape(x_label)}</text>'
        f'<text class="axis" x="{_LEFT}" y="{_TOP - 9}">{escape(y_label)}</text>'
    )
    if diagonal:
        (x1, y1), (x2, y2) = place(0.0, 0.0), place(1.0, 1.0)
        parts.append(f'<line class="ideal" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>')
    heaviest = max(spot.weight for spot in spots) or 1.0
    for line, style in zip(lines, _STYLES, strict=False):
        placed = [place(spot.x, spot.y) for spot in line.spots]
        path = " ".join(f"{x},{y}" for x, y in placed)
        parts.append(f'<polyline class="curve {style}" points="{path}"/>')
        for spot, (x, y) in zip(line.spots, placed, strict=True):
            if spot.low is not None and spot.high is not None:
                below, above = place(spot.x, spot.low)[1], place(spot.x, spot.high)[1]
                parts.append(f'<line class="whisker {style}" x1="{x}" x2="{x}" y1="{below}" y2="{above}"/>')
            if spot.weight:
                radius = round(1.5 + 3.5 * (spot.weight / heaviest) ** 0.5, 1)
                parts.append(f'<circle class="spot {style}" cx="{x}" cy="{y}" r="{radius}"/>')
    parts.append("</svg>")
    return Markup("".join(parts))
