"""Bytes on disk: folders that appear whole or not at all, and tensors in safetensors shards."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmtune.errors import UserError
from mmtune.models import differences
from mmtune.models.adapters import naming
from mmtune.models.checkpoint.manifest import MANIFEST
from mmtune.models.reading import open_safetensors, read_file

SHARD_BYTES = 5_000_000_000
"""Largest weight file written; a single larger tensor still gets a file of its own."""

Shapes = dict[str, tuple[int, ...]]


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside ``target`` that takes its name once everything in it is on the disk.

    Temporary folders that a killed process left for the same ``target`` are removed. One in which another
    process is just writing looks the same, so only one process at a time may save under one name.

    Args:
        target: a folder that does not exist yet, or is empty.

    Yields:
        The temporary folder to write into; it is removed if anything goes wrong.

    Raises:
        UserError: if ``target`` holds something, or the disk is full or cannot be written.
    """
    from safetensors import SafetensorError

    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError("there is something already", str(target), "remove it or choose another folder")
    temporary = target.parent / f".{target.name}.saving-{os.getpid()}"
    try:
        for stale in target.parent.glob(f".{target.name}.saving-*"):
            shutil.rmtree(stale)
        temporary.mkdir(parents=True)
        yield temporary
        for path in [*temporary.rglob("*"), temporary]:
            _share(path, temporary)
            _sync(path)
        os.rename(temporary, target)
        _sync(target.parent)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(
            f"the checkpoint cannot be written: {reason.rstrip('.')}",
            str(target),
            "free space on that disk or choose another folder; nothing was left half-written",
        ) from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _share(path: Path, folder: Path) -> None:
    """Let everybody read a file who may read the folder: safetensors lets its owner alone."""
    may = folder.stat().st_mode & 0o666
    if path.is_file() and path.stat().st_mode & 0o666 != may:
        with suppress(PermissionError):  # some network disks have no modes
            path.chmod(may)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(file: Path, content: Any) -> None:
    """Write JSON with sorted keys, so that equal contents are equal files."""
    file.write_text(
        json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers of a module by their name in files, without those of adapters.

    Tied ones come once, under their first name.
    """
    seen: set[int] = set()
    found: dict[str, Tensor] = {}
    for name, tensor in naming.own_state(module).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            found[name] = tensor
    return found


def write_tensors(
    folder: Path, tensors: Mapping[str, Tensor], *, shard_bytes: int = SHARD_BYTES
) -> list[str]:
    """Write tensors as transformers names its files: one, or numbered ones with an index.

    Args:
        folder: where to write.
        tensors: by name.
        shard_bytes: largest file.

    Returns:
        Names of the weight files.
    """
    from safetensors.torch import save_file

    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        if shards[-1] and size + tensor.nbytes > shard_bytes:
            shards.append({})
            size = 0
        shards[-1][name] = tensor
        size += tensor.nbytes
    count = len(shards)
    files = ["model.safetensors"]
    if count > 1:
        files = [f"model-{i:05}-of-{count:05}.safetensors" for i in range(1, count + 1)]
        places = {name: file for file, shard in zip(files, shards, strict=True) for name in shard}
        total = sum(t.nbytes for t in tensors.values())
        index = {"metadata": {"total_size": total}, "weight_map": places}
        write_json(folder / "model.safetensors.index.json", index)
    for file, shard in zip(files, shards, strict=True):
        save_file(
            {name: plain_tensor(t) for name, t in shard.items()}, folder / file, metadata={"format": "pt"}
        )
    return files


def plain_tensor(tensor: Tensor) -> Tensor:
    """The tensor on the CPU, in storage of its own, as safetensors asks for."""
    plain = tensor.detach().to("cpu").contiguous()
    return plain.clone() if plain.untyped_storage().nbytes() != plain.nbytes else plain


def read_shapes(files: Iterable[Path]) -> Shapes:
    """Shapes of all tensors of some safetensors files, read from their headers.

    Raises:
        UserError: if a file is missing, truncated or no safetensors file.
    """
    shapes: Shapes = {}
    for file in files:
        with open_safetensors(file) as stream:
            for name in stream.keys():  # noqa: SIM118 (no mapping)
                shapes[name] = tuple(stream.get_slice(name).get_shape())
    return shapes


def load_tensors(module: nn.Module, files: list[Path], part: str) -> None:
    """Copy saved tensors into a module after checking that names and shapes agree.

    Raises:
        UserError: as ``read_shapes`` and ``check_shapes``, or if one is not finite.
    """
    own = own_tensors(module)
    where = str(files[0].parent)
    check_shapes(own, read_shapes(files), part, where)
    tensors = read_tensors(files)
    differences.check_finite(part, tensors, where)
    for name, tensor in tensors.items():
        with torch.no_grad():
            own[name].copy_(tensor)


def read_tensors(files: Iterable[Path]) -> dict[str, Tensor]:
    """All tensors of some safetensors files.

    Raises:
        UserError: as ``read_shapes``.
    """
    tensors: dict[str, Tensor] = {}
    for file in files:
        tensors |= read_file(file)
    return tensors


def check_shapes(expected: Mapping[str, Tensor], saved: Shapes, part: str, where: str) -> None:
    """Compare a module's tensors with saved ones.

    Raises:
        UserError: if they differ; names the first ones that do and the likely cause.
    """
    differences.check_shapes(
        part, differences.shapes_of(expected), saved, where, look_at=f"{MANIFEST} and config.json"
    )


def dtype_name(tensors: Mapping[str, Tensor]) -> str:
    """The type that most of these tensors have, as ``float32`` or ``bfloat16``."""
    counts: dict[torch.dtype, int] = {}
    for tensor in tensors.values():
        counts[tensor.dtype] = counts.get(tensor.dtype, 0) + tensor.numel()
    return str(max(counts, key=lambda d: counts[d])).removeprefix("torch.")
