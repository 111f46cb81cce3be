"""The whole data set in one folder: images, training records, and benchmarks in their official formats."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data_builders.engines import Engine, get_engine
from data_builders.miniworld.backgrounds import available_photos
from data_builders.miniworld.blocks import BLOCK, Block, build_block
from data_builders.miniworld.formats import coco, pope, vqa
from data_builders.miniworld.formats.numbering import file_name, image_id
from data_builders.miniworld.world import LICENCE, WorldSettings
from mmtune.errors import UserError

log = logging.getLogger(__name__)

FORMAT_VERSION = 2
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a built folder holds.

    Args:
        settings: all that the content follows from.
        counts: scenes, records and questions.
        files: annotation file -> its SHA-256.
        images: split -> number of images and the SHA-256 over their pixels' files in order.
    """

    settings: dict[str, Any]
    counts: dict[str, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    images: dict[str, dict[str, Any]] = field(default_factory=dict)


def build(
    out: Path,
    *,
    train_scenes: int = 8000,
    test_scenes: int = 400,
    val_scenes: int = 200,
    seed: int = 0,
    workers: int = 1,
    world: WorldSettings | None = None,
    annotated: Sequence[str] = ("test",),
    engine: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Write the data set; what is there already and complete is not made again.

    The folder then holds ``images/{train,val,test}``, ``llava/{align,tune,val}.json``,
    ``coco/SPLIT`` and ``vg/SPLIT`` for the annotated splits, ``vqa/{questions,annotations}.json`` and
    ``pope/{random,popular,adversarial}.json`` over the test scenes, and ``manifest.json``.

    Args:
        out: the folder; made if it is not there.
        train_scenes: scenes for the training records.
        test_scenes: scenes for the benchmarks, with handwriting that no other split has.
        val_scenes: scenes for the validation records.
        seed: same seed and numbers, same files.
        workers: processes; the files do not depend on it.
        engine: where scenes are drawn, in ``data_builders.engines``; the files do not depend on it.
        world: what the scenes look like.
        annotated: splits for which COCO and Visual Genome files are written.
        progress: called with the scenes done and the scenes in all.

    Raises:
        UserError: if the folder holds another build, or cannot be written.
    """
    out = Path(out)
    counts = {"train": train_scenes, "val": val_scenes, "test": test_scenes}
    if min(counts.values()) < 1 or workers < 1:
        raise UserError("a build needs at least one scene of every split, and one worker", str(out))
    unknown = set(annotated) - set(counts)
    if unknown:
        fix = f"use some of {', '.join(counts)}"
        raise UserError(f"unknown split to annotate: {', '.join(sorted(unknown))}", str(out), fix)
    world = world or WorldSettings()
    settings = _settings(counts, seed, world, annotated)
    found = _finished(out, settings)
    if found:
        log.info("%s is complete already", out)
        return found
    try:
        return _build(out, settings, counts, seed, get_engine(engine, workers), world, progress)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        what = "the disk is full" if full else f"the data set cannot be written: {error.strerror or error}"
        advice = (
            "free some space and run it again; finished parts are kept" if full else "choose another folder"
        )
        raise UserError(what, str(error.filename or out), advice) from error


def _build(
    out: Path,
    settings: dict[str, Any],
    counts: dict[str, int],
    seed: int,
    engine: Engine,
    world: WorldSettings,
    progress: Callable[[int, int], None] | None,
) -> Manifest:
    parts = out / f".parts-{_digest(json.dumps(settings, sort_keys=True).encode())[:12]}"
    annotated = settings["annotated"]
    blocks = [
        Block(split, first, min(BLOCK, count - first), seed, world, str(out), str(parts), split in annotated)
        for split, count in counts.items()
        for first in range(0, count, BLOCK)
    ]
    parts.mkdir(parents=True, exist_ok=True)
    for split in counts:
        (out / "images" / split).mkdir(parents=True, exist_ok=True)
    done = 0
    for block in engine.map(build_block, blocks):
        done += block.count
        if progress:
            progress(done, sum(counts.values()))
    manifest = _assemble(out, blocks, settings, counts, seed)
    _write_text(out / MANIFEST, json.dumps(asdict(manifest), indent=1) + "\n")
    for leftover in out.glob(".parts-*"):
        shutil.rmtree(leftover)
    return manifest


def _assemble(
    out: Path, blocks: list[Block], settings: dict[str, Any], counts: dict[str, int], seed: int
) -> Manifest:
    by_split: dict[str, list[dict[str, Any]]] = {split: [] for split in counts}
    for block in blocks:
        by_split[block.split].append(json.loads(block.part.read_text(encoding="utf-8")))
    files: dict[str, str] = {}
    info = {"description": "miniworld", "version": str(FORMAT_VERSION), "seed": seed, "licence": LICENCE}

    def rows(split: str, name: str) -> Iterator[str]:
        return (row for part in by_split[split] for row in part["rows"][name])

    def put(name: str, lists: Mapping[str, Iterable[str]], head: dict[str, Any] | None = None) -> None:
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        files[name] = _write_lists(path, lists, head)

    put("llava/align.json", {"": rows("train", "align")})
    put("llava/tune.json", {"": rows("train", "tune")})
    put("llava/val.json", {"": rows("val", "tune")})
    for split in settings["annotated"]:
        images = {"images": rows(split, "coco_images"), "annotations": rows(split, "coco_instances")}
        put(f"coco/{split}/instances_{split}.json", images, coco.instances_head(info))
        images = {"images": rows(split, "coco_images"), "annotations": rows(split, "coco_captions")}
        put(f"coco/{split}/captions_{split}.json", images, coco.captions_head(info))
        for name in ("image_data", "scene_graphs", "attributes", "relationships", "region_descriptions"):
            put(f"vg/{split}/{name}.json", {"": rows(split, f"vg_{name}")})
    put("vqa/questions.json", {"questions": rows("test", "vqa_questions")}, vqa.questions_head("test", info))
    answers = {"annotations": rows("test", "vqa_annotations")}
    put("vqa/annotations.json", answers, vqa.annotations_head("test", info))
    present = {name: frozenset(classes) for part in by_split["test"] for name, classes in part["present"]}
    for split in pope.SPLITS:
        lines = [json.dumps(row) for row in pope.pope_rows(present, split, seed)]
        path = out / "pope" / f"{split}.json"
        path.parent.mkdir(exist_ok=True)
        files[f"pope/{split}.json"] = _write_text(path, "".join(f"{line}\n" for line in lines))
        counts = counts | {f"pope_{split}": len(lines)}
    counts = counts | {"vqa_questions": sum(1 for _ in rows("test", "vqa_questions"))}
    images_of = {
        split: {
            "count": sum(len(part["image_sha256"]) for part in found),
            "sha256": _digest("".join(sha for part in found for sha in part["image_sha256"]).encode()),
        }
        for split, found in by_split.items()
    }
    return Manifest(settings, counts, files, images_of)


def _settings(
    counts: dict[str, int], seed: int, world: WorldSettings, annotated: Sequence[str]
) -> dict[str, Any]:
    photos = list(available_photos())
    settings = {"format": FORMAT_VERSION, "scenes": counts, "seed": seed, "photos": photos}
    settings["annotated"] = [split for split in counts if split in annotated]
    # Through JSON, so that it compares equal with what a manifest says.
    plain: dict[str, Any] = json.loads(json.dumps(settings | {"world": asdict(world)}))
    return plain


def _finished(out: Path, settings: dict[str, Any]) -> Manifest | None:
    """The manifest of a complete build with these settings; None where there is no build or a damaged one."""
    path = out / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = Manifest(**json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, TypeError):
        return None
    if manifest.settings != settings:
        fix = "choose another folder, or remove this one"
        raise UserError("the folder holds a miniworld that was built with other settings", str(out), fix)
    for name, sha in manifest.files.items():
        if not (out / name).is_file() or _digest((out / name).read_bytes()) != sha:
            return None
    for split, images in manifest.images.items():
        folder = out / "images" / split
        there = (
            {entry.name for entry in os.scandir(folder) if entry.stat().st_size} if folder.is_dir() else set()
        )
        if not there.issuperset(file_name(split, image_id(split, index)) for index in range(images["count"])):
            return None
    return manifest


def _write_lists(path: Path, lists: Mapping[str, Iterable[str]], head: dict[str, Any] | None) -> str:
    """Write rows of JSON one a line: a bare list where the only name is empty, else an object of lists."""
    if head is None:
        (only,) = lists.values()
        return _write_text(path, "[\n" + ",\n".join(only) + "\n]\n")
    fields = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    fields += [f"{json.dumps(key)}: [\n" + ",\n".join(rows) + "\n]" for key, rows in lists.items()]
    return _write_text(path, "{" + ",\n".join(fields) + "}\n")


def _write_text(path: Path, text: str) -> str:
    """Write a file whole or not at all.

    Returns:
        The SHA-256 of its content.
    """
    partial = path.with_name(path.name + ".partial")
    content = text.encode()
    with partial.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    partial.replace(path)
    return _digest(content)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
