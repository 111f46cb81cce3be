"""Whether the path of an image stays below the folder of the images, told from the path alone."""

from __future__ import annotations

import re
from pathlib import PureWindowsPath

_MAYBE_DRIVE = re.compile(r".:|[\\/]{2}", re.DOTALL)


def path_reason(path: str) -> str | None:
    """Why a path could leave any image root, or None."""
    if not path or "\0" in path:
        return f"the image path is empty or holds a zero byte ({path!r})"
    if path.startswith("/") or (_MAYBE_DRIVE.match(path) and PureWindowsPath(path).drive):
        return f"the image path is absolute ({path})"
    if ".." in path.replace("\\", "/").split("/"):
        return f"the image path climbs out with '..' ({path})"
    return None
