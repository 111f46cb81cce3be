"""Charts as hand-written SVG: they take their colours from the page, so that light and dark both fit."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 680.0, 270.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 14.0, 20.0, 42.0
_MOST_POINTS = 400

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One line of a chart."""

    name: str
    points: tuple[Point, ...]
    style: str
    """CSS class: ``train``, ``raw``, ``kind`` or ``validation``."""


def line_chart(title: str, series: Sequence[Series], x_label: str, y_label: str) -> Markup:
    """A line chart; empty where there is nothing to draw.

    The vertical range leaves out the highest 2 % of the points, so that the first steps do not flatten the
    rest; lines beyond it are cut at the frame.
    """
    points = [point for line in series for point in line.points]
    if not points:
        return Markup("")
    x_low, x_high = _widened(min(x for x, _ in points), max(x for x, _ in points))
    heights = sorted(y for _, y in points)
    top = max(
        heights[math.ceil(0.98 * len(heights)) - 1],
        *(y for s in series if s.style != "raw" for _, y in s.points[-1:]),
    )
    y_low, y_high = _widened(heights[0], top)
    y_low = min(y_low, 0.0) if y_low < 0.25 * y_high else y_low

    def place(point: Point) -> Point:
        x = _LEFT + (point[0] - x_low) / (x_high - x_low) * (_WIDTH - _LEFT - _RIGHT)
        y = (
            _HEIGHT
            - _BOTTOM
            - (min(point[1], y_high) - y_low) / (y_high - y_low) * (_HEIGHT - _TOP - _BOTTOM)
        )
        return round(x, 1), round(y, 1)

    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" aria-label="{escape(title)}"'
        f' data-series="{escape(_hover_data(series, place))}">'
    ]
    for tick in ticks(y_low, y_high, 4):
        _, y = place((x_low, tick))
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{y + 5}" text-anchor="end">{_tick(tick)}</text>')
    for tick in ticks(x_low, x_high, 6):
        x, _ = place((tick, y_low))
        at = f'x="{x}" y="{_HEIGHT - _BOTTOM + 19}"'
        parts.append(f'<text class="tick" {at} text-anchor="middle">{_tick(tick)}</text>')
    corner = f'x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 2}"'
    parts.append(f'<text class="axis" {corner} text-anchor="end">{escape(x_label)}</text>')
    parts.append(f'<text class="axis" x="{_LEFT}" y="{_TOP - 7}">{escape(y_label)}</text>')
    for line in series:
        placed = [place(point) for point in thinned(line.points)]
        path = " ".join(f"{x},{y}" for x, y in placed)
        parts.append(f'<polyline class="line {line.style}" points="{path}"/>')
        if line.style == "validation":
            parts += [f'<circle class="dot validation" cx="{x}" cy="{y}" r="3.5"/>' for x, y in placed]
    parts.append(f'<line class="cursor" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" hidden=""/></svg>')
    return Markup("".join(parts))


def strip(value: float, low: float, high: float, blind: float | None, top: float, description: str) -> Markup:
    """A score with its interval on a scale from 0 to ``top``, and the blind baseline as a hollow mark."""
    width, middle = 200.0, 11.0

    def x(score: float) -> float:
        return round(6 + min(max(score / top, 0.0), 1.0) * (width - 12), 1)

    parts = [
        f'<svg class="strip" viewBox="0 0 {width:.0f} 22" role="img" aria-label="{escape(description)}">',
        f'<line class="grid" x1="6" x2="{width - 6}" y1="{middle}" y2="{middle}"/>',
    ]
    for share in (0.0, 0.5, 1.0):
        at = x(share * top)
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{middle - 4}" y2="{middle + 4}"/>')
    if blind is not None:
        parts.append(f'<circle class="blind" cx="{x(blind)}" cy="{middle}" r="4"/>')
    parts.append(f'<line class="spread" x1="{x(low)}" x2="{x(high)}" y1="{middle}" y2="{middle}"/>')
    parts.append(f'<circle class="score" cx="{x(value)}" cy="{middle}" r="4.5"/></svg>')
    return Markup("".join(parts))


def smoothed(points: Sequence[Point], share: float = 0.02) -> tuple[Point, ...]:
    """Exponential moving average over about ``share`` of the points, without the start's bias."""
    keep = 1 - 1 / max(1.0, share * len(points))
    total = weight = 0.0
    out = []
    for x, y in points:
        total, weight = keep * total + y, keep * weight + 1
        out.append((x, total / weight))
    return tuple(out)


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most a few hundred points, first and last among them."""
    if len(points) <= _MOST_POINTS:
        return list(points)
    stride = (len(points) - 1) / (_MOST_POINTS - 1)
    return [points[round(i * stride)] for i in range(_MOST_POINTS)]


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers between ``low`` and ``high``, about as many as asked."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _widened(low: float, high: float) -> tuple[float, float]:
    if high > low:
        return low, high
    return low - 0.5, high + 0.5


def _tick(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:g}"


def _hover_data(series: Sequence[Series], place: Callable[[Point], Point]) -> str:
    """What the page's script needs to show the values under the pointer."""
    return json.dumps(
        [
            {
                "name": line.name,
                "points": [[*place(p), round(p[0], 3), round(p[1], 4)] for p in thinned(line.points)],
            }
            for line in series
            if line.style != "raw"
        ],
        separators=(",", ":"),
    )
