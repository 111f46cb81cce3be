"""What ``mmtune eval --list`` and ``--fetch`` do: where benchmarks come from, and getting them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eval.tasks import Task

_WIDE = 160


def list_benchmarks(*, as_json: bool) -> None:
    """Print every benchmark with its licence, size, source and settings."""
    from eval.tasks import TASKS
    from eval.tasks.base import COMMON

    if as_json:
        told = {name: _told(task) for name, task in TASKS.items()}
        sys.stdout.write(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(show_lines=True)
    table.add_column("task", no_wrap=True)
    table.add_column("benchmark, page, licence", overflow="fold", ratio=3)
    table.add_column("items, images, size", ratio=2)
    for name, task in TASKS.items():
        of = task.published
        fetched = "; --fetch gets its files" if of.files else ""
        table.add_row(
            name,
            f"{task.title}\n{of.page}\nlicence: {of.licence}{fetched}\nsettings: {_settings(task)}",
            f"items: {of.items}\nimages: {of.images}\nsize: {of.size}",
        )
    # Text that is not for people has no width of its own, and lines are not to be broken in it.
    width = None if sys.stdout.isatty() else _WIDE
    console = Console(highlight=False, markup=False, width=width)
    console.print(table)
    console.print(
        f"Settings follow the task as {next(iter(TASKS))}:KEY=VALUE,…; * must be given to ask a model. Every"
        f" task also takes {', '.join(COMMON)}."
    )


def fetch_benchmark(name: str, into: Path | None, mirror: str | None) -> None:
    """Download a benchmark and say how to use it.

    Raises:
        UserError: if there is no such benchmark or its files cannot be had.
    """
    from eval.fetching import fetch
    from eval.tasks import TASKS, task_name

    task = task_name(name)
    published = TASKS[task].published
    folder = into or Path(task)
    sys.stdout.write(f"licence: {published.licence} ({published.page})\n")
    for path in fetch(task, published, folder, mirror):
        sys.stdout.write(f"{path}\n")
    if published.use:
        settings = published.use.replace("{folder}", str(folder))
        sys.stdout.write(f"use it with --task {task}:{settings}\n")


def _settings(task: type[Task]) -> str:
    """The task's own settings, those that must be given marked."""
    return ", ".join([*(f"{name}*" for name in task.needs), *task.takes])


def _told(task: type[Task]) -> dict[str, object]:
    from eval.tasks.base import COMMON

    of = task.published
    return {
        "title": task.title,
        "settings": {"required": list(task.needs), "optional": [*task.takes, *COMMON]},
        "licence": of.licence,
        "items": of.items,
        "images": of.images,
        "size": of.size,
        "page": of.page,
        "files": [remote.url for remote in of.files],
    }
