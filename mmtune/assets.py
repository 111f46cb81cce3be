"""Files that ship with mmtune: found in a checkout and in an installed package alike."""

from __future__ import annotations

from pathlib import Path

from mmtune.errors import UserError

_PACKAGE = Path(__file__).resolve().parent


def shipped(relative: str) -> Path:
    """The path of a file or folder that ships with mmtune, as ``recipes/quickstart/tune.yaml``.

    Args:
        relative: path from the project's root. An installed package has ``recipes`` inside ``mmtune`` and
            the other packages beside it.

    Raises:
        UserError: nothing of that name ships with mmtune.
    """
    for base in (_PACKAGE.parent, _PACKAGE):
        if (base / relative).exists():
            return base / relative
    raise UserError(
        "this does not ship with mmtune", relative, "reinstall mmtune, or give a path of your own"
    )
