"""Diagrams of school mathematics: drawn to scale, with a chain of thought that is exact at every step."""

from __future__ import annotations

from collections.abc import Iterable

from PIL import Image

from data_builders.draws import Draws
from data_builders.programs.base import Arguments, Program, Solution, Views
from data_builders.programs.drawn.canvas import Canvas
from data_builders.programs.drawn.geometry import KINDS, SIDE
from data_builders.programs.view import View
from data_builders.programs.words import phrasings
from data_builders.scenes import Scene


def draw_diagram(draws: Draws, scene_id: str) -> tuple[Scene, Image.Image]:
    """One diagram; its numbers are in the scene's ``source``."""
    name = draws.choice(tuple(KINDS))
    numbers = KINDS[name].draw(draws)
    canvas = Canvas(SIDE, SIDE)
    KINDS[name].paint(canvas, numbers)
    return canvas.scene(
        scene_id, {"dataset": "math_diagrams", "diagram": name, "numbers": numbers}
    ), canvas.image


def has_diagram(view: View) -> bool:
    """Whether the scene is a diagram."""
    return view.scene.source.get("diagram") in KINDS


def _propose(views: Views, draws: Draws) -> Iterable[Arguments]:
    if not has_diagram(views[0]):
        return ()
    return [{"form": draws.choice(("ask", "reason"))}]


def _solve(views: Views, arguments: Arguments) -> Solution | None:
    if not has_diagram(views[0]):
        return None
    source = views[0].scene.source
    wanted, steps, answer, wrong = KINDS[source["diagram"]].work(source["numbers"])
    evidence = tuple(item.id for item in views[0].objects if item.name == "label")
    if arguments["form"] == "ask":
        return Solution(answer, evidence, {"wanted": wanted}, wrong)
    return Solution(f"{' '.join(steps)}\nAnswer: {answer}", evidence, {"wanted": wanted})


MATH_DIAGRAM = Program(
    name="math_diagram",
    makes="a length, angle, area or slope of a diagram, alone or with every step",
    needs="pictures of its own (math_diagrams)",
    paper="MAVIS",
    phrasings={
        "ask": phrasings(
            "what is {wanted}?",
            "(find|determine|give) {wanted}.",
            "(look at|take) the diagram. What is {wanted}?",
        ),
        "reason": phrasings(
            "what is {wanted}? (Explain each step.|Show your work.|Think step by step.)",
            "(work out|calculate) {wanted} step by step.",
            "(find|determine) {wanted} and say how.",
        ),
    },
    propose=_propose,
    solve=_solve,
    possible=has_diagram,
)
