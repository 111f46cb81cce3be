"""Benchmarks, one file each; adding one is a new file and a line here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path

from eval.tasks.base import Item, Task, TaskConfig
from mmtune.errors import UserError, unknown
from mmtune.registry import Registry

TASKS: Registry[type[Task]] = Registry(
    "task",
    "eval.tasks",
    {
        "pope": "pope:Pope",
        "vqav2": "vqav2:VQAv2",
        "chair": "chair:ChairTask",
        "captions": "captions:Captions",
        "okvqa": "okvqa:OkVqa",
        "textvqa": "textvqa:TextVQA",
        "vizwiz": "vizwiz:VizWiz",
        "gqa": "gqa:GQA",
        "scienceqa": "scienceqa:ScienceQA",
        "aokvqa": "aokvqa:AOkVqa",
        "aokvqa_direct": "aokvqa:AOkVqaDirect",
        "mme": "mme:MME",
        "mmbench": "mmbench:MMBench",
        "mmbench_cn": "mmbench:MMBenchChinese",
        "seedbench": "seedbench:SeedBench",
        "mmstar": "mmstar:MMStar",
        "mmmu": "mmmu:MMMU",
        "realworldqa": "realworldqa:RealWorldQA",
        "cvbench": "cvbench:CVBench",
        "docvqa": "docvqa:DocVQA",
        "infovqa": "docvqa:InfographicVQA",
        "chartqa": "chartqa:ChartQA",
        "ocrbench": "ocrbench:OCRBench",
        "refcoco": "refcoco:RefCoco",
        "coco_captions": "coco_captions:CocoCaptions",
        "amber": "amber:Amber",
        "amber_descriptions": "amber:AmberDescriptions",
        "hallusionbench": "hallusionbench:HallusionBench",
        "mmhal": "mmhal:MMHal",
        "llavabench": "llavabench:LLaVABench",
        "mmvet": "mmvet:MMVet",
        "mmmt_if": "mmmt_if:MMMTIF",
        "object_halbench": "object_halbench:ObjectHalBench",
        "link_context": "link_context:LinkContext",
        "text_only": "text_only:TextOnly",
    },
)
"""Name → the file and class; a file is imported once its task is asked for."""


def parse_task(text: str) -> TaskConfig:
    """Read ``task:key=value,key=value``, as ``pope:annotations=coco_pope_random.json,images=val2014``.

    The keys are the fields of ``TaskConfig``. A comma inside a value cannot be written here; use the fields.

    Raises:
        UserError: for an unknown task or key, or a value of the wrong type.
    """
    name, _, rest = text.partition(":")
    known = {field.name: field.type for field in fields(TaskConfig) if field.name != "task"}
    values: dict[str, str | int] = {}
    for pair in filter(None, rest.split(",")):
        key, equals, value = pair.partition("=")
        if key not in known:
            raise unknown("task setting", key, known, text)
        if not equals:
            raise UserError(f"The task setting {key} has no value", text, f"write {key}=VALUE")
        try:
            values[key] = int(value) if "int" in str(known[key]) else value
        except ValueError as error:
            raise UserError(f"{key} must be a whole number, not {value!r}", text) from error
    return TaskConfig(task_name(name), **values)  # type: ignore[arg-type]


def task_name(name: str) -> str:
    """The task's name in the registry, for a benchmark's name as people write it: MM-Vet is ``mmvet``.

    Raises:
        UserError: if there is none; names the nearest.
    """
    plain = {_plain(known): known for known in TASKS}
    if _plain(name) not in plain:
        raise unknown("task", name, TASKS)
    return plain[_plain(name)]


def build_tasks(configs: Iterable[TaskConfig]) -> dict[str, Task]:
    """Tasks by their names in the results.

    A POPE task whose annotations are a folder becomes one task for each split's file in it.

    Raises:
        UserError: if a task is unknown or two have one name.
    """
    tasks: dict[str, Task] = {}
    for config in configs:
        for each in _splits(config):
            task = TASKS.find(each.task)(each)
            if task.name in tasks:
                raise UserError(f"Two tasks are called {task.name!r}", fix="give one of them another name=")
            tasks[task.name] = task
    if not tasks:
        raise UserError("There is no task to evaluate", fix=f"name one of {', '.join(TASKS)}")
    return tasks


def build_task(config: TaskConfig) -> Task:
    """The one task that a config names.

    Raises:
        UserError: if the task is unknown, or its annotations are a folder of several splits.
    """
    tasks = build_tasks([config])
    if len(tasks) > 1:
        raise UserError(
            f"{len(tasks)} label files are in this folder", config.annotations, "name one file at a time"
        )
    return next(iter(tasks.values()))


def _splits(config: TaskConfig) -> list[TaskConfig]:
    folder = Path(config.annotations) if config.annotations else None
    if config.task != "pope" or folder is None or not folder.is_dir():
        return [config]
    from eval.tasks.pope import SPLIT as POPE_SPLIT

    files = sorted(
        f for f in folder.iterdir() if POPE_SPLIT.search(f.name) and f.suffix in (".json", ".jsonl")
    )
    if not files:
        raise UserError("There is no POPE file in this folder", str(folder), "give the file itself")
    return [replace(config, annotations=str(path), images=config.images or str(folder)) for path in files]


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


__all__ = ["TASKS", "Item", "Task", "TaskConfig", "build_task", "build_tasks", "parse_task"]
