"""Every benchmark end to end: official files, a real model, scores, and the answer file read back."""

from __future__ import annotations

import inspect
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from eval.compare import compare, parse_groups
from eval.compare.comparing import Drawing
from eval.report import write_report
from eval.runner import run
from eval.score_file import score_file
from eval.scoring import Sampling
from eval.tasks import TASKS, TaskConfig, build_tasks, parse_task
from eval.tasks.base import COMMON
from eval.tasks.embedded import TableOfImages
from mmtune.commands.metrics_table import show_metrics
from mmtune.errors import UserError
from tests import benchmark_files
from tests.tiny_checkpoint import tiny_checkpoint

TOKENS = 3
RESAMPLES = 20
VARIANTS = (
    "textvqa:ocr",
    *(
        f"pope:{source}_{split}"
        for source in ("coco", "aokvqa", "gqa")
        for split in ("random", "popular", "adversarial")
    ),
)
"""Other forms of a benchmark than the first of its files."""
RANKED = ("seedbench", "aokvqa", "pope", "mmbench")
UNDEFINED = {
    "meteor": "a Java program that is not run",
    "spice": "a Java program that is not run",
    "abstained_rightly": "nothing is declined",
    "f1": "nothing is answered with the positive class",
    "precision": "nothing is answered with the positive class",
    "chair_i": "no object is named",
    "chair": "no object is named",
    "chair_s_refine": "no object is named",
    "cog": "no object is named",
    "object_precision": "no object is named",
}
"""Why a metric may have no value for a model that says nothing of sense."""
ON_RAW_TEXT = {"accuracy_fixed"}
"""Metrics of the text before it is normalised for the answer file (VQAv2)."""


def configured(name: str, folder: Path) -> TaskConfig:
    """The files of a task or a variant of it, with an image for every item."""
    task, _, variant = name.partition(":")
    files = benchmark_files.write(task, folder)
    settings = files.settings
    annotations = files.annotations
    if variant == "ocr":
        tokens = [{"image_id": f"i{n}", "ocr_tokens": ["STOP"]} for n in range(benchmark_files.SIZE)]
        settings = f"ocr={benchmark_files.dump(folder / 'rosetta.json', {'data': tokens})}"
    elif variant:
        source, split = variant.split("_")
        annotations = annotations.rename(folder / f"{source}_pope_{split}.json")
    config = replace(
        parse_task(f"{task}:{settings}"),
        annotations=str(annotations),
        questions=str(files.questions) if files.questions else None,
        max_new_tokens=TOKENS,
        name="textvqa_ocr" if variant == "ocr" else None,
    )
    if not issubclass(TASKS[task], TableOfImages) or task in ("mmmu", "cvbench"):
        config = replace(config, images=str(folder / "images"))
        (folder / "images").mkdir()
        (loaded,) = build_tasks([config]).values()
        for item in loaded.load():
            for image in item.images:
                path = folder / "images" / image
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (16, 16), benchmark_files.colour(len(image))).save(path, "PNG")
    return config


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """All tasks in one run of one model, and some of them once more by likelihood."""
    folder = tmp_path_factory.mktemp("every")
    configs = {
        name: configured(name, folder / name.replace(":", "_"))
        for name in (*benchmark_files.WRITERS, *VARIANTS)
    }
    del configs["pope"]  # its variants are all its forms
    model = tiny_checkpoint(folder)
    settings = {"blind": False, "device": "cpu", "resamples": RESAMPLES}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        results = run(model, list(configs.values()), folder / "out", **settings)
        some = [replace(configs.get(name, configs["pope:coco_random"]), limit=None) for name in RANKED]
        ranked = run(model, some, folder / "ranked", how="likelihood", **settings)
    show_metrics(results)
    assert write_report(
        folder / "out", results=results, predictions=folder / "out" / "predictions.jsonl"
    ).exists()
    return results["tasks"], {next(iter(build_tasks([c]))): c for c in configs.values()}, ranked["tasks"]


def values(metrics):
    return {name: found["value"] for name, found in metrics.items() if name not in ON_RAW_TEXT}


def test_nothing_of_the_registry_is_left_out(ran):
    found, configs, _ = ran
    assert {config.task for config in configs.values()} == set(TASKS)
    assert list(found) == list(configs)
    assert {
        f"pope_{source}{split}" for source in ("", "aokvqa_", "gqa_") for split in ("random", "popular")
    } < set(found)


@pytest.mark.parametrize("name", [name for name in (*benchmark_files.WRITERS, *VARIANTS) if name != "pope"])
def test_it_is_asked_scored_written_and_read_back(name, ran):
    found, configs, _ = ran
    wanted = {"textvqa:ocr": "textvqa_ocr"}.get(name, name.replace(":coco", "").replace(":", "_"))
    result, config = found[wanted], configs[wanted]
    assert result["of"] >= 20 and result["n"] == result["of"] and result["complete"], result["failures"]
    assert ".partial" not in result["answers_file"]
    if result["needs_judge"]:
        assert result["metrics"] == {} == result["by"], "its score is the judge's to give"
        return
    assert result["primary"] in result["metrics"]
    undefined = [metric for metric, value in values(result["metrics"]).items() if value is None]
    assert all(metric.removesuffix("_fixed").endswith(tuple(UNDEFINED)) for metric in undefined)
    scored = score_file(config, Path(result["answers_file"]), sampling=Sampling(resamples=RESAMPLES))
    assert values(scored["metrics"]) == values(result["metrics"])
    assert (scored["n"], scored["of"]) == (result["n"], result["of"])
    rows = Path(result["answers_file"]).parents[1] / "predictions.jsonl"
    again = score_file(config, rows, sampling=Sampling(resamples=RESAMPLES))
    assert values(again["metrics"]) == values(result["metrics"]), "the run's own rows"


@pytest.mark.parametrize("name", RANKED)
def test_options_are_ranked_by_likelihood(name, ran):
    _, _, ranked = ran
    result = ranked[name if name != "pope" else "pope_random"]
    assert (result["n"], result["answered_by"]) == (result["of"], {"likelihood": result["of"]})
    assert result["metrics"][result["primary"]]["value"] is not None
    assert result["metrics"].get("unparsed", {"value": 0})["value"] == 0


def test_a_comparison_computes_every_figure_anew_from_the_rows(ran, tmp_path):
    """The run against its own copy: all figures are those of metrics.json, and nothing differs."""
    found, _, _ = ran
    folder = Path(next(iter(found.values()))["answers_file"]).parents[1]
    copy = shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("answered*"))
    compared = compare(parse_groups([str(folder), str(copy)]), Drawing(RESAMPLES, RESAMPLES))
    for name, result in found.items():
        if result["needs_judge"]:
            assert compared["not_compared"][name].startswith("its answers await a judge in ")
            continue
        task = compared["tasks"][name]
        assert (task["n"], task["left_out"]) == (result["n"], [])
        for metric, stored in result["metrics"].items():
            if stored["value"] is None:
                continue
            shown = task["metrics"][metric]
            assert [one["value"] for one in shown["values"]] == pytest.approx([stored["value"]] * 2), metric
            assert shown["values"][0]["n"] == stored["n"], metric
            assert shown["against_first"][1]["difference"] == pytest.approx(0.0)
            assert shown["against_first"][1]["p"] in (1.0, None)


def load_all(config):
    for task in build_tasks([config]).values():
        task.load()


@pytest.mark.parametrize("name", TASKS)
def test_a_task_says_which_settings_it_takes_and_cannot_do_without(name, tmp_path):
    """What it says is what its code reads, and what its files are needed for."""
    task = TASKS[name]
    own = {inspect.getsourcefile(part) for part in task.__mro__ if part.__module__.startswith("eval.tasks.")}
    source = "".join(Path(file).read_text() for file in own if Path(file).stem not in ("base", "embedded"))
    read = set(re.findall(r"config\.(\w+)", source)) - {"task", *COMMON}
    assert read | {"annotations"} == {*task.needs, *task.takes}
    config = configured(name, tmp_path)
    for setting in task.needs:
        with pytest.raises(UserError):
            load_all(replace(config, **{setting: None}, name="mine"))
    for setting in task.takes:
        (without,) = build_tasks([replace(config, **{setting: None}, name="mine")]).values()
        assert without.load()
