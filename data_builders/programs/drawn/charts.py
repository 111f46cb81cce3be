"""Figures with exact values: bar and line charts, alone or as panels of one figure with a caption."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from PIL import Image

from data_builders.draws import Draws
from data_builders.programs.base import Arguments, Program, Solution, Views, form_of
from data_builders.programs.drawn.canvas import INK, Canvas
from data_builders.programs.view import View
from data_builders.programs.words import HERE, a, join_words, phrasings
from data_builders.scenes import Scene

_WIDTH, _HEIGHT = 420, 320
_TOP = 100
_TOPICS: Mapping[str, tuple[str, ...]] = {
    "Books sold": ("May", "June", "July", "August", "March", "April"),
    "Rain (mm)": ("Lima", "Oslo", "Rome", "Cairo", "Quito", "Perth"),
    "Visitors": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat"),
    "Yield (kg)": ("rye", "oats", "corn", "rice", "wheat", "hops"),
    "Speed (km/h)": ("cat", "fox", "hare", "wolf", "deer", "bear"),
    "Score": ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn"),
}
_KINDS = ("bar", "line")
_COLORS = ((34, 82, 214), (216, 40, 38), (44, 158, 66), (146, 56, 176))

Chart = Mapping[str, Any]


def _draw_values(draws: Draws, kind: str, topic: str) -> dict[str, Any]:
    names = draws.sample(_TOPICS[topic], draws.between(3, 5))
    values = draws.sample(range(10, _TOP, 5), len(names))  # all different, and on or between two lines
    return {"kind": kind, "topic": topic, "names": names, "values": values}


def _paint(canvas: Canvas, chart: Chart, x0: float, y0: float, wide: float, high: float, color: int) -> None:
    """One chart into a part of the picture, with its title, axis and names."""
    left, right, top, bottom = x0 + 42, x0 + wide - 12, y0 + 34, y0 + high - 28
    canvas.write(x0 + wide / 2, y0 + 14, chart["topic"], 16, "title", middle=True)
    for tick in range(0, _TOP + 1, 20):
        y = bottom - (bottom - top) * tick / _TOP
        canvas.pen.line((left, y, right, y), fill=(215, 215, 215))
        canvas.write(x0 + 22, y, str(tick), 12, "tick", middle=True)
    canvas.pen.line((left, top, left, bottom), fill=INK, width=2)
    canvas.pen.line((left, bottom, right, bottom), fill=INK, width=2)
    step = (right - left) / len(chart["names"])
    points = []
    for place, (name, value) in enumerate(zip(chart["names"], chart["values"], strict=True)):
        middle, y = left + step * (place + 0.5), bottom - (bottom - top) * value / _TOP
        points.append((middle, y))
        if chart["kind"] == "bar":
            box = (middle - 0.3 * step, y, middle + 0.3 * step, bottom)
            canvas.pen.rectangle(box, fill=_COLORS[color])
            canvas.note("bar", box)
        canvas.write(middle, bottom + 14, name, 13, "name", middle=True)
    if chart["kind"] == "line":
        canvas.pen.line(points, fill=_COLORS[color], width=3)
        for x, y in points:
            canvas.pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=_COLORS[color])
            canvas.note("point", (x - 4, y - 4, x + 4, y + 4))


def draw_figure(draws: Draws, scene_id: str) -> tuple[Scene, Image.Image]:
    """A chart, or a figure of two to four of them; the values are in the scene's ``source``."""
    count = draws.weighted((1, 2, 4), (0.6, 0.2, 0.2))
    topics = draws.sample(tuple(_TOPICS), count)
    charts = [_draw_values(draws, draws.choice(_KINDS), topic) for topic in topics]
    canvas = Canvas(_WIDTH * min(count, 2), _HEIGHT * (1 + (count > 2)))
    for place, chart in enumerate(charts):
        x0, y0 = _WIDTH * (place % 2), _HEIGHT * (place // 2)
        _paint(canvas, chart, x0, y0, _WIDTH, _HEIGHT, place % len(_COLORS))
        if count > 1:
            canvas.write(x0 + 6, y0 + 6, f"({'abcd'[place]})", 18, "panel")
    return canvas.scene(scene_id, {"dataset": "figures", "charts": charts}), canvas.image


def _charts(view: View) -> list[Chart]:
    found = view.scene.source.get("charts", [])
    return found if isinstance(found, list) else []


def is_chart(view: View) -> bool:
    """Whether the scene is one chart."""
    return len(_charts(view)) == 1


def is_panels(view: View) -> bool:
    """Whether the scene is a figure of several charts."""
    return len(_charts(view)) > 1


def _evidence(view: View, *texts: str) -> tuple[str, ...]:
    return tuple(item.id for item in view.objects if item.text in texts and item.name in ("name", "title"))


def _others(values: Iterable[int], value: int) -> tuple[str, ...]:
    near = dict.fromkeys([*(v for v in values if v != value), value + 10, abs(value - 10), value + 15])
    return tuple(str(other) for other in near if other != value)[:6]


def _propose_chart(views: Views, draws: Draws) -> list[Arguments]:
    if not is_chart(views[0]):
        return []
    names = list(_charts(views[0])[0]["names"])
    draws.shuffle(names)
    found: list[Arguments] = [{"form": "value", "name": name} for name in names[:2]]
    found += [{"form": "most"}, {"form": "least"}, {"form": "type"}]
    found += [{"form": form, "first": names[0], "second": names[1]} for form in ("difference", "more")]
    draws.shuffle(found)
    return found


def _solve_chart(views: Views, arguments: Arguments) -> Solution | None:
    view = views[0]
    if not is_chart(view):
        return None
    chart = _charts(view)[0]
    names, topic, form = chart["names"], chart["topic"], form_of(arguments)
    values = dict(zip(names, chart["values"], strict=True))
    words = {"topic": topic}
    if form == "type":
        kind = f"{chart['kind']} chart"
        return Solution(
            kind,
            _evidence(view, topic),
            words,
            ("pie chart", "line chart" if kind[0] == "b" else "bar chart"),
        )
    if form == "value":
        name = arguments["name"]
        words |= {"name": name}
        return Solution(
            str(values[name]), _evidence(view, name), words, _others(values.values(), values[name])
        )
    if form in ("most", "least"):
        best = (max if form == "most" else min)(values, key=lambda name: values[name])
        return Solution(best, _evidence(view, *names), words, tuple(name for name in names if name != best))
    first, second = arguments["first"], arguments["second"]
    one, two = values[first], values[second]
    words |= {"first": first, "second": second}
    evidence = _evidence(view, first, second)
    if form == "more":
        answer = first if one > two else second
        return Solution(answer, evidence, words, (second if one > two else first,))
    high, low = (first, second) if one > two else (second, first)
    text = f"{high} is at {values[high]} and {low} at {values[low]}. {values[high]} - {values[low]} ="
    return Solution(f"{text} {abs(one - two)}.\nAnswer: {abs(one - two)}", evidence, words)


CHART_QUESTIONS = Program(
    name="chart_questions",
    makes="values, extremes and differences read from a chart",
    needs="pictures of its own (figures)",
    paper="SciTune",
    phrasings={
        "type": phrasings(
            "(what|which) (kind|type) of (chart|figure) is (this|shown)?", "name the type of the chart."
        ),
        "value": phrasings(
            f"{HERE} what is the value (of|for) {{name}}?",
            "(read off|give) the value (of|for) {name}.",
            "how much is shown for {name}?",
        ),
        "most": phrasings(
            f"{HERE} (which|what) has the (highest|largest) value?", "where is the (maximum|highest value)?"
        ),
        "least": phrasings(
            f"{HERE} (which|what) has the (lowest|smallest) value?", "where is the (minimum|lowest value)?"
        ),
        "difference": phrasings(
            "(work out|calculate) the difference between {first} and {second}.",
            "how (large|big) is the difference between {first} and {second}?",
        ),
        "more": phrasings(
            "which (is higher|has the higher value|is larger), {first} or {second}?",
            "is more shown for {first} or for {second}?",
        ),
    },
    propose=_propose_chart,
    solve=_solve_chart,
    possible=is_chart,
)


def _caption(chart: Chart) -> str:
    """What the chart shows, as a caption would say it."""
    values = dict(zip(chart["names"], chart["values"], strict=True))
    best, least = max(values, key=lambda name: values[name]), min(values, key=lambda name: values[name])
    return (
        f"{chart['topic']} for {join_words(chart['names'])} as {a(chart['kind'])} chart."
        f" It is highest for {best} ({values[best]}) and lowest for {least} ({values[least]})."
    )


def _propose_caption(views: Views, draws: Draws) -> list[Arguments]:
    return [{}] if _charts(views[0]) else []


def _solve_caption(views: Views, arguments: Arguments) -> Solution | None:
    view, charts = views[0], _charts(views[0])
    if not charts:
        return None
    evidence = _evidence(view, *(text for chart in charts for text in (chart["topic"], *chart["names"])))
    if len(charts) == 1:
        return Solution(_caption(charts[0]), evidence)
    panels = [f"({letter}) {_caption(chart)}" for letter, chart in zip("abcd", charts, strict=False)]
    return Solution(" ".join(panels), evidence)


FIGURE_CAPTION = Program(
    name="figure_caption",
    makes="a caption of a chart or of all panels of a figure",
    needs="pictures of its own (figures)",
    paper="SciTune, MMSci",
    phrasings={
        "ask": phrasings(
            "(write|give) a caption for (this|the) figure.",
            "what does (this|the) figure show?",
            "(describe|explain) (this|the) figure (in a caption|as a caption would).",
        )
    },
    propose=_propose_caption,
    solve=_solve_caption,
    possible=lambda view: bool(_charts(view)),
)


def _propose_panel(views: Views, draws: Draws) -> list[Arguments]:
    found: list[Arguments] = [
        {"form": form, "panel": place}
        for place in range(len(_charts(views[0])))
        for form in ("which", "topic")
    ]
    draws.shuffle(found)
    return found if is_panels(views[0]) else []


def _solve_panel(views: Views, arguments: Arguments) -> Solution | None:
    view, place = views[0], arguments["panel"]
    if not is_panels(view):
        return None
    charts = _charts(view)
    chart, letter = charts[place], "abcd"[place]
    evidence = _evidence(view, chart["topic"], *chart["names"])
    others = [number for number in range(len(charts)) if number != place]
    if arguments["form"] == "topic":
        wrong = tuple(charts[number]["topic"] for number in others)
        return Solution(chart["topic"], evidence, {"panel": f"({letter})"}, wrong)
    wrong = tuple(f"({'abcd'[number]})" for number in others)
    return Solution(f"({letter})", evidence, {"caption": _caption(chart)}, wrong)


FIGURE_PANEL = Program(
    name="figure_panel",
    makes="which panel of a figure a caption fits, and what a panel shows",
    needs="pictures of its own (figures)",
    paper="MMSci",
    phrasings={
        "which": phrasings(
            "which panel (fits|belongs to) this caption? {caption}",
            "a caption reads: {caption} Which panel is (it of|meant)?",
        ),
        "topic": phrasings(
            "what (does panel {panel} show|is shown in panel {panel})?",
            "what is panel {panel} about?",
            "name what panel {panel} shows.",
        ),
    },
    propose=_propose_panel,
    solve=_solve_panel,
    possible=is_panels,
)
FIGURE_PROGRAMS = (CHART_QUESTIONS, FIGURE_CAPTION, FIGURE_PANEL)
