"""Shards of images with captions: tar files as img2dataset and webdataset write them.

Source: webdataset's rule for keys (a member's path up to the first dot of its last part), and the ``.jpg``,
``.txt`` and ``.json`` of img2dataset.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_builders.problems import Problem, Report
from data_builders.readers.fields import RowError, size_of, text_of
from data_builders.readers.inputs import Inputs, Reader
from data_builders.readers.peek import Peek
from data_builders.readers.pictures import SUFFIXES, Pictures, inside
from data_builders.readers.streaming import MAX_ITEM
from data_builders.readers.unpacking import Unpacked
from data_builders.scenes import Scene
from mmtune.errors import UserError

_END = 1024
"""A tar ends with two blocks of zeros."""


@dataclass(slots=True)
class _Sample:
    key: str
    parts: dict[str, bytes] = field(default_factory=dict)


def recognises(peek: Peek) -> bool:
    """A tar file, or a folder with some."""
    return peek.suffix == ".tar" or any(name.endswith(".tar") for name in peek.names)


def read(inputs: Inputs, report: Report, *, unpack: Path | None = None) -> Iterator[Scene]:
    """One scene a sample, read from front to back without holding more than one sample.

    Args:
        inputs: tar files or their folder. Parquet and statistics beside them repeat what the shards say.
        report: told of every sample and member that is left out, and of a shard that is cut short.
        unpack: folder to write the images to, as ``SHARD/MEMBER``, which paths are then relative to. Without
            it a scene's image is ``SHARD.tar/MEMBER``, a name and not a file.

    Raises:
        UserError: a shard is not there or no tar file; an image cannot be unpacked.
    """
    for path in inputs.paths:
        for shard in sorted(path.glob("*.tar")) if path.is_dir() else [path]:
            for sample in _samples(shard, report):
                try:
                    yield _scene(sample, shard, unpack)
                except RowError as error:
                    report(Problem(f"sample {sample.key}", error.reason, str(shard)))


def _scene(sample: _Sample, shard: Path, unpack: Path | None) -> Scene:
    suffix = next((name for name in sample.parts if f".{name}" in SUFFIXES), None)
    if suffix is None:
        raise RowError("it has no image")
    meta = _meta(sample)
    if "txt" in sample.parts:
        try:
            caption = text_of(sample.parts["txt"].decode(), "caption")
        except UnicodeDecodeError as error:
            raise RowError("the caption is not UTF-8") from error
    else:
        caption = text_of(meta.get("caption"), "caption")
    member = f"{sample.key}.{suffix}"
    size = size_of(meta)
    if unpack is None:
        path = f"{shard.name}/{member}"
        pictures = Pictures(None)
    else:
        path = Unpacked(unpack, shard.stem).write(sample.parts[suffix], member)
        pictures = Pictures(unpack)
    image = pictures.find([path])
    source: dict[str, Any] = {"format": "image_shards", "shard": shard.name, "member": member}
    source |= {key: meta[key] for key in ("url", "sha256") if isinstance(meta.get(key), str)}
    licence = meta.get("license")
    return Scene(
        f"{shard.stem}/{sample.key}" if not sample.key.startswith(shard.stem) else sample.key,
        image,
        *pictures.size(image, size),
        captions=(caption,),
        licence=licence if isinstance(licence, str) else "",
        source=source,
    )


def _meta(sample: _Sample) -> Mapping[str, Any]:
    if "json" not in sample.parts:
        return {}
    try:
        meta = json.loads(sample.parts["json"])
    except (ValueError, RecursionError) as error:
        raise RowError(f"its JSON cannot be decoded: {error}") from error
    if not isinstance(meta, dict):
        raise RowError("its JSON is not an object")
    return meta


def _samples(shard: Path, report: Report) -> Iterator[_Sample]:
    sample: _Sample | None = None
    done: set[str] = set()
    for key, extension, content in _members(shard, report):
        if sample is not None and sample.key != key:
            done.add(sample.key)
            yield sample
            sample = None
        if key in done:
            reason = "its key is that of an earlier sample, whose files must all follow each other"
            report(Problem(f"member {key}.{extension}", reason, str(shard)))
            continue
        sample = sample or _Sample(key)
        if extension in sample.parts:
            reason = "its sample has a member of this kind already"
            report(Problem(f"member {key}.{extension}", reason, str(shard)))
            continue
        sample.parts[extension] = content
    if sample is not None:
        yield sample


def _members(shard: Path, report: Report) -> Iterator[tuple[str, str, bytes]]:
    """Key, extension and content of each file in a shard."""

    def problem(row: str, reason: str) -> None:
        report(Problem(row, reason, str(shard)))

    last = "its beginning"
    try:
        whole = _has_end(shard)
        # Surrogates, which ``inside`` refuses, stand for bytes of names that are not UTF-8.
        with tarfile.open(shard, "r:", encoding="utf-8", errors="surrogateescape") as tar:
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]  # Grows with the shard otherwise.
                name = member.name.encode("utf-8", "backslashreplace").decode()
                last = f"member {name}"
                if member.isdir():
                    continue
                try:
                    key, extension = _split(inside(member.name))
                    if not member.isreg():
                        raise RowError("it is a link or a device, not a file")
                    if member.size > MAX_ITEM:
                        raise RowError(f"it is larger than {MAX_ITEM >> 20} MB")
                except RowError as error:
                    problem(last, error.reason)
                    continue
                content = tar.extractfile(member)
                assert content is not None
                yield key, extension, content.read()
    except tarfile.TarError as error:
        if last == "its beginning":
            raise UserError(f"the shard is no tar file: {error}", str(shard), "fetch it again") from error
        whole = False
    except OSError as error:
        raise UserError(
            f"the shard cannot be read: {error.strerror or error}", str(shard), "check the path"
        ) from error
    if not whole:
        problem(f"after {last}", "the shard is cut short; what follows is lost")


def _split(name: str) -> tuple[str, str]:
    folder, slash, base = name.removeprefix("./").rpartition("/")
    stem, dot, extension = base.partition(".")
    if not stem or not dot:
        raise RowError("its name has no key before a dot")
    return f"{folder}{slash}{stem}", extension.lower()


def _has_end(shard: Path) -> bool:
    """Whether the end mark is there: tarfile takes a file that stops between two members for whole."""
    with shard.open("rb") as file:
        file.seek(0, 2)
        size = file.tell()
        file.seek(max(0, size - _END))
        return size >= _END and not any(file.read())


READER = Reader("img2dataset and webdataset tar files", recognises, read)
