"""A prompted build from plain settings, as a command line gives them: inputs, a teacher by name, a price."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from data_builders.problems import Problems, Report, problem_of, stop_at_first
from data_builders.programs.inputs import check_limit
from data_builders.prompted import PROMPTED
from data_builders.prompted.base import Kit, PromptedBuilder, Source
from data_builders.prompted.prompts import Prompts
from data_builders.prompted.run import dry_run as estimate_of
from data_builders.prompted.run import run
from data_builders.readers import read_annotations
from data_builders.scenes import Scene
from data_builders.teachers.base import Settings
from data_builders.teachers.batch_files import BatchFiles
from data_builders.teachers.building import FAILURES
from data_builders.teachers.building import Report as Outcome
from data_builders.teachers.cache import Cached, ReplyStore
from data_builders.teachers.ledger import Ledger, Price, price_of
from data_builders.teachers.naming import Calls, teacher_named
from data_builders.teachers.routed import Routed
from data_builders.teachers.rules import Rules
from mmtune.errors import UserError, unknown
from mmtune.records import Record, iter_llava, iter_rows

log = logging.getLogger(__name__)

LEDGER, CACHE, BATCHES = "ledger.sqlite", "replies.sqlite", "batches"
PROBLEMS = "problems.jsonl"


@dataclass(frozen=True)
class Launched:
    """What a build wrote, or what it would ask.

    Args:
        counts: of units, records, rejections, requests and so on.
        problems: what is not there and why, in a sentence; empty where nothing is missing.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    problems: str = ""
    price: str = ""
    """Of a dry run, what the requests would cost at most."""


def launch(
    name: str | PromptedBuilder,
    *,
    out: Path,
    inputs: Sequence[Path] = (),
    teacher: str | None = None,
    model: str | None = None,
    labeller: str | None = None,
    labeller_model: str | None = None,
    records: Path | None = None,
    results: Path | None = None,
    image_root: Path | None = None,
    unpack: Path | None = None,
    prompts: Path | None = None,
    cache: Path | None = None,
    seed: int = 0,
    limit: int | None = None,
    max_tokens: int = 1024,
    temperature: float | None = None,
    candidates: int | None = None,
    noise_step: int | None = None,
    concurrency: int = 16,
    requests_per_minute: int | None = None,
    tokens_per_minute: int | None = None,
    key_variable: str = "OPENAI_API_KEY",
    price_in: float | None = None,
    price_out: float | None = None,
    max_budget: float | None = None,
    dry_run: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Launched:
    """Build with the builder of this name.

    Args:
        name: in ``PROMPTED``, or the builder itself.
        out: folder of the build; the same command goes on where it ended.
        inputs: annotations of one format that ``data_builders.readers`` knows. What is left out of them goes
            to ``problems.jsonl``. May be left out where records are given, and nothing is known of their
            images then.
        teacher: an address that ends in ``/v1``; ``batch`` for batch files in ``out``; ``rules`` for none; or
            the folder of a checkpoint.
        model: as the endpoint names it.
        labeller: as ``teacher``, for builders with a judge: who judges what the teacher wrote; None has the
            teacher do it.
        labeller_model: as the labeller's endpoint names it.
        records: LLaVA JSON of builders that work on records; ``scene`` in a row names its scene.
        results: JSON rows of an evaluation, for ``dataengine``.
        image_root: folder of the images, for a teacher that sees.
        unpack: folder to write the images to that are inside the annotations (shards, parquet).
        prompts: folder of prompts in place of those that ship.
        cache: file of answers that were paid for; in ``out`` by default.
        seed: of all that is drawn.
        limit: units at most.
        max_tokens: of an answer.
        temperature: of the teacher; None is 0, and what a builder says where it needs different answers.
        candidates: answers to one question, for builders that compare some.
        noise_step: how far images are noised, 1 to 1000, for builders that do so.
        concurrency: requests at once.
        requests_per_minute: at most.
        tokens_per_minute: at most.
        key_variable: environment variable of the endpoint's key.
        price_in: of a million tokens read.
        price_out: of a million tokens written.
        max_budget: what all runs of this build may cost.
        dry_run: only count requests, tokens and the price.
        progress: called with units done and their number, 0 where it is not known.

    Raises:
        UserError: for settings that do not go together, and as ``data_builders.prompted.run.run``.
    """
    builder = _builder(name)
    price = price_of(price_in, price_out)
    options = _options(builder, candidates=candidates, noise_step=noise_step)
    if temperature is not None and "candidates" in builder.takes:
        options["temperature"] = temperature
    if results:
        options["results"] = [row for _, row in iter_rows(results)]
    if labeller is not None and not builder.labelled:
        raise UserError(f"{builder.name} has no such setting", "--labeller", "leave the option out")
    kit = Kit(
        Prompts(prompts, builder.prompts),
        Settings(temperature=temperature or 0.0, max_tokens=max_tokens),
        seed,
        image_root=image_root or unpack,
        options=options,
    )
    check_limit(limit)
    problems = Problems(None if dry_run else _fresh(out / PROBLEMS))
    sources = islice(sources_of(inputs, records, problems, image_root, unpack), limit)
    if dry_run:
        found = _estimated(builder, sources, kit, price)
        return replace(found, problems="; ".join(filter(None, (problems.summary(), found.problems))))
    if teacher is None:
        raise UserError("no teacher is named", "--teacher", "give an address, batch, rules or a checkpoint")
    out.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(out / LEDGER, price, max_budget)
    calls = Calls(ledger, concurrency, requests_per_minute, tokens_per_minute, key_variable)
    named = partial(teacher_named, rules=builder.rules, calls=calls)
    asked = [named(teacher, model, "--model", batches=out / BATCHES)]
    if labeller is not None:
        own = out / f"{BATCHES}-labeller"
        asked.append(named(labeller, labeller_model, "--labeller-model", batches=own))
    store = ReplyStore(cache or out / CACHE)
    done = 0

    def advance(units: int) -> None:
        nonlocal done
        done += units
        if progress is not None:
            progress(done, 0)

    try:
        paid = [one if isinstance(one, Rules) else Cached(one, store) for one in asked]
        who = paid[0] if labeller is None else Routed(paid[0], paid[1], builder.labelled)
        report = run(builder, sources, who, out, kit, at_once=4 * concurrency, progress=advance)
    finally:
        store.close()
        ledger.close()
        problems.close()
    more = builder.finish(out) if builder.finish is not None and report.records else {}
    told = _told(report, asked, out)
    said = "; ".join(filter(None, (problems.summary(), told.problems)))
    return Launched({**told.counts, **more}, said)


def _builder(name: str | PromptedBuilder) -> PromptedBuilder:
    if isinstance(name, PromptedBuilder):
        return name
    if name not in PROMPTED:
        raise unknown("prompted builder", name, PROMPTED)
    return PROMPTED[name]


def _options(builder: PromptedBuilder, **given: int | None) -> dict[str, Any]:
    """The builder's own options that were given."""
    for key, value in given.items():
        if value is not None and key not in builder.takes:
            option = f"--{key.replace('_', '-')}"
            raise UserError(f"{builder.name} has no such setting", option, "leave the option out")
    return {key: value for key, value in given.items() if value is not None}


def sources_of(
    inputs: Sequence[Path],
    records: Path | None = None,
    report: Report = stop_at_first,
    images: Path | None = None,
    unpack: Path | None = None,
) -> Iterator[Source]:
    """Scenes of files, or records with the scene that each names.

    Args:
        inputs: annotations of one format that ``data_builders.readers`` knows; may be none with records.
        records: LLaVA JSON; a row's ``scene`` or first ``evidence.scenes`` names its scene, else its id does.
        report: told of each row that is left out. Unless one is given, the first ends the reading.
        images: folder of the images, which must then be there.
        unpack: folder to write the images to that are inside the annotations.

    Raises:
        UserError: if a file cannot be read, or a record's scene is in none of them.
    """
    if not inputs and records is None:
        raise UserError("there is nothing to build from", "--in", "give scenes, or records")
    settings: dict[str, Any] = {} if unpack is None else {"unpack": unpack}
    scenes: Iterable[Scene] = ()
    if inputs:
        scenes = read_annotations(inputs, images=images, report=report, **settings)
    if records is None:
        yield from (Source(scene) for scene in scenes)
        return
    by_id = {scene.id: scene for scene in scenes}
    for row, record in iter_llava(records):
        if not isinstance(record, Record):
            report(replace(problem_of(record, row), source=str(records)))
            continue
        scene = by_id.get(_scene_of(record)) if inputs else _unknown_scene(record)
        if scene is None:
            raise UserError(
                f"the record's scene {_scene_of(record)!r} is in none of the files", f"record {record.id!r}"
            )
        yield Source(scene, record)


def _fresh(path: Path) -> Path:
    """A file of problems, without those of an earlier run."""
    path.unlink(missing_ok=True)
    return path


def _scene_of(record: Record) -> str:
    evidence = record.meta.get("evidence")
    named = evidence.get("scenes") if isinstance(evidence, Mapping) else None
    return str(record.meta.get("scene") or (named[0] if named else record.id))


def _unknown_scene(record: Record) -> Scene:
    """A scene of which nothing is known but its image."""
    image = next((image for image in record.images if not image.is_video), None)
    licence = record.meta.get("licence")
    return Scene(record.id, image, 0, 0, licence=licence if isinstance(licence, str) else "")


def _estimated(
    builder: PromptedBuilder, sources: Iterable[Source], kit: Kit, price: Price | None
) -> Launched:
    estimate = estimate_of(builder, sources, kit, price)
    log.info("%s", estimate)
    lacking = "; ".join(f"{count} x {reason}" for reason, count in estimate.unusable.items())
    counts = {
        "units": estimate.units,
        "requests": estimate.requests,
        "tokens to read": estimate.prompt_tokens,
        "tokens to write at most": estimate.completion_tokens,
    }
    return Launched(counts, lacking, estimate.money)


def _told(report: Outcome, teachers: Sequence[Any], out: Path) -> Launched:
    """Counts, and in a sentence what is missing."""
    problems = []
    if report.failures:
        problems.append(f"{len(report.failures)} units failed, see {out / FAILURES}: {report.reasons()}")
    if report.waiting:
        batches = [teacher for teacher in teachers if isinstance(teacher, BatchFiles)]
        written = ", ".join(str(path) for one in batches for path in one.written) or "nothing new"
        folders = " and ".join(str(one.results_folder) for one in batches)
        problems.append(
            f"{report.waiting} units wait for answers; written: {written}; send these batches, put what comes"
            f" back into {folders}, and run the same command again"
        )
    counts = {
        "records": report.records,
        "units": report.units,
        "of them finished before": report.skipped,
        "rejected": report.rejected,
        "answers": report.replies,
        "of them cached": report.cached,
    }
    return Launched(counts, "; ".join(problems))
