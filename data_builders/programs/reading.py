"""What is written: reading all of it (the noisy-reading task of LLaVAR), one place, and finding a text."""

from __future__ import annotations

from collections.abc import Iterable

from data_builders.draws import Draws
from data_builders.programs.base import Arguments, Program, Solution, Views
from data_builders.programs.referring import box_text, same_box
from data_builders.programs.view import View, has_text
from data_builders.programs.words import SHOWN, phrasings
from data_builders.scenes import SceneObject

PAPER = "LLaVAR"
_MOST_WRONG = 6


def written(view: View) -> list[SceneObject]:
    """The objects with text, line by line from the top, and from left to right in a line."""
    waiting = sorted(
        (item for item in view.objects if item.text and item.text.strip()),
        key=lambda item: (item.center[1], item.box_xyxy[0], item.id),
    )
    lines: list[list[SceneObject]] = []
    for item in waiting:
        # It belongs to the line above if its middle is still in the box that the line began with.
        if lines and item.center[1] < lines[-1][0].box_xyxy[3]:
            lines[-1].append(item)
        else:
            lines.append([item])
    return [
        item for line in lines for item in sorted(line, key=lambda item: (item.box_xyxy[0], item.box_xyxy[1]))
    ]


def _lines(view: View) -> tuple[list[str], tuple[str, ...], str]:
    """The lines of text, what they rest on, and whether they are all that there is to read."""
    items = written(view)
    if items:
        form = "all" if {item.name for item in items} <= view.exhaustive else "some"
        return [(item.text or "").strip() for item in items], tuple(item.id for item in items), form
    texts = [text.strip() for text in view.scene.texts if text.strip()]
    return texts, tuple(f"text {place}" for place in range(len(texts))), "some"


def _propose_all(views: Views, draws: Draws) -> Iterable[Arguments]:
    texts, _, form = _lines(views[0])
    return [{"form": form}] if texts else ()


def _solve_all(views: Views, arguments: Arguments) -> Solution | None:
    texts, evidence, form = _lines(views[0])
    if not texts or arguments["form"] != form:
        return None
    return Solution("\n".join(texts), evidence)


OCR_READING = Program(
    name="ocr_reading",
    makes="all text of the image, in reading order",
    needs="text",
    paper=PAPER,
    phrasings={
        "all": phrasings(
            "(read|transcribe|write down) all (the|) text (in the image|in the picture|that you see).",
            "what (does the text in the image say|is written in the image|text is in the picture)?",
            f"(give|list) every (word|piece of text) {SHOWN}, (line by line|from top to bottom).",
        ),
        "some": phrasings(
            "(which|what) text can you (make out|read|recognize) in the (image|picture)?",
            "(read|transcribe) the text that you can (make out|recognize) in the (image|picture).",
        ),
    },
    propose=_propose_all,
    solve=_solve_all,
    possible=lambda view: bool(view.scene.texts) or has_text(view),
)


def _written(views: Views, draws: Draws) -> Iterable[Arguments]:
    found = [{"object": item.id} for item in views[0].objects if item.text]
    draws.shuffle(found)
    return found


def _others(view: View, item: SceneObject) -> list[SceneObject]:
    return [
        other
        for other in view.objects
        if other.text and (other.text or "").strip().lower() != (item.text or "").strip().lower()
    ]


def _solve_box(views: Views, arguments: Arguments) -> Solution | None:
    view, item = views[0], views[0].by_id[arguments["object"]]
    if not item.text or not item.text.strip() or same_box(view, item):
        return None
    wrong = dict.fromkeys((other.text or "").strip() for other in _others(view, item))
    words = {"box": box_text(view, item)}
    return Solution(item.text.strip(), (item.id,), words, tuple(text for text in wrong if text)[:_MOST_WRONG])


TEXT_IN_BOX = Program(
    name="text_in_box",
    makes="what is written in a box",
    needs="text with boxes",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            "what (is written|does it say|text is there) (at|in the region|inside) {box}?",
            "(read|transcribe) (the text|what is written) (at|in the region|inside) {box}.",
        )
    },
    propose=_written,
    solve=_solve_box,
    possible=has_text,
)


def _solve_where(views: Views, arguments: Arguments) -> Solution | None:
    """Where a text stands, if it stands once and no other text holds it."""
    view, item = views[0], views[0].by_id[arguments["object"]]
    text = (item.text or "").strip()
    if not text or not view.apart(item.name):
        return None
    rivals = [
        other for other in view.objects if other is not item and text.lower() in (other.text or "").lower()
    ]
    if rivals:
        return None
    box = box_text(view, item)
    wrong = dict.fromkeys(box_text(view, other) for other in _others(view, item))
    return Solution(box, (item.id,), {"text": text}, tuple(other for other in wrong if other != box))


TEXT_WHERE = Program(
    name="text_where",
    makes="the box of a text",
    needs="text with boxes, exhaustive classes",
    paper=PAPER,
    phrasings={
        "ask": phrasings(
            'where is "{text}" written (in the image|in the picture|)? Give its box.',
            'give the (box|bounding box|region) (of the text|in which is written) "{text}".',
        )
    },
    propose=_written,
    solve=_solve_where,
    possible=has_text,
)
READING_PROGRAMS = (OCR_READING, TEXT_IN_BOX, TEXT_WHERE)
