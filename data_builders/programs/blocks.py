"""A block of scenes, the unit of parallel work: all that programs ask of each, and of several together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from data_builders.draws import Draws
from data_builders.programs.asking import Settings, stable_number, view_of
from data_builders.programs.base import Program
from data_builders.programs.records import records_of
from data_builders.programs.view import View
from data_builders.scenes import Scene
from mmtune.records import Record

BLOCK = 64
"""Scenes of a block. Images that are asked about together are of one block."""
_GROUP_TRIES = 4
_GROUPS = 7
"""A number of its own for the stream that puts images together."""


def records_of_block(
    scenes: Sequence[Scene], programs: Iterable[Program], settings: Settings
) -> Iterator[Record]:
    """All records of these programs about the scenes of a block, scene by scene.

    A record depends on its own scenes and the seed alone, and on the set of the block's scenes if it is about
    several images; the order of the scenes changes nothing but the order of the records.
    """
    chosen = list(programs)
    single = [program for program in chosen if program.images[0] == 1]
    several = [program for program in chosen if program.images[0] > 1]
    views = [view_of(scene, settings) for scene in scenes]
    ordered = sorted(views, key=lambda view: view.scene.id) if several else []
    for view in views:
        for program in single:
            if program.possible(view):
                yield from records_of(program, (view,), settings)
        for program in several:
            if program.possible(view):
                yield from _about_several(program, view, ordered, settings)


def _about_several(
    program: Program, anchor: View, views: Sequence[View], settings: Settings
) -> Iterator[Record]:
    """The first record that a program finds about a scene and some others of its block."""
    draws = Draws(settings.seed, _GROUPS, stable_number(program.name), stable_number(anchor.scene.id))
    least, most = program.images
    for _ in range(_GROUP_TRIES):
        group = [anchor]
        for _ in range(2 * most):
            other = views[draws.below(len(views))]
            if all(other is not one for one in group):
                group.append(other)
            if len(group) == most:
                break
        count = draws.between(least, most)
        if len(group) < least:
            return
        group = group[:count]
        draws.shuffle(group)
        found = records_of(program, group, settings)
        if found:
            yield from found
            return
