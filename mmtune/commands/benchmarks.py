"""What ``mmtune eval --list`` and ``--fetch`` do: where benchmarks come from, and getting them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

_WIDE = 160


def list_benchmarks(*, as_json: bool) -> None:
    """Print every benchmark with its licence, size and source."""
    from eval.tasks import TASKS

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
            f"{task.title}\n{of.page}\nlicence: {of.licence}{fetched}",
            f"items: {of.items}\nimages: {of.images}\nsize: {of.size}",
        )
    # Text that is not for people has no width of its own, and lines are not to be broken in it.
    width = None if sys.stdout.isatty() else _WIDE
    Console(highlight=False, markup=False, width=width).print(table)


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


def _told(task: type) -> dict[str, object]:
    of = task.published  # type: ignore[attr-defined]
    return {
        "title": task.title,  # type: ignore[attr-defined]
        "licence": of.licence,
        "items": of.items,
        "images": of.images,
        "size": of.size,
        "page": of.page,
        "files": [remote.url for remote in of.files],
    }
