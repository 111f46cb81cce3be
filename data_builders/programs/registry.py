"""All programs, by name."""

from __future__ import annotations

from data_builders.programs.attributes import ATTRIBUTE_PROGRAMS
from data_builders.programs.base import Program
from data_builders.programs.depth import DEPTH_PROGRAMS
from data_builders.programs.drawn.charts import FIGURE_PROGRAMS
from data_builders.programs.drawn.diagrams import MATH_DIAGRAM
from data_builders.programs.drawn.pages import DOCUMENT_QUESTIONS
from data_builders.programs.grounding import GROUNDING_PROGRAMS
from data_builders.programs.marks import MARK_PROGRAMS
from data_builders.programs.negatives import NEGATIVE_PROGRAMS
from data_builders.programs.objects import OBJECT_PROGRAMS
from data_builders.programs.reading import READING_PROGRAMS
from data_builders.programs.regions import REGION_PROGRAMS
from data_builders.programs.relations import RELATION_PROGRAMS
from data_builders.programs.scene_graph import SCENE_GRAPH_PROGRAMS
from data_builders.programs.segmentation import SEGMENTATION_PROGRAMS
from data_builders.programs.several_select import SELECT_PROGRAMS
from data_builders.programs.several_together import TOGETHER_PROGRAMS

PROGRAMS: dict[str, Program] = {
    program.name: program
    for program in (
        *OBJECT_PROGRAMS,
        *ATTRIBUTE_PROGRAMS,
        *RELATION_PROGRAMS,
        *SEGMENTATION_PROGRAMS,
        *DEPTH_PROGRAMS,
        *SCENE_GRAPH_PROGRAMS,
        *SELECT_PROGRAMS,
        *TOGETHER_PROGRAMS,
        *READING_PROGRAMS,
        *REGION_PROGRAMS,
        *GROUNDING_PROGRAMS,
        *NEGATIVE_PROGRAMS,
        *MARK_PROGRAMS,
        MATH_DIAGRAM,
        *FIGURE_PROGRAMS,
        DOCUMENT_QUESTIONS,
    )
}
"""Name -> program; a new one is a file, or a few lines in the file of its family, and its name here."""
