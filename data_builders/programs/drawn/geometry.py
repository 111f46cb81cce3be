"""Kinds of diagrams of school mathematics: their numbers, how they are drawn, how they are worked out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from data_builders.draws import Draws
from data_builders.programs.drawn.canvas import INK, Canvas

SIDE = 336
"""Pixels of a diagram's side."""
Numbers = Mapping[str, Any]
Worked = tuple[str, tuple[str, ...], str, tuple[str, ...]]
"""What is asked for, the steps, the answer, answers of usual mistakes."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of diagram: which numbers it has, how it is drawn, and how its question is worked out."""

    draw: Callable[[Draws], dict[str, Any]]
    paint: Callable[[Canvas, Numbers], None]
    work: Callable[[Numbers], Worked]


def _corners(canvas: Canvas, points: list[tuple[float, float]], names: str, labels: list[str]) -> None:
    """A polygon with the names of its corners outside and other labels inside them."""
    canvas.pen.polygon(points, outline=INK, width=2)
    cx, cy = (sum(values) / len(points) for values in zip(*points, strict=True))
    for (x, y), name, label in zip(points, names, labels, strict=True):
        away = math.hypot(x - cx, y - cy)
        canvas.write(x + 16 * (x - cx) / away, y + 16 * (y - cy) / away, name, 18, middle=True)
        if label:
            canvas.write(x - 0.3 * (x - cx), y - 0.3 * (y - cy), label, 15, middle=True)


def _fit(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points of any size, y upwards, in the middle of the picture."""
    xs, ys = zip(*points, strict=True)
    wide, high = max(xs) - min(xs), max(ys) - min(ys)
    scale = 0.68 * SIDE / max(wide, high)
    left, top = (SIDE - scale * wide) / 2, (SIDE - scale * high) / 2
    return [(left + scale * (x - min(xs)), SIDE - top - scale * (y - min(ys))) for x, y in points]


def _wrong(answer: float, *others: float, unit: str = "") -> tuple[str, ...]:
    found = dict.fromkeys(f"{other:g}{unit}" for other in (*others, answer + 10, answer + 2) if other > 0)
    found.pop(f"{answer:g}{unit}", None)
    return tuple(found)


def _draw_triangle(draws: Draws) -> dict[str, Any]:
    a = 5 * draws.between(6, 20)
    b = 5 * draws.between(5, (175 - a) // 5 - 4) if a < 130 else 25
    return {"a": a, "b": min(b, 150 - a) if a + b > 150 else b}


def _paint_triangle(canvas: Canvas, n: Numbers) -> None:
    a, b = math.radians(n["a"]), math.radians(n["b"])
    # A and B lie on the base of length 1; C is where their sides meet.
    side = math.sin(b) / math.sin(math.pi - a - b)
    points = _fit([(0, 0), (1, 0), (side * math.cos(a), side * math.sin(a))])
    _corners(canvas, points, "ABC", [f"{n['a']}°", f"{n['b']}°", "?"])


def _work_triangle(n: Numbers) -> Worked:
    a, b = n["a"], n["b"]
    c = 180 - a - b
    steps = (
        "The angles of a triangle sum to 180°.",
        f"Angle A is {a}° and angle B is {b}°, together {a + b}°.",
        f"Angle C is 180° - {a + b}° = {c}°.",
    )
    return "angle C", steps, f"{c}°", _wrong(c, a + b, 180 - a, 180 - b, unit="°")


_TRIPLES = (
    (3, 4, 5),
    (6, 8, 10),
    (5, 12, 13),
    (8, 15, 17),
    (9, 12, 15),
    (7, 24, 25),
    (12, 16, 20),
    (20, 21, 29),
)


def _draw_right(draws: Draws) -> dict[str, Any]:
    one, two, long = draws.choice(_TRIPLES)
    if draws.below(2):
        one, two = two, one
    return {"a": one, "b": two, "c": long, "ask": draws.choice(("c", "a"))}


def _paint_right(canvas: Canvas, n: Numbers) -> None:
    c, b, a = points = _fit([(0, 0), (n["b"], 0), (0, n["a"])])
    _corners(canvas, points, "CBA", ["", "", ""])
    canvas.pen.rectangle((c[0], c[1] - 12, c[0] + 12, c[1]), outline=INK, width=1)
    said = {key: str(n[key]) if key != n["ask"] else "?" for key in "abc"}
    canvas.write((c[0] + b[0]) / 2, c[1] + 14, said["b"], 16, middle=True)
    canvas.write(c[0] - 16, (c[1] + a[1]) / 2, said["a"], 16, middle=True)
    canvas.write((a[0] + b[0]) / 2 + 16, (a[1] + b[1]) / 2 - 12, said["c"], 16, middle=True)


def _work_right(n: Numbers) -> Worked:
    a, b, c = n["a"], n["b"], n["c"]
    if n["ask"] == "c":
        steps = (
            "The angle at C is a right one, so AB² = AC² + BC².",
            f"AC is {a} and BC is {b}: AB² = {a}² + {b}² = {a * a} + {b * b} = {a * a + b * b}.",
            f"AB is the root of {a * a + b * b}, which is {c}.",
        )
        return "the length of AB", steps, f"{c}", _wrong(c, a + b, a * a + b * b)
    steps = (
        "The angle at C is a right one, so AC² = AB² - BC².",
        f"AB is {c} and BC is {b}: AC² = {c}² - {b}² = {c * c} - {b * b} = {c * c - b * b}.",
        f"AC is the root of {c * c - b * b}, which is {a}.",
    )
    return "the length of AC", steps, f"{a}", _wrong(a, c - b, c + b, c * c - b * b)


def _draw_rectangle(draws: Draws) -> dict[str, Any]:
    wide, high = draws.between(4, 20), draws.between(3, 14)
    return {"wide": wide, "high": high + (wide == high), "ask": draws.choice(("area", "perimeter"))}


def _paint_rectangle(canvas: Canvas, n: Numbers) -> None:
    wide, high = n["wide"], n["high"]
    points = _fit([(0, 0), (wide, 0), (wide, high), (0, high)])
    _corners(canvas, points, "ABCD", [""] * 4)
    (x0, y0), (x1, _), (_, y1) = points[0], points[1], points[2]
    canvas.write((x0 + x1) / 2, y0 + 14, str(wide), 16, middle=True)
    canvas.write(x1 + 16, (y0 + y1) / 2, str(high), 16, middle=True)


def _work_rectangle(n: Numbers) -> Worked:
    wide, high = n["wide"], n["high"]
    area, around = wide * high, 2 * (wide + high)
    if n["ask"] == "area":
        steps = ("The area of a rectangle is the product of its sides.", f"{wide} · {high} = {area}.")
        return "the area of ABCD", steps, f"{area}", _wrong(area, around, wide + high, area / 2)
    steps = (
        "The perimeter of a rectangle is twice the sum of its two sides.",
        f"{wide} + {high} = {wide + high}, and 2 · {wide + high} = {around}.",
    )
    return "the perimeter of ABCD", steps, f"{around}", _wrong(around, area, wide + high)


def _draw_circle(draws: Draws) -> dict[str, Any]:
    return {"radius": draws.between(2, 15), "ask": draws.choice(("area", "circumference"))}


def _paint_circle(canvas: Canvas, n: Numbers) -> None:
    middle, radius = SIDE / 2, 60 + 5 * n["radius"]
    canvas.pen.ellipse(
        (middle - radius, middle - radius, middle + radius, middle + radius), outline=INK, width=2
    )
    canvas.pen.line((middle, middle, middle + radius, middle), fill=INK, width=2)
    canvas.pen.ellipse((middle - 3, middle - 3, middle + 3, middle + 3), fill=INK)
    canvas.write(middle - 12, middle + 12, "M", 16, middle=True)
    canvas.write(middle + radius / 2, middle - 14, str(n["radius"]), 16, middle=True)


def _work_circle(n: Numbers) -> Worked:
    r = n["radius"]
    if n["ask"] == "area":
        steps = ("The area of a circle is π · r².", f"r is {r}, and r² is {r * r}.")
        wrong = _wrong(r * r, 2 * r, r, 4 * r * r, unit="π")
        return "the area of the circle", steps, f"{r * r}π", wrong
    steps = ("The circumference of a circle is 2 · π · r.", f"r is {r}, and 2 · {r} = {2 * r}.")
    return "the circumference of the circle", steps, f"{2 * r}π", _wrong(2 * r, r * r, r, 4 * r, unit="π")


def _draw_parallel(draws: Draws) -> dict[str, Any]:
    return {
        "angle": 5 * draws.choice([*range(8, 17), *range(20, 29)]),
        "ask": draws.choice(("same", "other")),
    }


def _paint_parallel(canvas: Canvas, n: Numbers) -> None:
    high, low, turn = 110, 230, math.radians(n["angle"])
    for y in (high, low):
        canvas.pen.line((20, y, SIDE - 20, y), fill=INK, width=2)
    canvas.write(24, high - 20, "g", 16)
    canvas.write(24, low - 20, "h", 16)
    across = (low - high) / math.tan(turn)
    lower, upper = SIDE / 2 - across / 2, SIDE / 2 + across / 2
    extra = 60 / math.tan(turn)
    canvas.pen.line((lower - extra, low + 60, upper + extra, high - 60), fill=INK, width=2)
    canvas.write(upper + 34, high - 12, f"{n['angle']}°", 15, middle=True)
    # The angle between the line and h, right of it (as the given one) or left of it.
    beside = 34 if n["ask"] == "same" else -34
    canvas.write(lower + beside, low - 12, "x", 15, middle=True)


def _work_parallel(n: Numbers) -> Worked:
    angle = n["angle"]
    first = "g and h are parallel, so that the line makes the same angles with both."
    if n["ask"] == "same":
        same = (first, f"x lies where the angle of {angle}° lies, so x is {angle}°.")
        return "the angle x", same, f"{angle}°", _wrong(angle, 180 - angle, abs(90 - angle), unit="°")
    steps = (
        first,
        f"x and an angle of {angle}° lie beside each other on a straight line.",
        f"x is 180° - {angle}° = {180 - angle}°.",
    )
    return "the angle x", steps, f"{180 - angle}°", _wrong(180 - angle, angle, abs(90 - angle), unit="°")


def _draw_line(draws: Draws) -> dict[str, Any]:
    slope = draws.choice((-3, -2, -1, 1, 2, 3))
    run = 2 if abs(slope) < 3 else 1
    x0 = draws.between(-2, 1)
    lift = slope * run
    y0 = draws.between(max(-4, -4 - lift), min(4, 4 - lift))
    return {"points": [[x0, y0], [x0 + run, y0 + lift]], "ask": "slope"}


def _paint_line(canvas: Canvas, n: Numbers) -> None:
    unit, middle = 30, SIDE / 2
    for k in range(-5, 6):
        tick = middle + k * unit
        canvas.pen.line((tick, 18, tick, SIDE - 18), fill=(225, 225, 225))
        canvas.pen.line((18, tick, SIDE - 18, tick), fill=(225, 225, 225))
    canvas.pen.line((middle, 12, middle, SIDE - 12), fill=INK, width=2)
    canvas.pen.line((12, middle, SIDE - 12, middle), fill=INK, width=2)
    for k in (-4, -2, 2, 4):
        canvas.write(middle + k * unit, middle + 12, str(k), 12, "tick", middle=True)
        canvas.write(middle - 12, middle - k * unit, str(k), 12, "tick", middle=True)
    (x0, y0), (x1, y1) = ((middle + x * unit, middle - y * unit) for x, y in n["points"])
    canvas.pen.line(
        (x0 - (x1 - x0), y0 - (y1 - y0), x1 + (x1 - x0), y1 + (y1 - y0)), fill=(34, 82, 214), width=2
    )
    for name, (x, y) in zip("PQ", ((x0, y0), (x1, y1)), strict=True):
        canvas.pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=(216, 40, 38))
        canvas.write(x + 12, y - 12, name, 16, middle=True)


def _work_line(n: Numbers) -> Worked:
    (x0, y0), (x1, y1) = n["points"]
    slope = (y1 - y0) // (x1 - x0)
    steps = (
        f"P is ({x0}, {y0}) and Q is ({x1}, {y1}).",
        f"From P to Q, x changes by {x1 - x0} and y by {y1 - y0}.",
        f"The slope is {y1 - y0} / {x1 - x0} = {slope}.",
    )
    wrong = dict.fromkeys(str(other) for other in (-slope, slope + 1, slope - 1, 2 * slope))
    wrong.pop(str(slope), None)
    return "the slope of the line through P and Q", steps, str(slope), tuple(wrong)


KINDS: dict[str, Kind] = {
    "triangle": Kind(_draw_triangle, _paint_triangle, _work_triangle),
    "right_triangle": Kind(_draw_right, _paint_right, _work_right),
    "rectangle": Kind(_draw_rectangle, _paint_rectangle, _work_rectangle),
    "circle": Kind(_draw_circle, _paint_circle, _work_circle),
    "parallel_lines": Kind(_draw_parallel, _paint_parallel, _work_parallel),
    "line": Kind(_draw_line, _paint_line, _work_line),
}
"""Kinds of diagram; a new one is three functions and its name here."""
