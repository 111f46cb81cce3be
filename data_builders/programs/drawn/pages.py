"""Pages of text with a known layout: a title, sections, a form with fields, and a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from data_builders.draws import Draws
from data_builders.programs.base import Arguments, Program, Solution, Views, form_of
from data_builders.programs.drawn.canvas import INK, Canvas
from data_builders.programs.objects import near_numbers
from data_builders.programs.view import View
from data_builders.programs.words import phrasings
from data_builders.scenes import Scene

_WIDTH, _HEIGHT = 480, 600
_TITLES = ("Annual report", "Field notes", "Order form", "Meeting summary", "Lab protocol", "Travel plan")
_HEADINGS = ("Summary", "Method", "Results", "Costs", "Next steps", "People", "Open questions")
_WORDS = (
    "the team met on time and all parts were there",
    "we counted each box twice before it was closed",
    "the second test gave the same result as the first",
    "nobody could say why the door had been left open",
    "prices rose a little but stayed below the limit",
    "a short walk along the river ended the day",
)
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "Name": ("Ada Berg", "Tom Reyes", "Lin Zhou", "Eva Novak", "Omar Said"),
    "Date": ("3 May 2021", "17 June 2022", "9 March 2020", "28 July 2023"),
    "Total": ("48.50", "120.00", "75.25", "310.90"),
    "City": ("Lisbon", "Kyoto", "Tampere", "Bergen", "Quito"),
    "Number": ("A-204", "B-118", "C-377", "D-092"),
}
_COLUMNS = ("North", "South", "East", "West")
_ROWS = ("Apples", "Pears", "Plums", "Nuts", "Beans")
Page = Mapping[str, Any]


def draw_page(draws: Draws, scene_id: str) -> tuple[Scene, Image.Image]:
    """One page; what it says is in the scene's ``source``, each line of text an object."""
    page: dict[str, Any] = {"title": draws.choice(_TITLES)}
    page["sections"] = [
        [heading, draws.choice(_WORDS)] for heading in draws.sample(_HEADINGS, draws.between(2, 4))
    ]
    page["fields"] = {
        name: draws.choice(_FIELDS[name]) for name in draws.sample(tuple(_FIELDS), draws.between(2, 4))
    }
    page["columns"] = draws.sample(_COLUMNS, draws.between(2, 3))
    page["rows"] = {
        row: [draws.between(1, 99) for _ in page["columns"]]
        for row in draws.sample(_ROWS, draws.between(2, 4))
    }
    canvas = Canvas(_WIDTH, _HEIGHT)
    canvas.write(36, 28, page["title"], 26, "title")
    y = 76.0
    for name, value in page["fields"].items():
        canvas.write(36, y, f"{name}: {value}", 15, "line")
        y += 24
    y += 10
    for heading, words in page["sections"]:
        canvas.write(36, y, heading, 19, "heading")
        canvas.write(36, y + 26, f"{words.capitalize()}.", 14, "line")
        y += 60
    _paint_table(canvas, page, y + 8)
    return canvas.scene(scene_id, {"dataset": "documents", "page": page}), canvas.image


def _paint_table(canvas: Canvas, page: Page, top: float) -> None:
    across, down = 96, 26
    right = 36 + across * (1 + len(page["columns"]))
    bottom = top + down * (1 + len(page["rows"]))
    for place, name in enumerate(page["columns"]):
        canvas.write(36 + across * (place + 1) + 8, top + 6, name, 14, "cell")
    for place, (name, values) in enumerate(page["rows"].items()):
        canvas.write(44, top + down * (place + 1) + 6, name, 14, "cell")
        for column, value in enumerate(values):
            canvas.write(36 + across * (column + 1) + 8, top + down * (place + 1) + 6, str(value), 14, "cell")
    for place in range(len(page["rows"]) + 2):
        canvas.pen.line((36, top + down * place, right, top + down * place), fill=INK)
    for place in range(len(page["columns"]) + 2):
        canvas.pen.line((36 + across * place, top, 36 + across * place, bottom), fill=INK)


def is_page(view: View) -> bool:
    """Whether the scene is a page."""
    return "page" in view.scene.source


def _propose(views: Views, draws: Draws) -> list[Arguments]:
    if not is_page(views[0]):
        return []
    page = views[0].scene.source["page"]
    found: list[Arguments] = [{"form": "title"}, {"form": "count"}]
    found += [{"form": "field", "name": name} for name in page["fields"]]
    found += [{"form": "after", "place": place} for place in range(len(page["sections"]) - 1)]
    found += [
        {"form": "cell", "row": row, "column": column} for row in page["rows"] for column in page["columns"]
    ]
    draws.shuffle(found)
    return found


def _solve(views: Views, arguments: Arguments) -> Solution | None:
    view, form = views[0], form_of(arguments)
    if not is_page(view):
        return None
    page: Page = view.scene.source["page"]
    headings = [heading for heading, _ in page["sections"]]
    if form == "title":
        return Solution(page["title"], _evidence(view, page["title"]), {}, tuple(headings))
    if form == "count":
        return Solution(str(len(headings)), _evidence(view, *headings), {}, near_numbers(len(headings)))
    if form == "field":
        name, value = arguments["name"], page["fields"][arguments["name"]]
        wrong = tuple(other for other in _FIELDS[name] if other != value)
        return Solution(value, _evidence(view, f"{name}: {value}"), {"name": name}, wrong)
    if form == "after":
        first, second = headings[arguments["place"]], headings[arguments["place"] + 1]
        wrong = tuple(other for other in headings if other not in (first, second))
        return Solution(second, _evidence(view, first, second), {"first": first}, wrong)
    row, column = arguments["row"], arguments["column"]
    values = page["rows"][row]
    value = str(values[page["columns"].index(column)])
    everything = dict.fromkeys(str(other) for cells in page["rows"].values() for other in cells)
    wrong = tuple(other for other in everything if other != value)
    return Solution(value, _evidence(view, row, column, value), {"row": row, "column": column}, wrong)


def _evidence(view: View, *texts: str) -> tuple[str, ...]:
    return tuple(item.id for item in view.objects if item.text in texts)


DOCUMENT_QUESTIONS = Program(
    name="document_questions",
    makes="title, fields, sections and table cells of a page",
    needs="pictures of its own (documents)",
    paper="SciTune, LLaVAR",
    phrasings={
        "title": phrasings("what is the title of (the|this) (page|document)?", "(read|give) the title."),
        "count": phrasings("how many (sections|headings) (does the page have|are there)?"),
        "field": phrasings(
            'what (is written under|does the page give for|stands after) "{name}"?',
            '(read|give) the (value|entry) of the field "{name}".',
        ),
        "after": phrasings(
            'which section comes (right|directly) after "{first}"?',
            '(tell me|name|give) the heading that follows "{first}".',
        ),
        "cell": phrasings(
            "what is the (value|number) for {row} (in|under) {column}?",
            "in the table, what stands in the row {row} and the column {column}?",
            "(read off|give) the entry of {row} (in|under) {column}.",
        ),
    },
    propose=_propose,
    solve=_solve,
    possible=is_page,
)
