"""Printed capitals from a bitmap font of our own, so that words look the same with every font library."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from data_builders.miniworld.stencils import freeze

GLYPH_HEIGHT = 7
_GLYPHS = {
    "A": ".###. #...# #...# ##### #...# #...# #...#",
    "B": "####. #...# #...# ####. #...# #...# ####.",
    "C": ".###. #...# #.... #.... #.... #...# .###.",
    "D": "####. #...# #...# #...# #...# #...# ####.",
    "E": "##### #.... #.... ####. #.... #.... #####",
    "F": "##### #.... #.... ####. #.... #.... #....",
    "G": ".###. #...# #.... #.### #...# #...# .####",
    "H": "#...# #...# #...# ##### #...# #...# #...#",
    "I": "### .#. .#. .#. .#. .#. ###",
    "J": "..### ...#. ...#. ...#. ...#. #..#. .##..",
    "K": "#...# #..#. #.#.. ##... #.#.. #..#. #...#",
    "L": "#.... #.... #.... #.... #.... #.... #####",
    "M": "#...# ##.## #.#.# #.#.# #...# #...# #...#",
    "N": "#...# ##..# #.#.# #.#.# #.#.# #..## #...#",
    "O": ".###. #...# #...# #...# #...# #...# .###.",
    "P": "####. #...# #...# ####. #.... #.... #....",
    "Q": ".###. #...# #...# #...# #.#.# #..#. .##.#",
    "R": "####. #...# #...# ####. #.#.. #..#. #...#",
    "S": ".#### #.... #.... .###. ....# ....# ####.",
    "T": "##### ..#.. ..#.. ..#.. ..#.. ..#.. ..#..",
    "U": "#...# #...# #...# #...# #...# #...# .###.",
    "V": "#...# #...# #...# #...# #...# .#.#. ..#..",
    "W": "#...# #...# #...# #.#.# #.#.# ##.## #...#",
    "X": "#...# #...# .#.#. ..#.. .#.#. #...# #...#",
    "Y": "#...# #...# .#.#. ..#.. ..#.. ..#.. ..#..",
    "Z": "##### ....# ...#. ..#.. .#... #.... #####",
}


@lru_cache(maxsize=512)
def word_stencil(word: str, letter_height: int) -> NDArray[np.uint8]:
    """The opacity of a word in capitals, without any margin.

    Args:
        word: letters a to z.
        letter_height: pixels.

    Returns:
        (letter_height, width) opacity, 0 to 255; read-only.
    """
    rows = [[int(dot == "#") for dot in line] for line in _bitmap(word)]
    dots = np.array(rows, dtype=np.int64)
    # Enlarge by letter_height / 7 with exact box filtering: repeat, then average blocks of 7.
    fine = dots.repeat(letter_height, axis=0).repeat(letter_height, axis=1)
    spare = -fine.shape[1] % GLYPH_HEIGHT
    fine = np.pad(fine, ((0, 0), (0, spare)))
    blocks = fine.reshape(letter_height, GLYPH_HEIGHT, fine.shape[1] // GLYPH_HEIGHT, GLYPH_HEIGHT)
    opacity = (blocks.sum(axis=(1, 3)) * 255 // GLYPH_HEIGHT**2).astype(np.uint8)
    return freeze(opacity)


def _bitmap(word: str) -> list[str]:
    glyphs = [_GLYPHS[letter].split() for letter in word.upper()]
    return [".".join(glyph[row] for glyph in glyphs) for row in range(GLYPH_HEIGHT)]
