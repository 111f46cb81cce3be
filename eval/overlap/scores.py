"""The score on what a model has not seen in training, beside the score on all."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eval.image_folders import ready_images
from eval.json_files import read_rows, write_json, write_rows
from eval.overlap.finding import Overlap, Sighting, TrainingRecords, find_overlap
from eval.scoring import Sampling, Scored, joint_counts, score_table, whole_table, with_joint
from eval.sharing import Peers
from eval.tasks import Item, Task

FILE = "overlap.jsonl"
"""The list of items that were seen, in the folder of an evaluation."""


def add_overlap(
    results: dict[str, Any],
    out: Path,
    tasks: Mapping[str, Task],
    records: Sequence[TrainingRecords],
    *,
    notes: Sequence[str] = (),
    workers: int = 1,
) -> Overlap:
    """Put beside each task's score how much of it was seen in training, and the score on the rest.

    Only items that were scored are looked for. Each task's part of the results gets ``"overlap": {"n",
    "images", "questions", "both", "clean": {"n", "metrics"}, "unpaired": {"n", "metrics"}}``: how many items'
    image, question, and image and question together stand in the training records; ``clean`` are the items
    whose image does not (without an image: whose question does not), ``unpaired`` those whose image and
    question do not stand together. ``metrics.json`` is written again; ``overlap.jsonl`` lists what was seen,
    and where.

    Args:
        results: of the evaluation; gets the overlap.
        out: its folder, with ``predictions.jsonl``.
        tasks: name → task, as they were evaluated.
        records: what the model learnt from.
        notes: what a reader has to know of these records, such as files that are gone.
        workers: processes that compare.

    Raises:
        UserError: a file of records cannot be read, or not one image of the benchmarks can be.
    """
    items = {name: {item.id: item for item in task.load()} for name, task in tasks.items()}
    ready_images(tasks, {name: list(found.values()) for name, found in items.items()}, Peers())
    judged = {name for name, task in results["tasks"].items() if "judge" in task}
    answers = _answers(out / "predictions.jsonl", tasks, judged)
    asked = {name: [items[name][item_id] for item_id in found] for name, found in answers.items()}
    overlap = find_overlap(tasks, asked, records, workers=workers)
    settings = results["settings"]
    sampling = Sampling(settings["resamples"], settings["level"], settings["seed"])
    for name, task in tasks.items() if records else ():  # nothing compared is not nothing seen
        results["tasks"][name]["overlap"] = _of_task(task, asked[name], answers[name], overlap, sampling)
    results["overlap"] = {
        "records": list(overlap.files),
        "settings": dict(overlap.settings),
        "unread_images": list(overlap.unread),
        "notes": list(notes),
        "file": FILE,
    }
    write_rows(
        out / FILE,
        (
            {"task": name, "id": item_id, **asdict(sighting)}
            for (name, item_id), sighting in overlap.sightings.items()
        ),
    )
    write_json(out / "metrics.json", results)
    return overlap


def without_overlap(
    results: dict[str, Any], out: Path, error: Exception, *, notes: Sequence[str] = ()
) -> None:
    """Say in the results that the training records could not be compared, and why.

    ``results["overlap"]`` gets the reason in ``failed`` and among its notes, which terminal and report show;
    no task has figures of a comparison. ``metrics.json`` is written again.

    Args:
        results: of the evaluation, as they were before or as a comparison that failed has left them.
        out: its folder.
        error: what ended the comparison.
        notes: as for ``add_overlap``.
    """
    why = str(error) or type(error).__name__
    for task in results["tasks"].values():
        task.pop("overlap", None)
    (out / FILE).unlink(missing_ok=True)
    told = f"the training records could not be compared: {why.rstrip('.')}"
    results["overlap"] = {
        "records": [],
        "settings": {},
        "unread_images": [],
        "notes": [*notes, told],
        "file": None,
        "failed": why,
    }
    write_json(out / "metrics.json", results)


def _answers(
    path: Path, tasks: Mapping[str, Task], judged: Container[str]
) -> dict[str, dict[str, tuple[str, dict[str, float]]]]:
    """Task → item id → answer and its counts, of what was scored about the items' own images; of tasks that
    were judged, what has a verdict."""
    found: dict[str, dict[str, tuple[str, dict[str, float]]]] = {name: {} for name in tasks}
    for row in read_rows(path):
        name = row["task"]
        if not row["blind"] and name in found and (row.get("counts") if name in judged else "counts" in row):
            found[name][row["id"]] = (row["prediction"], row["counts"])
    return found


def _of_task(
    task: Task,
    asked: Sequence[Item],
    answers: Mapping[str, tuple[str, dict[str, float]]],
    overlap: Overlap,
    sampling: Sampling,
) -> dict[str, Any]:
    seen = {item.id: overlap.sightings.get((task.name, item.id), Sighting()) for item in asked}
    clean = [
        item for item in asked if (seen[item.id].image if item.images else seen[item.id].question) is None
    ]
    unpaired = [item for item in asked if seen[item.id].both is None]

    def scored(part: Sequence[Item]) -> dict[str, Any]:
        if task.needs_judge:
            # A judge's marks are in the counts, where they are known; what depends on several of them is not
            # told of a part. An answer that awaits its judge has none.
            marked = [Scored(item, answers[item.id][1]) for item in part if answers[item.id][1]]
            return {"n": len(part), "metrics": score_table(task, marked, sampling)}
        texts = {item.id: task.submitted(answers[item.id][0]) for item in part}
        # An answer without counts awaits its judge, or the benchmark keeps the truth to itself.
        alone = [Scored(item, answers[item.id][1]) for item in part if answers[item.id][1]]
        found = with_joint(alone, joint_counts(task, alone, texts))
        metrics = score_table(task, found, sampling) | (whole_table(task, found, texts) if found else {})
        return {"n": len(part), "metrics": metrics}

    return {
        "n": len(asked),
        "images": sum(one.image is not None for one in seen.values()),
        "questions": sum(one.question is not None for one in seen.values()),
        "both": sum(one.both is not None for one in seen.values()),
        "clean": scored(clean),
        "unpaired": scored(unpaired),
    }
