"""``mmtune.json``: reading and checking what a checkpoint says about itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmtune.errors import UserError
from mmtune.models.files import read_json
from mmtune.models.vlm import PARTS

FORMAT = 1
"""Version of the folder's layout; it goes up when an older mmtune could not read a newer folder."""
FORMAT_WITH_ADAPTERS = 2
"""Version of a folder with adapters, which an mmtune that knows none must not read without them."""
MANIFEST = "mmtune.json"

_NEEDED = {
    "vision": ("files", "reference", "library", "config", "geometry"),
    "projector": ("files", "reference", "vision_width", "language_width"),
    "language": ("files", "reference"),
}
"""What the loader reads of each part."""


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Content of a checkpoint's ``mmtune.json``.

    Raises:
        UserError: if the folder is no mmtune checkpoint, or one of a newer mmtune.
    """
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise UserError("there is no such checkpoint folder", str(folder), "check the path")
    content = read_json(str(path), MANIFEST)
    if content is None:
        inside = sorted(path.glob(f"checkpoints/step-*/{MANIFEST}"))
        raise UserError(
            f"the folder is no mmtune checkpoint: it has no {MANIFEST}",
            str(folder),
            f"give its newest checkpoint, {inside[-1].parent}"
            if inside
            else "give a checkpoint's own folder",
        )
    if content.get("format") not in (FORMAT, FORMAT_WITH_ADAPTERS):
        raise UserError(
            f"the checkpoint has format {content.get('format')!r}, this mmtune reads {FORMAT} and"
            f" {FORMAT_WITH_ADAPTERS}",
            str(folder),
            "use the mmtune version that wrote it, or a newer one",
        )
    missing = [key for key in ("template", "image_policy", "model", "parts") if key not in content]
    for part in PARTS:
        entry = content.get("parts", {}).get(part, {})
        missing += [f"parts.{part}.{key}" for key in _NEEDED[part] if key not in entry]
    if missing:
        raise UserError(
            f"the checkpoint's {MANIFEST} lacks {missing[0]}", str(folder), "save the checkpoint again"
        )
    return content
