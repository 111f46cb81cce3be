"""Every sample of a run or a comparison, packed for the page that shows and filters them offline.

The samples are compact JSON, compressed, in the page itself; of the images, as many thumbnails as fit. What
does not fit is left out by a fixed draw, and the page says how much.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from eval.report.samples import Row
from mmtune.errors import UserError
from mmtune.images.loading import load_image

RIGHT, UNPARSED, FAILED, UNSCORED, CUT = 1, 2, 4, 8, 16
"""What a reply is; the page's script knows the same numbers."""

_UNREAD = ("unparsed", "neither")
"""Counts that tell of a reply which could not be read."""


@dataclass(frozen=True)
class Limits:
    """How much goes into one page: together under 20 MB."""

    samples_bytes: int = 9_000_000
    """Compressed; a third more in the page."""
    text: int = 2_000
    """Characters of a question, truth or reply."""
    images: int = 300
    images_bytes: int = 2_500_000
    """In the page."""
    side: int = 160
    """Longest side of a thumbnail in pixels."""


@dataclass(frozen=True)
class Reply:
    """What a run said to an item."""

    text: str
    flags: int
    submitted: str = ""
    """As it goes into answer files, where that is another text."""


@dataclass(frozen=True)
class Sample:
    """An item with the replies of each model's runs."""

    task: str
    id: str
    image: str
    question: str
    truth: str
    kinds: tuple[str, ...]
    """As ``question type: how many``."""
    replies: tuple[tuple[Reply, ...], ...]

    @property
    def telling(self) -> bool:
        """Whether its image is wanted first: a reply is wrong, or models differ."""
        flags = [reply.flags & RIGHT for model in self.replies for reply in model]
        return not all(flags)


@dataclass(frozen=True)
class Browse:
    """The section of a page that shows samples."""

    samples: str
    """Compressed JSON as base64."""
    thumbnails: str
    """JSON list of data URLs without their ``data:``."""
    shown: int
    total: int
    images_shown: int
    images: int
    cut: int
    """Characters beyond which texts are cut, if any is; else 0."""


def samples_of_rows(rows: Iterable[Row]) -> Iterator[Sample]:
    """The samples of a run from its ``predictions.jsonl``; those of the blind baseline are left out."""
    for row in rows:
        if row.get("blind") or "task" not in row or "id" not in row:
            continue
        beside = {
            "images": len(row.get("images", ())),
            "earlier turns": len(row.get("history", ())),
        }
        kinds = tuple(
            f"{name}: {kind}" for name, kind in [*(row.get("kinds") or {}).items(), *beside.items()] if kind
        )
        reply = reply_of(
            row.get("counts"), str(row.get("error", row.get("prediction", ""))), right=bool(row.get("right"))
        )
        if row.get("submitted") is not None:
            reply = Reply(reply.text, reply.flags, str(row["submitted"]))
        image, question, truth = (str(row.get(name, "")) for name in ("image", "question", "truth"))
        yield Sample(str(row["task"]), str(row["id"]), image, question, truth, kinds, ((reply,),))


def reply_of(counts: Mapping[str, float] | None, text: str, *, right: bool) -> Reply:
    """A reply with its flags.

    Args:
        counts: of its row; None where the item failed, and then ``text`` is the reason.
        text: as generated.
        right: whether it counts as right.
    """
    if counts is None:
        return Reply(text, FAILED)
    if set(counts) <= {
        "items",
        "captions",
    }:  # the benchmark keeps the truth to itself, or a judge has to mark
        return Reply(text, UNSCORED)
    unread = UNPARSED if any(counts.get(name) for name in _UNREAD) else 0
    return Reply(text, (RIGHT if right else 0) | unread)


def pack(
    samples: Sequence[Sample],
    models: Sequence[str],
    folders: Mapping[str, str],
    limits: Limits | None = None,
    seed: int = 0,
) -> Browse:
    """Pack samples for the page.

    Args:
        samples: in the order in which they are shown.
        models: names, as many as each sample has replies.
        folders: task → image folder; images that are not there are left out.
        limits: how much goes in.
        seed: of the draw where not all fit.
    """
    limits = limits or Limits()
    kept = list(samples)
    thumbnails = _thumbnails(kept, folders, limits, seed)
    while True:
        value, cut = _value(kept, models, folders, thumbnails, limits.text)
        packed = gzip.compress(
            json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace"),
            compresslevel=6,
            mtime=0,
        )
        if len(packed) <= limits.samples_bytes or not kept:
            break
        fewer = int(len(kept) * min(0.9, 0.95 * limits.samples_bytes / len(packed)))
        kept = [kept[i] for i in sorted(random.Random(seed).sample(range(len(kept)), fewer))]
    return Browse(
        base64.b64encode(packed).decode(),
        json.dumps(list(thumbnails.values())),
        len(kept),
        len(samples),
        len(thumbnails),
        len({_place(sample, folders) for sample in samples if sample.image}),
        limits.text if cut else 0,
    )


def _value(
    samples: Sequence[Sample],
    models: Sequence[str],
    folders: Mapping[str, str],
    thumbnails: Mapping[tuple[str, str], str],
    longest: int,
) -> tuple[dict[str, Any], bool]:
    """What the page's script reads, and whether a text was cut."""
    tasks: dict[str, int] = {}
    kinds: dict[str, int] = {}
    images: dict[tuple[str, str], int] = {}
    drawn = {place: number for number, place in enumerate(thumbnails)}
    cut = False

    def short(text: str) -> str:
        nonlocal cut
        cut = cut or len(text) > longest
        return text if len(text) <= longest else text[:longest]

    def coded(reply: Reply) -> list[Any]:
        flags = reply.flags | (CUT if len(reply.text) > longest else 0)
        other = [short(reply.submitted)] if reply.submitted and reply.submitted != reply.text else []
        return [short(reply.text), flags, *other]

    rows = [
        [
            tasks.setdefault(one.task, len(tasks)),
            one.id,
            images.setdefault(_place(one, folders), len(images)) if one.image else -1,
            short(one.question),
            short(one.truth),
            [kinds.setdefault(kind, len(kinds)) for kind in one.kinds],
            [[coded(reply) for reply in model] for model in one.replies],
        ]
        for one in samples
    ]
    return {
        "models": list(models),
        "tasks": list(tasks),
        "kinds": list(kinds),
        "images": [[name, drawn.get((folder, name), -1)] for folder, name in images],
        "rows": rows,
    }, cut


def _thumbnails(
    samples: Sequence[Sample], folders: Mapping[str, str], limits: Limits, seed: int
) -> dict[tuple[str, str], str]:
    """(folder, name) → data URL without ``data:``, images with a wrong answer first, drawn at random."""
    first = dict.fromkeys(_place(one, folders) for one in samples if one.image and one.telling)
    rest = dict.fromkeys(_place(one, folders) for one in samples if one.image)
    order: list[tuple[str, str]] = []
    for places in ([*first], [place for place in rest if place not in first]):
        random.Random(seed).shuffle(places)
        order += places
    found: dict[tuple[str, str], str] = {}
    left = limits.images_bytes
    for folder, name in order[: 2 * limits.images]:
        if len(found) == limits.images:
            break
        if not folder:
            continue
        try:
            url = _thumbnail(load_image(Path(folder), name), limits.side)
        except (UserError, OSError):  # it is not there any more, or not on this machine
            continue
        if len(url) > left:
            break
        left -= len(url)
        found[folder, name] = url
    return found


def _thumbnail(image: Image.Image, side: int) -> str:
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)  # hundreds of them: the smallest PNG takes too long to find
    return f"image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _place(sample: Sample, folders: Mapping[str, str]) -> tuple[str, str]:
    return folders.get(sample.task, ""), sample.image
