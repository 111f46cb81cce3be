"""The contact sheet: held-out images with what was asked, answered and true."""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from mmtune.errors import UserError
from mmtune.images.loading import load_image

_SIDE = 256
"""Longest side of an embedded image in pixels."""
_ANSWERS = 6
"""Answers shown with an image."""

Row = Mapping[str, Any]
"""A row of ``predictions.jsonl``."""


@dataclass(frozen=True)
class Card:
    """One image with some of its answers."""

    image: str
    """A data URL."""
    name: str
    rows: tuple[Row, ...]
    more_right: int
    """Answers that are not shown; all of them right."""
    more_wrong: int

    @property
    def wrong(self) -> bool:
        """Whether any answer about the image is wrong, shown or not."""
        return self.more_wrong > 0 or not all(row["right"] for row in self.rows)


@dataclass(frozen=True)
class ContactSheet:
    """Cards, and how they were chosen."""

    cards: tuple[Card, ...]
    images: int
    """Images that could have been chosen."""
    with_wrong: int
    """Of those, images with a wrong answer."""


def contact_sheet(
    rows: Iterable[Row], folders: Mapping[str, str], count: int = 24, seed: int = 0
) -> ContactSheet:
    """Choose images at random: half of them with a wrong answer, half without, as far as there are.

    Args:
        rows: rows of ``predictions.jsonl``; blind ones, failed ones and those that wait for a judge are left
            out.
        folders: task → image folder.
        count: cards at most.
        seed: seed of the choice.
    """
    by_image: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if not row["blind"] and row.get("right") is not None and row["task"] in folders:
            by_image.setdefault((folders[row["task"]], row["image"]), []).append(row)
    flawed = [key for key, group in by_image.items() if not all(row["right"] for row in group)]
    with_wrong = set(flawed)
    flawless = [key for key in by_image if key not in with_wrong]
    random.Random(seed).shuffle(flawed)
    random.Random(seed).shuffle(flawless)
    some_flawed = flawed[: max(count // 2, count - len(flawless))]
    chosen = [*some_flawed, *flawless[: count - len(some_flawed)]]
    random.Random(seed).shuffle(chosen)
    cards = (_card(key, by_image[key]) for key in chosen)
    return ContactSheet(tuple(card for card in cards if card), len(by_image), len(flawed))


def thumbnail(image: Image.Image) -> str:
    """A small copy as a data URL: PNG where that is no larger than JPEG, as for drawings."""
    small = image.copy()
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    encoded = []
    for kind, options in (("PNG", {"optimize": True}), ("JPEG", {"quality": 85})):
        buffer = io.BytesIO()
        small.save(buffer, kind, **options)
        encoded.append((len(buffer.getvalue()), kind.lower(), buffer.getvalue()))
    _, kind, data = min(encoded)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _card(key: tuple[str, str], rows: Sequence[Row]) -> Card | None:
    folder, name = key
    try:
        image = load_image(Path(folder), name)
    except UserError:  # it was there during the run and is not any more: the sheet can do without it
        return None
    # POPE's splits share questions: what was asked and answered alike stands here once.
    distinct = list({(row["question"], row["prediction"], row["right"]): row for row in rows}.values())
    shown = _some(distinct)
    rest = [row for row in distinct if row not in shown]
    wrong = sum(not row["right"] for row in rest)
    return Card(thumbnail(image), name, tuple(shown), len(rest) - wrong, wrong)


def _some(rows: Sequence[Row]) -> list[Row]:
    """A few answers of an image: wrong ones before right ones, of as many tasks as possible; short ones
    first."""
    wrong = [row for row in rows if not row["right"]]
    right = [row for row in rows if row["right"]]
    picked = [*_spread(wrong)[: _ANSWERS - 2], *_spread(right)][:_ANSWERS]
    return sorted(picked, key=lambda row: len(row["prediction"]))


def _spread(rows: Sequence[Row]) -> list[Row]:
    """The first row of each task, then the second of each, and so on."""
    turn: dict[str, int] = {}
    order = []
    for row in rows:
        turn[row["task"]] = turn.get(row["task"], 0) + 1
        order.append(turn[row["task"]])
    return [rows[i] for i in sorted(range(len(rows)), key=lambda i: order[i])]
