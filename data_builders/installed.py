"""Photographs that ship inside installed packages: found, never fetched."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def installed_file(package: str, inner: str) -> Path | None:
    """The path of a file inside an installed package, or None where it is not there.

    Args:
        package: import name, as ``skimage``; it is not imported.
        inner: POSIX path from the package's folder.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / inner
    return path if path.is_file() else None
