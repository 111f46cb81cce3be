"""CHAIR: which objects a caption names, and which of them are not in the image."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from eval.metrics.coco_objects import COCO_OBJECTS
from eval.metrics.singular import pattern_singular, singular_candidates
from eval.metrics.word_tokens import word_tokens

Synonyms = Mapping[str, Iterable[str]]
"""Class name → further words for it. The class name itself always counts."""

_ANIMALS = (
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "animal",
    "cub",
)
_PAIRS_KEPT = (
    "motor bike",
    "motor cycle",
    "air plane",
    "traffic light",
    "street light",
    "traffic signal",
    "stop light",
    "fire hydrant",
    "stop sign",
    "parking meter",
    "suit case",
    "sports ball",
    "baseball bat",
    "baseball glove",
    "tennis racket",
    "wine glass",
    "hot dog",
    "cell phone",
    "mobile phone",
    "teddy bear",
    "hair drier",
    "potted plant",
    "laptop computer",
    "home plate",
    "train track",
    "",
)
_OFFICIAL_PAIRS = {
    **{pair: pair for pair in _PAIRS_KEPT},
    **{f"{age} {animal}": animal for age in ("baby", "adult") for animal in _ANIMALS},
    "passenger jet": "jet",
    "passenger train": "train",
    "bow tie": "tie",
    "toilet seat": "toilet",
    "wine glas": "wine glass",
}
"""Two words → the word that they count as, after singularisation."""

_FIXED_PHRASES = {
    **_OFFICIAL_PAIRS,
    **{f"{kind} {animal}": animal for kind in ("young", "male", "female") for animal in _ANIMALS},
    "bus stop": "",
    "home plate": "",
    "seat of the toilet": "toilet",
    "train station": "",
    "train track": "",
    "zebra crossing": "",
}
"""Phrases that name something else than their words do; an empty one names none of the classes."""


class Chair:
    """Finds the objects that a caption names and checks them against those in the image.

    Args:
        synonyms: a table of classes and their words: a mapping, or a file in the authors' form (one class a
            line, ``class, synonym, synonym``); None takes our own table for the 80 COCO classes.
        mode: ``official`` does as the authors' script does (every word through ``pattern``'s singulariser, so
            that "bus" is lost; only the script's own two-word phrases), ``fixed`` looks up every phrase of
            the table, longest first, in singular or plural.

    Raises:
        ValueError: if the mode is unknown, the table is empty or one word belongs to two classes.

    Source: Rohrbach et al., Object Hallucination in Image Captioning; LisaAnne/Hallucination, utils/chair.py.
    """

    def __init__(self, synonyms: Synonyms | str | Path | None = None, mode: str = "official") -> None:
        if mode not in ("official", "fixed"):
            raise ValueError(f"mode must be 'official' or 'fixed', not {mode!r}")
        self.mode = mode
        rows = _rows(COCO_OBJECTS if synonyms is None else synonyms)
        if mode == "fixed":
            rows = [[_plain(word) for word in row] for row in rows]
        self._class_of = _class_of(rows)
        self.classes: tuple[str, ...] = tuple(row[0] for row in rows)
        self._longest = max(len(word.split()) for word in (*self._class_of, *_FIXED_PHRASES))

    def mentions(self, caption: str) -> list[tuple[str, str]]:
        """Every mention of a class in ``caption``, in order: (word as it was matched, class)."""
        return self._official(caption) if self.mode == "official" else list(self._fixed(caption))

    def objects(self, caption: str) -> list[str]:
        """Classes that ``caption`` names, in order, repeats kept."""
        return [name for _, name in self.mentions(caption)]

    def class_name(self, name: str) -> str:
        """The class that a category of an annotation file belongs to; unknown ones come back unchanged."""
        return self._class_of.get(name if self.mode == "official" else _plain(name), name)

    def score(self, caption: str, gt_objects: Iterable[str]) -> dict[str, Any]:
        """Compare the objects of one caption with those in the image.

        Args:
            caption: the generated description.
            gt_objects: classes in the image; CHAIR takes the instances' categories together with the classes
                that the reference captions name (see ``objects``).

        Returns:
            generated (classes named, in order, repeats kept), hallucinated ([word, class] of each mention
            that is not in the image), chair_i (share of mentions hallucinated, 0 where nothing is named)
            and chair_s (1 if any is hallucinated, else 0).
        """
        true = {self.class_name(name) for name in gt_objects}
        mentions = self.mentions(caption)
        wrong = [[word, name] for word, name in mentions if name not in true]
        return {
            "generated": [name for _, name in mentions],
            "hallucinated": wrong,
            "chair_i": len(wrong) / len(mentions) if mentions else 0.0,
            "chair_s": int(bool(wrong)),
        }

    def official_words(self, caption: str) -> list[str]:
        """Words of a caption as the authors' script sees them: singular, its two-word phrases joined."""
        words = [pattern_singular(token) for token in word_tokens(caption.lower())]
        joined: list[str] = []
        position = 0
        while position < len(words):
            pair = _OFFICIAL_PAIRS.get(" ".join(words[position : position + 2]))
            joined.append(words[position] if pair is None else pair)
            position += 1 if pair is None else 2
        if "toilet" in joined and "seat" in joined:
            return [word for word in joined if word != "seat"]
        return joined

    def _official(self, caption: str) -> list[tuple[str, str]]:
        return [(w, self._class_of[w]) for w in self.official_words(caption) if w in self._class_of]

    def _fixed(self, caption: str) -> Iterator[tuple[str, str]]:
        """Look up the longest phrase that starts at each word; the table goes before the phrase list."""
        tokens = word_tokens(caption.lower())
        position = 0
        while position < len(tokens):
            taken = 1
            for length in range(min(self._longest, len(tokens) - position), 0, -1):
                phrase = self._known(tuple(tokens[position : position + length]))
                if phrase is not None:
                    taken = length
                    if phrase in self._class_of:
                        yield phrase, self._class_of[phrase]
                    break
            position += taken

    def _known(self, words: Sequence[str]) -> str | None:
        """The table's form of a phrase ("" for one that names no class), or None if it is not known."""
        for last in singular_candidates(words[-1]):
            phrase = " ".join((*words[:-1], last))
            if phrase in self._class_of:
                return phrase
            if phrase in _FIXED_PHRASES:
                return _FIXED_PHRASES[phrase]
        return None


def _rows(synonyms: Synonyms | str | Path) -> list[list[str]]:
    """The table as rows of words, the class name first."""
    if isinstance(synonyms, Mapping):
        rows = [[name, *words] for name, words in synonyms.items()]
    else:
        rows = _read(str(synonyms))
    if not rows:
        raise ValueError("the table of object classes is empty")
    return rows


@lru_cache(maxsize=8)
def _read(path: str) -> list[list[str]]:
    """Rows of the authors' file. Only the line is stripped: a word after two spaces keeps one, and never
    matches."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [line.strip().split(", ") for line in lines if line.strip()]


def _class_of(rows: Iterable[Sequence[str]]) -> dict[str, str]:
    table: dict[str, str] = {}
    for row in rows:
        for word in row:
            if table.setdefault(word, row[0]) != row[0]:
                raise ValueError(f"the word {word!r} belongs to two classes, {table[word]!r} and {row[0]!r}")
    return table


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().lower()
