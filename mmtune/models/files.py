"""Finding the files of a model that is named by a folder or by its name on the hub."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmtune.errors import UserError
from mmtune.models.config import BETWEEN_NAMES, split_library

WEIGHTS = ("*.safetensors", "*.bin")
"""Weight files, the preferred kind first."""


def find_file(name: str, filename: str) -> Path | None:
    """A file of a model, or None where the model has no such file.

    Args:
        name: a folder, or a name on the hub, in which case the file is fetched or taken from the cache.
        filename: its name in the folder.

    Raises:
        UserError: if ``name`` is neither a folder nor a hub name that can be reached.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        file = folder / filename
        return file if file.is_file() else None
    if folder.exists() or name.startswith(("/", "./", "../", "~")) or name.count("/") > 1:
        raise UserError("there is no such model folder", name, "check the path")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    try:
        return Path(hf_hub_download(name, filename))
    except LocalEntryNotFoundError as error:
        raise _unreachable(name) from error
    except EntryNotFoundError:
        return None
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise _unreachable(name) from error


def _unreachable(name: str) -> UserError:
    return UserError(
        "the model is neither a folder here nor a name that the hub answers for",
        name,
        "check the spelling and the network, or download it and give the folder",
    )


def read_json(name: str, filename: str) -> dict[str, Any] | None:
    """Content of a JSON file of a model, or None where the model has no such file.

    Raises:
        UserError: if the file is no JSON object.
    """
    file = find_file(name, filename)
    if file is None:
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise UserError(
            f"the file cannot be read as JSON: {error}",
            str(file),
            "it is damaged or cut short: fetch it again",
        ) from error
    if not isinstance(content, dict):
        raise UserError("the file does not hold a JSON object", str(file))
    return content


def weight_files(name: str) -> list[Path]:
    """Weight files of a model that lie on this machine, safetensors where there are any, sorted by name."""
    _, name = split_library(name)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        try:
            folder = Path(snapshot_download(name, local_files_only=True))
        except (HfHubHTTPError, HFValidationError, OSError):
            return []
    for pattern in WEIGHTS:
        files = sorted(folder.glob(pattern))
        if files:
            return files
    return []


def fingerprint(name: str) -> str | None:
    """SHA-256 over the weight files of a model, or None where they do not lie on this machine.

    Args:
        name: a folder or a hub name, or several with ``BETWEEN_NAMES`` between them.
    """
    digest = hashlib.sha256()
    of_each = [weight_files(one) for one in name.split(BETWEEN_NAMES)]
    files = [file for of_one in of_each for file in of_one] if all(of_each) else []
    for file in files:
        stat = file.stat()
        digest.update(
            file.name.encode() + bytes.fromhex(_file_sha256(str(file), stat.st_size, stat.st_mtime_ns))
        )
    return digest.hexdigest() if files else None


def file_sha256(file: Path) -> str:
    """SHA-256 of a file, remembered for as long as its size and time stay the same."""
    stat = file.stat()
    return _file_sha256(str(file), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=1024)
def _file_sha256(file: str, size: int, mtime_ns: int) -> str:
    # Size and time are there for the cache: a file that changed is read again.
    digest = hashlib.sha256()
    with open(file, "rb") as stream:
        while block := stream.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()
