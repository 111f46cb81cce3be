"""All shards of a file, and their manifest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from data_builders.engines import Engine
from data_builders.licences import strictest
from data_builders.problems import Problem
from data_builders.rows import to_line, write_whole, writing_to
from data_builders.shards.manifest import (
    FORMAT_VERSION,
    MANIFEST,
    Manifest,
    read_manifest,
    sha256_of,
    verify_shards,
)
from data_builders.shards.planning import ShardSettings, plans
from data_builders.shards.writing import PROGRESS, changed_since, write_shard
from mmtune.errors import UserError

PROBLEMS = "problems.jsonl"
_SHARDS = "[0-9][0-9][0-9][0-9][0-9].tar"


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
        UserError: the folder holds other shards, or finished ones of images that were changed since; no row
            can be used, a licence is unknown where one is required, or something cannot be read or written.
    """
    with writing_to(out):
        return _build(path, out, settings, engine)


def _build(path: Path, out: Path, settings: ShardSettings, engine: Engine) -> Manifest:
    plain = {"records": settings.records, "bytes": settings.bytes, "licences": dict(settings.licences)}
    digest = sha256_of(path)
    progress = out / PROGRESS
    _refuse_strangers(out, progress)
    done = _finished(out, plain, digest)
    if done is not None:
        _refuse_changed(path, out, settings, engine)
        shutil.rmtree(progress, ignore_errors=True)
        return done
    progress.mkdir(parents=True, exist_ok=True)
    problems: list[Problem] = []
    work = partial(
        write_shard, out=str(out), image_root=settings.image_root, licences=dict(settings.licences)
    )
    shards = list(engine.map(work, plans(path, settings, problems)))
    problems.sort(key=lambda problem: problem.number)
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
    write_whole(out / MANIFEST, json.dumps(manifest.to_json(), indent=1, ensure_ascii=False).encode() + b"\n")
    shutil.rmtree(progress)
    return manifest


def _finished(out: Path, settings: dict[str, Any], digest: str) -> Manifest | None:
    """The manifest of a complete build of the same rows; rows that were left out may be usable by now."""
    if not (out / MANIFEST).is_file():
        return None
    manifest = read_manifest(out)
    if manifest.settings != settings or manifest.input_sha256 != digest:
        raise UserError(
            "the folder holds shards of other rows or settings",
            str(out),
            "choose another folder, or remove it",
        )
    return None if manifest.problems or verify_shards(out) else manifest


def _refuse_strangers(out: Path, progress: Path) -> None:
    """Shards of somebody else have the same names, and would be written over or removed."""
    if (out / MANIFEST).is_file() or progress.is_dir():
        return
    if found := sorted(out.glob(_SHARDS)):
        raise UserError(
            "the folder holds shards that no unfinished build left", str(found[0]), "choose another folder"
        )


def _refuse_changed(path: Path, out: Path, settings: ShardSettings, engine: Engine) -> None:
    """A finished folder is left alone if it holds what the images and the required licences say today."""
    problems: list[Problem] = []
    work = partial(changed_since, out=str(out))
    changed = [found for found in engine.map(work, plans(path, settings, problems)) if found]
    changed = [*map(str, problems), *changed]
    if changed:
        raise UserError(
            f"the folder holds finished shards, and an image is not what it was: {changed[0]}",
            str(out),
            "choose another folder, or remove it",
        )


def _remove_others(out: Path, names: set[str]) -> None:
    """Drop what killed builds left behind: halves of files, and shards of other rows."""
    for file in out.glob(".*.partial"):
        file.unlink()
    for file in out.glob(_SHARDS):
        if file.name not in names:
            file.unlink()


def _write_problems(path: Path, problems: Iterable[Problem]) -> None:
    write_whole(path, b"".join(to_line(problem.to_json()) + b"\n" for problem in problems))
