"""Archives that a stranger wrote: nothing leaves the folder, nothing is linked, nothing fills the disk."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from mmtune.errors import UserError

Member = tuple[str, int, Callable[[], IO[bytes]]]
"""Path, bytes, and what opens it."""

_ENCRYPTED = 1
"""Flag of a member of a ZIP archive."""


def unpack(archive: Path, folder: Path) -> int:
    """Unpack a ``.zip`` or ``.tar.gz`` file; an archive that is damaged is removed, to be fetched again.

    Args:
        archive: the file.
        folder: where to.

    Returns:
        How many files it has.

    Raises:
        UserError: if it is damaged, or has a member that would leave the folder, is a link or does not fit on
            the disk. Nothing is written then but by a damaged one.
    """
    try:
        with _opened(archive) as members:
            free = shutil.disk_usage(archive.parent).free
            needed = sum(size for _, size, _ in members)
            if needed > free:
                raise UserError(
                    f"The disk is too full: {needed:,} bytes are to be unpacked, {free:,} are free",
                    str(archive),
                    "make room, or name another folder with --into",
                )
            for path, size, opened in members:
                _write(folder / path, size, opened)
    except NotImplementedError as error:  # another way of packing than Python has
        raise UserError(f"The archive cannot be unpacked: {error}", str(archive)) from error
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        archive.unlink(missing_ok=True)
        raise UserError(
            f"The archive is damaged: {error}", str(archive), "it has been removed; fetch it again"
        ) from error
    except OSError as error:
        raise UserError(f"The archive cannot be unpacked: {error.strerror or error}", str(archive)) from error
    return len(members)


@contextmanager
def _opened(archive: Path) -> Iterator[list[Member]]:
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as file:
            yield [
                (_safe(info.filename, archive), info.file_size, lambda info=info: file.open(info))  # type: ignore[misc]
                for info in file.infolist()
                if not info.is_dir() and _is_plain(info, archive)
            ]
    else:
        with tarfile.open(archive) as tar:
            yield [
                (_safe(info.name, archive), info.size, lambda info=info: tar.extractfile(info))  # type: ignore[misc]
                for info in tar.getmembers()
                if not info.isdir() and _is_file(info, archive)
            ]


def _safe(name: str, archive: Path) -> str:
    """The path of a member, which must stay inside the folder.

    Raises:
        UserError: if it does not.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    outside = path.is_absolute() or ".." in path.parts or PureWindowsPath(name).drive
    if not path.parts or "\0" in name or outside:
        raise _refused(name, "leads out of the folder", archive)
    return str(path)


def _is_plain(info: zipfile.ZipInfo, archive: Path) -> bool:
    if stat.S_ISLNK(info.external_attr >> 16):
        raise _refused(info.filename, "is a link", archive)
    if info.flag_bits & _ENCRYPTED:
        raise _refused(info.filename, "is encrypted", archive)
    return True


def _is_file(info: tarfile.TarInfo, archive: Path) -> bool:
    if not info.isfile():
        raise _refused(info.name, "is no plain file", archive)
    return True


def _refused(name: str, why: str, archive: Path) -> UserError:
    return UserError(f"The archive's member {name!r} {why}", str(archive), "do not use this archive")


def _write(path: Path, size: int, opened: Callable[[], IO[bytes]]) -> None:
    """Write a member whole or not at all, and no more of it than it says to have."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with opened() as source, part.open("wb") as file:
        left = size
        while piece := source.read(min(1 << 20, left + 1)):
            left -= len(piece)
            if left < 0:
                raise zipfile.BadZipFile(f"{path.name} is larger than it says")
            file.write(piece)
    os.replace(part, path)
