"""COCO's annotation files: which classes are in each image, and how people described it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eval.json_files import read_json
from eval.tasks.official_files import fields, section
from mmtune.errors import UserError


@dataclass
class CocoImage:
    """One image of COCO's files."""

    id: int
    file_name: str
    categories: list[str] = field(default_factory=list)
    """Category of each instance, repeats kept."""
    captions: list[str] = field(default_factory=list)


def read_coco(paths: Sequence[Path]) -> tuple[dict[int, CocoImage], list[str]]:
    """Join instance and caption files, told apart by content.

    Args:
        paths: annotation files, or folders with ``instances_*.json`` and ``captions_*.json`` in them.

    Returns:
        Images by id, in the order of the files, and the category names.

    Raises:
        UserError: if a file is malformed, or none of them has instances.
    """
    images: dict[int, CocoImage] = {}
    categories: dict[int, str] = {}
    for path in _files(paths):
        content = read_json(path)
        for number, row in enumerate(section(content, "images", path), start=1):
            image_id, file_name = fields(row, ("id", "file_name"), path, number)
            images.setdefault(image_id, CocoImage(image_id, file_name))
        names = {row["id"]: row["name"] for row in content.get("categories", [])}
        categories |= names
        for number, row in enumerate(section(content, "annotations", path), start=1):
            (image_id,) = fields(row, ("image_id",), path, number)
            if image_id not in images:
                raise UserError(f"Annotation {number} is of image {image_id}, which is not listed", str(path))
            if "caption" in row:
                images[image_id].captions.append(row["caption"])
            elif row.get("category_id") in names:
                images[image_id].categories.append(names[row["category_id"]])
            else:
                raise UserError(f"Annotation {number} has neither a caption nor a known category", str(path))
    if not categories:
        raise UserError(
            "There are no instances among the annotation files",
            ", ".join(str(path) for path in paths),
            "give the folder that has both instances_*.json and captions_*.json",
        )
    return images, list(dict.fromkeys(categories.values()))


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted((*path.glob("instances_*.json"), *path.glob("captions_*.json")))
            if not inside:
                raise UserError("There are no instances_*.json or captions_*.json here", str(path))
            found += inside
        else:
            found.append(path)
    return found
