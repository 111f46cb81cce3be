"""Pixels of the policies ``square`` and ``pad`` against LLaVA's ``process_images`` with CLIP's 336-pixel processor.

Every row that the reference loads as RGB must give the very same 8-bit pixels, apart from ``DEVIATIONS``.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mmtune.images.geometry import ViewGeometry, ViewTokens
from mmtune.images.loading import load_image
from mmtune.images.policies import ImagePolicy, get_policy

IMAGES = Path(__file__).parents[1] / "golden" / "images"

DEVIATIONS = {
    ("rgb_1x1.png", "pad"): "the reference crashes: it takes an image of height 1 for channels first",
    ("rgb_1x1.png", "square"): "the reference crashes: it takes an image of height 1 for channels first",
    ("rgb_7x3.png", "square"): "the reference scrambles an image of height 3: it takes it for channels first",
    ("i16_200x120.png", "pad"): "the reference clips 16-bit grey at 255, which leaves a white page",
}
"""Rows on which mmtune differs on purpose. Beyond these, mmtune turns EXIF-rotated photographs upright (see
``test_rotated_photographs_are_turned_upright``) and never hands an image to a policy without making it RGB, so
that the rows with ``load: raw`` (a crash or wrong padding colours for most modes) have no counterpart."""


def _rows() -> list[dict[str, Any]]:
    with gzip.open(IMAGES / "square_pad.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


ROWS = [row for row in _rows() if row["load"] == "rgb"]
GEOMETRY = ViewGeometry(size=336, patch=14)


def _policy(name: str) -> ImagePolicy:
    return get_policy(name, GEOMETRY, ViewTokens(576, GEOMETRY.grid))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['file']}-{row['image_aspect_ratio']}")
def test_pixels_are_those_of_the_reference(row: dict[str, Any]) -> None:
    policy = _policy(row["image_aspect_ratio"])
    image = load_image(IMAGES, row["file"], orientation="ignore")
    if (row["file"], row["image_aspect_ratio"]) in DEVIATIONS:
        assert tuple(policy.prepare(image).shape) == (1, 3, 336, 336)
        return
    views = policy.views(image)
    digests = {row["sha256_uint8"], (row.get("pillow13") or row)["sha256_uint8"]}
    assert hashlib.sha256(views.numpy().tobytes()).hexdigest() in digests
    pixels = policy.prepare(image)[0]
    for expected in row["pixels"]:
        got = pixels[:, expected["y"], expected["x"]].tolist()
        assert got == pytest.approx(expected["rgb"], abs=1e-5)


def test_each_deviation_is_still_one() -> None:
    for (file, name), reason in DEVIATIONS.items():
        row = next(r for r in ROWS if (r["file"], r["image_aspect_ratio"]) == (file, name))
        views = _policy(name).views(load_image(IMAGES, file))
        same = hashlib.sha256(views.numpy().tobytes()).hexdigest() == row.get("sha256_uint8")
        assert not same, f"{file} with {name} now agrees; drop the deviation: {reason}"


@pytest.mark.parametrize("file", ["jpeg_exif3_400x250.jpg", "jpeg_exif6_400x250.jpg"])
def test_rotated_photographs_are_turned_upright(file: str) -> None:
    """The reference shows them to the model as stored; people who annotate see them upright."""
    stored = load_image(IMAGES, file, orientation="ignore")
    upright = load_image(IMAGES, file)
    turn = Image.Transpose.ROTATE_180 if "exif3" in file else Image.Transpose.ROTATE_270
    assert upright.tobytes() == stored.transpose(turn).tobytes()
    assert stored.size == (400, 250)
