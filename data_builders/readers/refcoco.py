"""RefCOCO's referring expressions: a pickle of plain values, opened without running what it might hold.

Source: the ``refs(google|unc|umd).p`` files and the keys that their own reader uses.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_builders.problems import Problem, Report
from data_builders.readers.coco_objects import Found
from data_builders.readers.fields import RowError, first_of, id_of, row_name, rows_of, text_of
from data_builders.readers.places import Places, key_of
from data_builders.scenes import Region
from mmtune.errors import UserError

PICKLES = (".p", ".pkl", ".pickle")


@dataclass(frozen=True, slots=True)
class _Expression:
    id: str
    phrase: str
    object_id: str
    split: str
    row: str
    path: str


@dataclass(slots=True)
class Referring:
    """Expressions by the key of their image."""

    by_image: dict[int, list[_Expression]] = field(default_factory=dict)

    def regions(self, image: int, found: Found, report: Report) -> tuple[Region, ...]:
        """The expressions about an image's objects, with their boxes."""
        regions = []
        for item in self.by_image.get(image, ()):
            if item.object_id not in found.objects:
                reason = f"it refers to annotation {item.object_id}, which its image does not have"
                report(Problem(item.row, reason, item.path))
                continue
            box = found.objects[item.object_id].box_xyxy
            regions.append(Region(item.id, item.phrase, box, (item.object_id,)))
        return tuple(regions)

    def splits(self, image: int) -> dict[str, str]:
        """Region id -> the benchmark's split, so that test expressions can be kept out of training."""
        return {item.id: item.split for item in self.by_image.get(image, ()) if item.split}

    def report_strangers(self, images: Places, report: Report) -> None:
        """Report expressions about images that no file lists."""
        known = set(images.images()) if self.by_image else set()
        for image in [key for key in self.by_image if key not in known]:
            for item in self.by_image.pop(image):
                report(Problem(item.row, f"it points to image {image}, which no file lists", item.path))


def read_refs(path: Path, referring: Referring, report: Report) -> None:
    """Add the expressions of a file.

    Raises:
        UserError: if it cannot be read, is no list of references, or asks to run code.
    """
    try:
        with path.open("rb") as file:
            # The files were written by Python 2, whose byte strings are Latin-1 at best.
            refs = _PlainUnpickler(file, encoding="latin-1").load()
    except OSError as error:
        raise UserError(f"the references cannot be read: {error.strerror or error}", str(path)) from error
    except UserError:
        raise
    except Exception as error:  # A damaged pickle raises errors of every kind.
        raise UserError(
            f"the references are no whole pickle: {error}", str(path), "fetch it again"
        ) from error
    if not isinstance(refs, list):
        raise UserError("the pickle is no list of references", str(path), "give a refs(...).p of RefCOCO")
    seen = set()
    for index, ref in enumerate(refs):
        name = row_name("reference", ref, "ref_id", index=index)
        try:
            if not isinstance(ref, Mapping):
                raise RowError("it is not an object")
            image, object_id = key_of(id_of(ref, "image_id")), id_of(ref, "ann_id")
            split = str(ref.get("split") or "")
            sentences = rows_of(ref.get("sentences"), "sentences")
            if not sentences:
                raise RowError("it has no sentences")
        except RowError as error:
            report(Problem(name, error.reason, str(path)))
            continue
        for number, sentence in enumerate(sentences):
            try:
                if not isinstance(sentence, Mapping):
                    raise RowError("a sentence is not an object")
                phrase = text_of(first_of(sentence, "sent", "raw"), "sentence")
                region = str(sentence.get("sent_id", f"{ref.get('ref_id', index)}-{number}"))
                if region in seen:
                    raise RowError(f"the id {region} of its sentence is that of an earlier one")
            except RowError as error:
                report(Problem(name, error.reason, str(path)))
                continue
            seen.add(region)
            item = _Expression(region, phrase, object_id, split, name, str(path))
            referring.by_image.setdefault(image, []).append(item)


class _PlainUnpickler(pickle.Unpickler):
    """Builds lists, dicts, texts and numbers, and nothing that has a name."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuse: whatever has to be looked up could be a function that does harm."""
        raise UserError(
            f"the pickle asks for {module}.{name}, and references need no such thing",
            fix="do not open this file elsewhere before you know who made it",
        )
