"""The programs as builders."""

from __future__ import annotations

from functools import partial

from data_builders.builders import Builder
from data_builders.programs.building import ALL, build, build_drawn
from data_builders.programs.drawn.registry import DRAWINGS
from data_builders.programs.registry import PROGRAMS

_DRAWN = {name for drawing in DRAWINGS.values() for name in drawing.programs if "own" in PROGRAMS[name].needs}

BUILDERS: dict[str, Builder] = {
    ALL: Builder(ALL, "scenes", "what all programs below ask that need no marks", "", partial(build, ALL)),
    **{
        name: Builder(name, program.needs, program.makes, program.paper, partial(build, name))
        for name, program in PROGRAMS.items()
        if name not in _DRAWN
    },
    **{
        name: Builder(name, "nothing", drawing.makes, drawing.paper, partial(build_drawn, name))
        for name, drawing in DRAWINGS.items()
    },
}
