"""Records and their images as webdataset shards that are the same bytes whenever and wherever they are built.

A shard is a tar file. A sample's files stand one behind the other and share a key, ``SSSSSNNNNN`` (shard and
place), which is never the record's id: dots and slashes in a key mean something else to webdataset. The
record itself is ``KEY.json``, the row as it stood in its file; its images are ``KEY.jpg`` (or png, webp, …),
with several ``KEY.img0.jpg``, ``KEY.img1.jpg``, …, in the order of the row's ``image``. Image files are
copied byte by byte and never encoded again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from data_builders.curate.rows import Problem, Row, iter_rows, problem_of, to_line
from data_builders.engines import Engine
from data_builders.licences import UNKNOWN, licence_class, strictest
from mmtune.errors import RecordError, UserError
from mmtune.records import ImageRef, Record

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
PROBLEMS = "problems.jsonl"
_PROGRESS = ".progress"


@dataclass(frozen=True, slots=True)
class ShardSettings:
    """How records are cut into shards.

    Args:
        image_root: folder of the images; None for rows without.
        records: records of a shard at most.
        bytes: bytes of a shard's rows and images at which it is full.
        require_licence: whether a record of unknown licence stops the build.
        licences: further names of licences and what each stands for; see ``licences.class_of``.
    """

    image_root: Path | None = None
    records: int = 10_000
    bytes: int = 1_000_000_000
    require_licence: bool = False
    licences: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.records <= 100_000:
            raise UserError(f"a shard of {self.records} records", "--records", "give 1 to 100,000")
        if self.bytes < 1:
            raise UserError(f"a shard of {self.bytes} bytes", "--bytes", "give at least 1")


@dataclass(frozen=True)
class Shard:
    """One finished shard, as it stands in the manifest."""

    name: str
    sha256: str
    bytes: int
    records: int
    images: int
    turns: int
    characters: int
    """Characters of all turns."""
    longest: int
    """Characters of its longest record."""
    licences: dict[str, int]
    """Class of licence -> records."""


@dataclass(frozen=True)
class Manifest:
    """What a folder of shards holds."""

    format: int
    settings: dict[str, Any]
    input_sha256: str
    """Of the file that the rows came from."""
    records: int
    images: int
    turns: int
    licences: dict[str, int]
    licence: str
    """Class of the strictest record."""
    problems: int
    """Rows that are in no shard; ``problems.jsonl`` lists them."""
    shards: list[Shard]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def build_shards(path: Path, out: Path, settings: ShardSettings, engine: Engine) -> Manifest:
    """Write the shards of a file's rows, and ``manifest.json`` when all of them are there.

    What a killed build had finished is kept: a shard is taken over when its rows, the size and time of its
    images and its own sha256 are what they were.

    Args:
        path: LLaVA JSON or JSON Lines.
        out: the folder; made where it is absent.
        settings: how the records are cut.
        engine: where shards are written; the bytes do not depend on it.

    Raises:
        UserError: the folder holds other shards, no row can be used, a licence is unknown where one is
            required, or something cannot be read or written.
    """
    plain = {"records": settings.records, "bytes": settings.bytes, "licences": dict(settings.licences)}
    digest = _sha256_of(path)
    done = _finished(out, plain, digest)
    progress = out / _PROGRESS
    if done is not None:
        shutil.rmtree(progress, ignore_errors=True)
        return done
    progress.mkdir(parents=True, exist_ok=True)
    problems: list[Problem] = []
    work = partial(
        _write_shard, out=str(out), image_root=settings.image_root, licences=dict(settings.licences)
    )
    shards = list(engine.map(work, _plans(path, settings, problems)))
    problems.sort(key=lambda problem: problem.row)
    if not shards:
        shutil.rmtree(progress)
        first = f"; the first: {problems[0]}" if problems else ""
        raise UserError(f"no row of the file can be used{first}", str(path), "mend the rows")
    _remove_others(out, {shard.name for shard in shards})
    _write_problems(out / PROBLEMS, problems)
    licences: dict[str, int] = {}
    for shard in shards:
        for name, count in shard.licences.items():
            licences[name] = licences.get(name, 0) + count
    manifest = Manifest(
        format=FORMAT_VERSION,
        settings=plain,
        input_sha256=digest,
        records=sum(shard.records for shard in shards),
        images=sum(shard.images for shard in shards),
        turns=sum(shard.turns for shard in shards),
        licences=dict(sorted(licences.items())),
        licence=strictest(licences),
        problems=len(problems),
        shards=shards,
    )
    _write_whole(
        out / MANIFEST, json.dumps(manifest.to_json(), indent=1, ensure_ascii=False).encode() + b"\n"
    )
    shutil.rmtree(progress)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder of shards.

    Raises:
        UserError: there is none, or it is not one.
    """
    path = folder / MANIFEST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Manifest(**{**values, "shards": [Shard(**shard) for shard in values["shards"]]})
    except OSError as error:
        raise UserError(
            f"the manifest cannot be read: {error.strerror}", str(path), "build the shards again"
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(
            "the file is not a manifest of shards", str(path), "build the shards again"
        ) from error


def verify_shards(folder: Path) -> list[str]:
    """What does not agree with the manifest, a sentence each; empty where all does."""
    wrong = []
    for shard in read_manifest(folder).shards:
        file = folder / shard.name
        if not file.is_file():
            wrong.append(f"{shard.name} is missing")
        elif _sha256_of(file) != shard.sha256:
            wrong.append(f"{shard.name} is not what was built: its sha256 differs")
    return wrong


def iter_shard(path: Path) -> Iterator[tuple[Record, list[bytes]]]:
    """Records of one shard with the bytes of their images, in order.

    Raises:
        UserError: the file is not such a shard, or has a member that lies outside of it or is no file.
    """
    from mmtune.records import parse_llava

    images: list[bytes] = []
    try:
        with tarfile.open(path, "r|") as tar:
            for number, member in enumerate(tar):
                if not member.isfile() or "/" in member.name or "\\" in member.name:
                    raise UserError("a member of the shard is no plain file", f"{path}: {member.name!r}")
                source = tar.extractfile(member)
                assert source is not None
                if member.name.endswith(".json"):
                    yield parse_llava(json.loads(source.read()), number), images
                    images = []
                else:
                    images.append(source.read())
    except (tarfile.TarError, json.JSONDecodeError) as error:
        raise UserError(f"the shard cannot be read: {error}", str(path), "build it again") from error


@dataclass(frozen=True, slots=True)
class _Sample:
    row: int
    record_id: str
    text: bytes
    images: tuple[str, ...]
    """Resolved files."""
    stamps: tuple[tuple[int, int], ...]
    """Size and time of each."""


@dataclass(frozen=True, slots=True)
class _Plan:
    number: int
    samples: tuple[_Sample, ...]

    def digest(self) -> str:
        """Changes where a row, an image's size or an image's time does."""
        found = hashlib.sha256(str(FORMAT_VERSION).encode())
        for sample in self.samples:
            found.update(repr((sample.row, sample.images, sample.stamps)).encode())
            found.update(sample.text)
        return found.hexdigest()


def _plans(path: Path, settings: ShardSettings, problems: list[Problem]) -> Iterator[_Plan]:
    """Which rows each shard holds; rows that cannot be used are added to ``problems``."""
    number, size = 0, 0
    samples: list[_Sample] = []
    for row in iter_rows(path):
        try:
            record = row.record()
            sample = _sample(row, record, settings.image_root)
        except UserError as error:
            problems.append(problem_of(error, row.number))
            continue
        if settings.require_licence and licence_class(record.meta, settings.licences) == UNKNOWN:
            raise UserError(
                "the record's licence is unknown",
                f"row {row.number}, record {record.id!r}",
                "state it in its 'licence', name it with --licences, or leave the record out",
            )
        samples.append(sample)
        size += len(sample.text) + sum(stamp[0] for stamp in sample.stamps)
        if len(samples) == settings.records or size >= settings.bytes:
            yield _Plan(number, tuple(samples))
            number, size, samples = number + 1, 0, []
    if samples:
        yield _Plan(number, tuple(samples))


def _sample(row: Row, record: Record, root: Path | None) -> _Sample:
    files = []
    stamps = []
    for image in record.images:
        file = _file_of(record, image, root)
        status = file.stat()
        files.append(str(file))
        stamps.append((status.st_size, status.st_mtime_ns))
    text = row.text
    if b"\n" in text or b"\r" in text:
        text = to_line(row.value())
    return _Sample(row.number, record.id, text, tuple(files), tuple(stamps))


def _file_of(record: Record, image: ImageRef, root: Path | None) -> Path:
    from mmtune.images.decoding import resolve_image

    if root is None:
        raise RecordError("the record has an image", record.id, fix="give --image-root")
    if image.is_video:
        raise RecordError(f"videos do not go into shards ({image.path})", record.id)
    return resolve_image(root, image)


def _write_shard(plan: _Plan, out: str, image_root: Path | None, licences: dict[str, str]) -> Shard:
    """Write one shard, or take over the finished one of a build that was killed."""
    from mmtune.records import parse_llava

    name = f"{plan.number:05d}.tar"
    path, note = Path(out) / name, Path(out) / _PROGRESS / f"{plan.number:05d}.json"
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
        sha256, size = _sha256_of(partial_path), partial_path.stat().st_size
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
    _write_whole(note, json.dumps({"plan": digest, "shard": asdict(shard)}).encode())
    return shard


def _taken_over(path: Path, note: Path, digest: str) -> Shard | None:
    try:
        values = json.loads(note.read_text(encoding="utf-8"))
        shard = Shard(**values["shard"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    same = values["plan"] == digest and path.is_file() and _sha256_of(path) == shard.sha256
    return shard if same else None


def _add_sample(tar: tarfile.TarFile, key: str, sample: _Sample) -> None:
    for number, (name, stamp) in enumerate(zip(sample.images, sample.stamps, strict=True)):
        content = Path(name).read_bytes()
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


def _finished(out: Path, settings: dict[str, Any], digest: str) -> Manifest | None:
    """The manifest of a complete build of the same rows."""
    if not (out / MANIFEST).is_file():
        return None
    manifest = read_manifest(out)
    if manifest.settings != settings or manifest.input_sha256 != digest:
        raise UserError(
            "the folder holds shards of other rows or settings",
            str(out),
            "choose another folder, or remove it",
        )
    return manifest if not verify_shards(out) else None


def _remove_others(out: Path, names: set[str]) -> None:
    """Drop what killed builds left behind: halves of files, and shards of other rows."""
    for file in out.glob(".*.partial"):
        file.unlink()
    for file in out.glob("[0-9][0-9][0-9][0-9][0-9].tar"):
        if file.name not in names:
            file.unlink()


def _write_problems(path: Path, problems: Iterable[Problem]) -> None:
    lines = "".join(json.dumps(asdict(problem), ensure_ascii=False) + "\n" for problem in problems)
    _write_whole(path, lines.encode("utf-8", "backslashreplace"))


def _write_whole(path: Path, content: bytes) -> None:
    partial_path = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial_path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial_path.replace(path)


def _sha256_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = hashlib.sha256()
            while part := file.read(2**20):
                found.update(part)
            return found.hexdigest()
    except OSError as error:
        raise UserError(
            f"the file cannot be read: {error.strerror or error}", str(path), "check the path"
        ) from error
