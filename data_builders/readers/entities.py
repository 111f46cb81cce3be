"""Flickr30k Entities: the phrases of captions, and the boxes that they mean.

Source: the ``Sentences`` and ``Annotations`` folders of the release; an entity's number joins the two. That
its corners are counted from 1 is told by the release's own reader, which takes 1 off each.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from data_builders.problems import Problem, Report
from data_builders.readers.fields import RowError, box_of, text_of
from data_builders.readers.lines import stream_lines
from data_builders.scenes import Region, SceneObject

_PHRASE = re.compile(r"\[/EN#(?P<entity>\d+)/(?P<kinds>[^ \]]+) (?P<words>[^\]]*)\]")
_MAX_XML = 1 << 20
_ONE_OF = {
    "people": "person",
    "animals": "animal",
    "vehicles": "vehicle",
    "instruments": "instrument",
    "clothing": "piece of clothing",
    "bodyparts": "body part",
}
"""What one of several boxes of a phrase holds, by the kind that the release gives the phrase."""


@dataclass(frozen=True, slots=True)
class Annotated:
    """What Entities says about one image.

    Args:
        size: (width, height) in pixels; (0, 0) where it is not told.
    """

    size: tuple[int, int]
    captions: tuple[str, ...]
    objects: tuple[SceneObject, ...]
    regions: tuple[Region, ...]


class Entities:
    """The folder of Flickr30k Entities.

    Args:
        folder: with ``Sentences`` and ``Annotations`` in it.
        report: told of what is left out.
    """

    def __init__(self, folder: Path, report: Report) -> None:
        self.folder = folder
        self._report = report

    def stems(self) -> Iterator[str]:
        """The images that have sentences."""
        yield from sorted(path.stem for path in (self.folder / "Sentences").glob("*.txt"))

    def read(self, stem: str) -> Annotated:
        """What the folder says about an image.

        Raises:
            RowError: if a file of it is missing or malformed.
        """
        size, boxes = self._boxes(stem)
        captions, phrases = self._sentences(stem)
        names: dict[str, str] = {}
        counts = Counter(entity for entity, _ in boxes)
        for entity, words, _, kind in phrases:
            # "Two guys" have two boxes, and neither of them is two guys.
            names.setdefault(entity, words.lower() if counts[entity] == 1 else _ONE_OF.get(kind, "thing"))
        objects: list[SceneObject] = []
        of_entity: dict[str, list[SceneObject]] = {}
        for number, (entity, box) in enumerate(boxes):
            item = SceneObject(f"e{number}", names.get(entity, "thing"), box, source={"entity": entity})
            objects.append(item)
            of_entity.setdefault(entity, []).append(item)
        regions = []
        for entity, words, place, _ in phrases:
            meant = of_entity.get(entity)
            if not meant:
                # "nobox" and "scene": a phrase about what has no place.
                continue
            whole = [item.box_xyxy for item in meant]
            left, top = min(box[0] for box in whole), min(box[1] for box in whole)
            right, bottom = max(box[2] for box in whole), max(box[3] for box in whole)
            ids = tuple(item.id for item in meant)
            regions.append(Region(place, words, (left, top, right, bottom), ids))
        return Annotated(size, captions, tuple(objects), tuple(regions))

    def _sentences(self, stem: str) -> tuple[tuple[str, ...], list[tuple[str, str, str, str]]]:
        """Captions without marks, and (entity, words, place, kind) of each phrase in them."""
        path = self.folder / "Sentences" / f"{stem}.txt"
        if not path.is_file():
            raise RowError("it has no sentences in Flickr30k Entities")
        captions, phrases = [], []
        for number, line in stream_lines(path, self._report):
            try:
                captions.append(text_of(_PHRASE.sub(lambda found: found["words"], line), "caption"))
            except RowError as error:
                self._report(Problem(f"line {number}", error.reason, str(path)))
                continue
            for index, found in enumerate(_PHRASE.finditer(line)):
                if found["words"].strip():
                    kind = found["kinds"].partition("/")[0]
                    phrases.append((found["entity"], found["words"].strip(), f"s{number}p{index}", kind))
        return tuple(captions), phrases

    def _boxes(
        self, stem: str
    ) -> tuple[tuple[int, int], list[tuple[str, tuple[float, float, float, float]]]]:
        path = self.folder / "Annotations" / f"{stem}.xml"
        if not path.is_file():
            raise RowError("it has no boxes in Flickr30k Entities")
        if path.stat().st_size > _MAX_XML:
            raise RowError("its annotation is larger than a megabyte")
        try:
            root = ElementTree.parse(path).getroot()
            size = int(root.findtext("size/width", "0")), int(root.findtext("size/height", "0"))
        except (ElementTree.ParseError, ValueError) as error:
            raise RowError(f"its annotation is malformed: {error}") from error
        found = []
        for number, item in enumerate(root.iter("object")):
            corners = item.find("bndbox")
            if corners is None:
                continue
            try:
                texts = [corners.findtext(side, "") for side in ("xmin", "ymin", "xmax", "ymax")]
                left, top, right, bottom = (float(text) for text in texts)
                # Pixels are counted from 1, and the last one belongs to the box.
                box, _ = box_of([left - 1, top - 1, right, bottom], "xyxy", size)
            except (RowError, ValueError) as error:
                self._report(Problem(f"image {stem}, object number {number}", str(error), str(path)))
                continue
            found += [(entity.text or "", box) for entity in item.iter("name")]
        return size, found
