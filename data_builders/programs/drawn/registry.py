"""All kinds of pictures that builders draw themselves, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from data_builders.draws import Draws
from data_builders.programs.drawn.charts import draw_figure
from data_builders.programs.drawn.diagrams import draw_diagram
from data_builders.programs.drawn.pages import draw_page
from data_builders.scenes import Scene


@dataclass(frozen=True, slots=True)
class Drawing:
    """A kind of picture and what is asked about it.

    Args:
        draw: a scene with this id and its picture, from the draws alone.
        programs: names of the programs that ask.
        makes: one line for people who look for a builder.
        paper: whose idea it is.
    """

    draw: Callable[[Draws, str], tuple[Scene, Image.Image]]
    programs: tuple[str, ...]
    makes: str
    paper: str


_READING = ("ocr_reading", "text_in_box", "text_where")

DRAWINGS: dict[str, Drawing] = {
    "math_diagrams": Drawing(
        draw_diagram, ("math_diagram",), "diagrams of mathematics, with every step of the answer", "MAVIS"
    ),
    "figures": Drawing(
        draw_figure,
        ("chart_questions", "figure_caption", "figure_panel"),
        "charts and figures of several panels, with values, captions and comparisons",
        "SciTune, MMSci",
    ),
    "documents": Drawing(
        draw_page,
        ("document_questions", *_READING),
        "pages with sections, fields and tables, to be read and looked up in",
        "SciTune, LLaVAR",
    ),
}
