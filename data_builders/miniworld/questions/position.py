"""Where is it, and what is there? On the 3x3 grid, of objects clearly inside a cell."""

from __future__ import annotations

from data_builders.draws import Draws
from data_builders.miniworld.describing import CELLS, cell_index, facts_named, refer
from data_builders.miniworld.questions.base import Arguments, Family, Solution
from data_builders.scenes import Scene


def _candidates(scene: Scene, draws: Draws) -> list[Arguments]:
    form = draws.choice(("where", "what"))
    return [{"form": form, "object": item.id} for item in scene.objects]


def _solve(scene: Scene, arguments: Arguments) -> Solution | None:
    item, form = scene.object(arguments["object"]), arguments["form"]
    index = cell_index(scene, item, margin=scene.width / 32)
    if index is None:
        return None
    cell, asks = CELLS[index], frozenset({("x", item.id), ("y", item.id)})
    if form == "where":
        thing = refer(scene, item)
        if thing is None:
            return None
        tells = asks | facts_named(scene, item, thing)
        return Solution(cell, (item.id,), {"thing": thing}, item.name, asks, tells)
    if any(other.id != item.id and _reaches(scene, other.box_xyxy, index) for other in scene.objects):
        return None
    return Solution(item.name, (item.id,), {"cell": cell}, cell, asks)


def _reaches(scene: Scene, box: tuple[float, float, float, float], cell: int) -> bool:
    """Whether a box covers more than a fringe of a cell, so that a person might name it."""
    row, column = divmod(cell, 3)
    width, height = scene.width / 3, scene.height / 3
    wide = min(box[2], (column + 1) * width) - max(box[0], column * width)
    high = min(box[3], (row + 1) * height) - max(box[1], row * height)
    return wide > width / 4 and high > height / 4


FAMILY = Family(
    name="position",
    phrasings={
        "where": (
            "In which part of the picture is {thing}?",
            "Where is {thing}?",
            "Where in the image is {thing}?",
        ),
        "what": (
            "What is in the {cell} of the picture?",
            "What is in the {cell}?",
            "Which object is in the {cell}?",
        ),
    },
    candidates=_candidates,
    solve=_solve,
)
