"""COCO instances and captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_builders.miniworld.formats.outlines import segmentation
from data_builders.miniworld.vocabulary import CLASSES, SUPERCATEGORIES
from data_builders.scenes import Scene

CATEGORY_IDS = {name: number for number, name in enumerate(CLASSES, start=1)}
_MOST_PER_IMAGE = 10

Row = dict[str, Any]


def image_row(scene: Scene, image_id: int, file_name: str) -> Row:
    """The entry of an image, for both files."""
    row: Row = {"id": image_id, "file_name": file_name, "width": scene.width, "height": scene.height}
    return row | {"license": 1}


def instance_rows(scene: Scene, image_id: int, masks: Mapping[str, NDArray[np.bool_]]) -> list[Row]:
    """One annotation an object: the visible pixels, their box as x, y, width, height, and their number."""
    rows = []
    for number, item in enumerate(scene.objects):
        x0, y0, x1, y1 = item.box_xyxy
        row: Row = {"id": image_id * _MOST_PER_IMAGE + number, "image_id": image_id}
        row |= {"category_id": CATEGORY_IDS[item.name], "iscrowd": 0}
        row |= {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": int(masks[item.id].sum())}
        rows.append(row | {"segmentation": segmentation(masks[item.id])})
    return rows


def caption_rows(captions: Sequence[str], image_id: int) -> list[Row]:
    """One annotation a caption."""
    return [
        {"id": image_id * _MOST_PER_IMAGE + number, "image_id": image_id, "caption": caption}
        for number, caption in enumerate(captions)
    ]


def instances_head(info: Row) -> Row:
    """What stands in an instance file beside images and annotations."""
    categories = [
        {"id": number, "name": name, "supercategory": SUPERCATEGORIES[name]}
        for name, number in CATEGORY_IDS.items()
    ]
    return {"info": info, "licenses": _licences(), "categories": categories}


def captions_head(info: Row) -> Row:
    """What stands in a caption file beside images and annotations."""
    return {"info": info, "licenses": _licences()}


def _licences() -> list[Row]:
    return [{"id": 1, "name": "CC0-1.0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}]
