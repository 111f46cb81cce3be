"""Reading weight files: whole, safe, and with one sentence where they are not."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmtune.errors import UserError

_WHOLE = ("model.safetensors", "pytorch_model.bin")
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")


def read_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of a model folder, from one file or from the shards of its index.

    Raises:
        UserError: if there are no weights, a shard is missing, or a file is damaged or unsafe.
    """
    for name in _WHOLE:
        if (folder / name).is_file():
            return read_file(folder / name)
    for name in _INDEXES:
        if (folder / name).is_file():
            return _read_shards(folder, folder / name)
    raise UserError(
        "the folder holds no weights",
        str(folder),
        f"there should be one of {', '.join((*_WHOLE, *_INDEXES))}",
    )


def has_weights(folder: Path) -> bool:
    """Whether a folder holds a whole model's weights."""
    return any((folder / name).is_file() for name in (*_WHOLE, *_INDEXES))


def _read_shards(folder: Path, index: Path) -> dict[str, Tensor]:
    try:
        places: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    except (ValueError, KeyError, OSError) as error:
        raise UserError(f"the index of the weight files is damaged: {error}", str(index)) from error
    files = sorted(set(places.values()))
    if missing := [file for file in files if not (folder / file).is_file()]:
        raise UserError(
            f"{len(missing)} of {len(files)} weight files are missing, the first is {missing[0]}",
            str(folder),
            "finish the download",
        )
    tensors: dict[str, Tensor] = {}
    for file in files:
        tensors |= read_file(folder / file)
    if absent := [name for name in places if name not in tensors]:
        raise UserError(
            f"the weight files lack {len(absent)} tensors of their index, the first is {absent[0]}",
            str(folder),
            "download the files again",
        )
    return tensors


def read_file(file: Path, prefix: str = "") -> dict[str, Tensor]:
    """The tensors of one safetensors or torch file; nothing but tensors is ever unpickled.

    Args:
        file: its ending tells the kind.
        prefix: only tensors whose names begin so; of safetensors the others are not even read.

    Raises:
        UserError: if the file is missing, damaged, cut short, or holds other things than tensors.
    """
    if file.suffix == ".safetensors":
        with open_safetensors(file) as stream:
            names = [name for name in stream.keys() if name.startswith(prefix)]  # noqa: SIM118 (no mapping)
            return {name: stream.get_tensor(name) for name in names}
    content = read_pickle(file)
    if not isinstance(content, dict) or not all(isinstance(tensor, Tensor) for tensor in content.values()):
        raise UserError("the file holds something else than tensors by name", str(file))
    named = {str(name): tensor.detach() for name, tensor in content.items()}
    return {name: tensor for name, tensor in named.items() if name.startswith(prefix)}


@contextmanager
def open_safetensors(file: Path) -> Iterator[Any]:
    """A safetensors file that can be asked for names, shapes and tensors.

    Raises:
        UserError: if it is missing, damaged, cut short, or no safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as stream:
            yield stream
    except FileNotFoundError as error:
        raise UserError("the weight file is missing", str(file), "copy the whole folder") from error
    except (SafetensorError, OSError) as error:
        raise refusal(error, str(file)) from error


def read_pickle(file: Path) -> Any:
    """The content of a torch file, of which nothing but tensors and plain containers is unpickled.

    Raises:
        UserError: as ``read_file``.
    """
    if not file.is_file():
        raise UserError("the weight file is missing", str(file), "copy the whole folder")
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise refusal(error, str(file)) from error


def refusal(error: Exception, where: str) -> UserError:
    """The sentence for a weight file that is not read: damaged, or with other things in it than tensors."""
    told = str(error).lower()
    if isinstance(error, pickle.UnpicklingError) and ("weights_only" in told or "unsupported" in told):
        return UserError(
            "the file holds more than tensors: reading it could run any program, so it is refused",
            where,
            "ask its author for safetensors",
        )
    # torch goes on with advice of its own behind the first sentence
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].partition(". ")[0].rstrip(".")
    return UserError(f"the weight file is damaged or cut short: {reason}", where, "fetch or save it again")
