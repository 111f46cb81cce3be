"""Small benchmarks in their official file formats, each with an answer file in its own format, all answers right.

Everything is written by hand here; nothing is taken from the benchmarks. ``registry`` names the writer of each
task; the writers lie in one module for each sort of benchmark.
"""

from tests.benchmark_files.files import COLOURS, LETTERS, SIZE, Files, colour, dump, picture, rows
from tests.benchmark_files.registry import PERFECT, WRITERS, write

__all__ = [
    "COLOURS",
    "LETTERS",
    "PERFECT",
    "SIZE",
    "WRITERS",
    "Files",
    "colour",
    "dump",
    "picture",
    "rows",
    "write",
]
