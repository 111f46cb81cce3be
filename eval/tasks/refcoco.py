"""RefCOCO, RefCOCO+ and RefCOCOg: find what an expression refers to."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from eval.answer_files import add_answer, of_a_run
from eval.json_files import read_json
from eval.metrics.intervals import Array, Totals, ratio
from eval.metrics.iou import NO_BOX, center_inside, iou, parse_box, parse_box_pairs
from eval.row_files import read_rows_of_any
from eval.tasks.accuracy import AccuracyTask
from eval.tasks.base import Counts, Item
from eval.tasks.official_files import check_unique, fields, section
from eval.tasks.published import Published
from mmtune.errors import UserError
from mmtune.wording import counted

_MODES = ("image", "padded", "thousandths")
_IDS = ("sent_id", "question_id", "id")


class RefCoco(AccuracyTask):
    """A folder with ``refs(unc).p`` (or umd, google) and ``instances.json``; one item an expression.

    The split is ``val`` unless ``split=`` names another. A reply is a box ``[x1, y1, x2, y2]`` in shares of
    the image (``mode=image``, the default), of the image padded to a square (``mode=padded``, what models
    see that were trained so), or ``(x1,y1),(x2,y2)`` in thousandths (``mode=thousandths``, Qwen-VL's form).
    ``accuracy`` asks for an overlap of a half; a reply without a box is wrong and ``unparsed``.

    Source: lichengunc/refer for the files; there is no official script for boxes.
    """

    takes = ("split", "mode")
    title = "RefCOCO/+/g: the box of what an expression refers to"
    published = Published(
        "annotations: see its page; images under Flickr's terms",
        "10,834 expressions (RefCOCO val)",
        "1,500 of COCO train2014",
        "train2014 has 13 GB",
        "https://github.com/lichengunc/refer",
    )
    default_prompt = "box"
    default_max_new_tokens = 64
    answer_ids = _IDS
    answer_texts = ("answer", "prediction", "text", "response", "box")

    def load(self) -> list[Item]:
        mode = self.config.mode or "image"
        if mode not in _MODES:
            raise UserError(f"RefCOCO has no mode {mode!r}", fix=f"the modes are {', '.join(_MODES)}")
        folder = self.annotations
        refs, instances = _find(folder)
        boxes, sizes = _instances(instances)
        items = []
        split = self.config.split or "val"
        for number, ref in enumerate(_plain_pickle(refs), start=1):
            ann_id, image_id, of, sentences = fields(
                ref, ("ann_id", "image_id", "split", "sentences"), refs, number
            )
            if of != split:
                continue
            if ann_id not in boxes or image_id not in sizes:
                raise UserError(
                    f"Reference {number} names annotation {ann_id}, which is not there", str(instances)
                )
            name, width, height = sizes[image_id]
            for sentence in sentences:
                identity, text = fields(sentence, ("sent_id", "sent"), refs, number)
                truth = {"box": boxes[ann_id], "size": (width, height)}
                items.append(Item(str(identity), name, text, truth, {}, identity))
        if not items:
            raise UserError(f"No reference is of the split {split!r}", str(refs), "name another with split=")
        check_unique(items, refs)
        return items

    def read_answers(self, path: Path, items: Any) -> dict[str, str]:
        """By sentence; a box may also stand there as a list of numbers, which is written out."""
        answers: dict[str, str] = {}
        rows = read_rows_of_any(path)
        if of_a_run(rows):
            return super().read_answers(path, items)
        for row in rows:
            identity = next((row[name] for name in _IDS if name in row), None)
            if identity is None:
                return super().read_answers(path, items)
            value = next((row[name] for name in self.answer_texts if name in row), None)
            if isinstance(value, list) and all(isinstance(n, int | float) for n in value):
                value = json.dumps(value)
            add_answer(answers, str(identity), value, path)
        return answers

    def value(self, answer: str, item: Item) -> float | None:
        box = self._box(answer, item)
        if box == NO_BOX:
            return None
        overlap = iou(box, item.truth["box"])
        return float(overlap is not None and overlap >= 0.5)

    def counts_beside(self, answer: str, item: Item, value: float) -> Counts:
        box = self._box(answer, item)
        return {
            "iou": max(0.0, iou(box, item.truth["box"]) or 0.0),
            "centre": float(box != NO_BOX and center_inside(box, item.truth["box"])),
        }

    def metrics_beside(self, totals: Totals) -> dict[str, Array]:
        return {
            "mean_iou": ratio(totals["iou"], totals["items"]),
            "centre_inside": ratio(totals["centre"], totals["items"]),
        }

    def truth_text(self, item: Item) -> str:
        width, height = item.truth["size"]
        x1, y1, x2, y2 = item.truth["box"]
        return f"[{x1 / width:.3f}, {y1 / height:.3f}, {x2 / width:.3f}, {y2 / height:.3f}]"

    def _box(self, answer: str, item: Item) -> tuple[float, float, float, float]:
        """The box of a reply in pixels."""
        width, height = item.truth["size"]
        mode = self.config.mode or "image"
        x1, y1, x2, y2 = parse_box_pairs(answer) if mode == "thousandths" else parse_box(answer)
        if (x1, y1, x2, y2) == NO_BOX:
            return NO_BOX
        if mode == "padded":
            side = max(width, height)
            left, top = (side - width) / 2, (side - height) / 2
            return x1 * side - left, y1 * side - top, x2 * side - left, y2 * side - top
        return x1 * width, y1 * height, x2 * width, y2 * height


def _find(folder: Path) -> tuple[Path, Path]:
    if not folder.is_dir():
        raise UserError("RefCOCO is a folder of two files", str(folder), "give the folder with refs(...).p")
    refs = sorted(folder.glob("refs(*).p"))
    if len(refs) != 1 or not (folder / "instances.json").exists():
        raise UserError(
            f"This folder has {counted(len(refs), 'file')} refs(...).p"
            if len(refs) != 1
            else "There is no instances.json",
            str(folder),
            "give a folder with one refs(...).p and instances.json",
        )
    return refs[0], folder / "instances.json"


def _instances(path: Path) -> tuple[dict[int, tuple[float, ...]], dict[int, tuple[str, int, int]]]:
    """Boxes by annotation in corners, and file name, width and height by image."""
    file = read_json(path)
    boxes: dict[int, tuple[float, ...]] = {}
    for number, row in enumerate(section(file, "annotations", path), start=1):
        identity, (x, y, width, height) = fields(row, ("id", "bbox"), path, number)
        boxes[identity] = (x, y, x + width, y + height)
    sizes = {}
    for number, row in enumerate(section(file, "images", path), start=1):
        identity, name, width, height = fields(row, ("id", "file_name", "width", "height"), path, number)
        sizes[identity] = (name, width, height)
    return boxes, sizes


class _PlainUnpickler(pickle.Unpickler):
    """Opens pickles of plain values only, so that a file cannot run anything."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it holds a {module}.{name}, not plain values")


def _plain_pickle(path: Path) -> list[Mapping[str, Any]]:
    try:
        with path.open("rb") as file:
            value = _PlainUnpickler(file, encoding="latin-1").load()
    except OSError as error:
        raise UserError(
            f"The file cannot be read: {error.strerror or error}", str(path), "check the path"
        ) from error
    except Exception as error:
        raise UserError(
            f"The pickle cannot be read: {error}", str(path), "give RefCOCO's own file"
        ) from error
    if not isinstance(value, list):
        raise UserError("The pickle is no list of references", str(path), "give RefCOCO's own file")
    return value
