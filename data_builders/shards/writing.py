"""One shard: its tar file, and a note by which a build that was killed takes it over."""

from __future__ import annotations

import io
import json
import os
import tarfile
from dataclasses import asdict
from pathlib import Path

from data_builders.licences import licence_class
from data_builders.rows import write_whole
from data_builders.shards.manifest import Shard, sha256_of
from data_builders.shards.planning import Plan, Sample
from data_builders.shards.reading import iter_shard
from mmtune.errors import UserError

PROGRESS = ".progress"


def write_shard(plan: Plan, out: str, image_root: Path | None, licences: dict[str, str]) -> Shard:
    """Write one shard, or take over the finished one of a build that was killed."""
    from mmtune.records import parse_llava

    name = f"{plan.number:05d}.tar"
    path, note = Path(out) / name, Path(out) / PROGRESS / f"{plan.number:05d}.json"
    digest = plan.digest()
    if (shard := _taken_over(path, note, digest)) is not None:
        return shard
    images = turns = characters = longest = 0
    classes: dict[str, int] = {}
    partial_path = path.with_name(f".{name}.{os.getpid()}.partial")
    try:
        with partial_path.open("wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
                for place, sample in enumerate(plan.samples):
                    key = f"{plan.number:05d}{place:05d}"
                    _add_sample(tar, key, sample)
                    record = parse_llava(json.loads(sample.text), sample.row)
                    length = sum(len(turn.text) for turn in record.turns)
                    images += len(sample.images)
                    turns += len(record.turns)
                    characters += length
                    longest = max(longest, length)
                    kind = licence_class(record.meta, licences)
                    classes[kind] = classes.get(kind, 0) + 1
            file.flush()
            os.fsync(file.fileno())
        sha256, size = sha256_of(partial_path), partial_path.stat().st_size
        partial_path.replace(path)
    finally:
        partial_path.unlink(missing_ok=True)
    shard = Shard(
        name,
        sha256,
        size,
        len(plan.samples),
        images,
        turns,
        characters,
        longest,
        dict(sorted(classes.items())),
    )
    write_whole(note, json.dumps({"plan": digest, "shard": asdict(shard)}).encode())
    return shard


def changed_since(plan: Plan, out: str) -> str:
    """The first image of a plan that is not what its finished shard holds; empty where all are.

    Bytes are compared, because sizes and times of images are not written into what is shipped.
    """
    path = Path(out) / f"{plan.number:05d}.tar"
    held = iter_shard(path) if path.is_file() else iter(())
    for sample in plan.samples:
        where = f"row {sample.row}, record {sample.record_id!r}"
        _, images = next(held, (None, []))
        if len(images) != len(sample.images):
            return f"{where}: it does not stand there in {path.name}"
        for name, content in zip(sample.images, images, strict=True):
            if Path(name).read_bytes() != content:
                return f"{where}: {name} was changed"
    return ""


def _taken_over(path: Path, note: Path, digest: str) -> Shard | None:
    try:
        values = json.loads(note.read_text(encoding="utf-8"))
        shard = Shard(**values["shard"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    same = values["plan"] == digest and path.is_file() and sha256_of(path) == shard.sha256
    return shard if same else None


def _add_sample(tar: tarfile.TarFile, key: str, sample: Sample) -> None:
    for number, (name, stamp) in enumerate(zip(sample.images, sample.stamps, strict=True)):
        try:
            content = Path(name).read_bytes()
        except OSError:
            content = b""
        if len(content) != stamp[0]:
            raise UserError("the image changed while the shards were built", name, "start again")
        inner = "" if len(sample.images) == 1 else f"img{number}."
        _add(tar, f"{key}.{inner}{_extension(content, name)}", content)
    _add(tar, f"{key}.json", sample.text)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    # Owner, time and mode are the same everywhere, or two builds would differ.
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(content), 0, 0o644
    tar.addfile(info, io.BytesIO(content))


_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "jpg"),
    (b"\x89PNG", "png"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
)


def _extension(content: bytes, name: str) -> str:
    """By the file's content: names lie, and readers decode by the extension."""
    for magic, extension in _MAGIC:
        if content.startswith(magic):
            return extension
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    suffix = Path(name).suffix.lstrip(".").lower()
    return suffix if suffix.isalnum() and suffix != "json" else "bin"
