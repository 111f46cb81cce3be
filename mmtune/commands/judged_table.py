"""Tables of what judges said, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmtune.commands.printed_table import print_table
from mmtune.wording import agreeing, counted


def show_judged(result: Mapping[str, Any]) -> None:
    """Print a judged score: what it is over, who judged, and how far the judge can be relied on.

    Args:
        result: as ``eval.judges.run.judge`` gives it.
    """
    from mmtune.commands.score import show_score

    show_score(result)
    for line in judged_lines(result):
        print_line(line)


def judged_lines(result: Mapping[str, Any]) -> list[str]:
    """What stands under the table of a judged score."""
    from eval.report.judged import unread_as

    judge = result["judge"]
    asked = judge["asked"]["model"]
    names = ", ".join(f"{name or asked} ({n})" for name, n in judge["models"].items())
    prompt = judge["prompt"]
    told = "mmtune's own" if prompt["from"] == "shipped" else prompt["from"]
    lines = [f"judged by {names or 'nobody'}; prompt {prompt['sha256']} ({told})"]
    if judge["asked"]["kind"] == "rules":
        lines.append("no model judged: rules did, and these figures are a rehearsal")
    if result["unparsed"]:
        lines.append(
            f"{result['unparsed']} of {counted(result['replies'], 'reply', 'replies')} could not be read"
            + unread_as(result)
        )
    if result["items_without_verdict"]:
        first, reason = next(iter(result["without_verdict"].items()))
        number, place = result["items_without_verdict"], result.get("judged_file")
        words = counted(number, "item has", "items have")
        listed = f" (all are in {place}, under without_verdict)" if place and number > 1 else ""
        lines.append(
            f"{words} no verdict, as {first}: {reason.rstrip('.')}{listed}; the same command asks again"
        )
    runs = result.get("runs")
    if runs and runs["n"] > 1 and runs["mean"] is not None:
        lines.append(
            f"{runs['n']} runs: {runs['metric']} {runs['mean']:.4f} ± {runs['std']:.4f};"
            f" {runs['same_verdict']:.1%} of the items have one verdict in all"
        )
    orders = result.get("orders")
    if isinstance(orders, dict) and orders["n"]:
        lines.append(
            f"orders swapped, over {orders['n']} of {orders['of']}: {orders['metric']}"
            f" {_value(orders['official'])} official, {_value(orders['swapped'])} swapped,"
            f" {_value(orders['both'])} both; consistency {_value(orders['consistency'])};"
            f" {counted(orders['inconsistent_items'], 'item changes its', 'items change their')} winner"
        )
    return lines


def tell_judged(results: Mapping[str, Any]) -> None:
    """Print who judged a run's answers, what awaits a judge, and what only a benchmark's server can score.

    Args:
        results: of ``mmtune eval``.
    """
    for name, task in results["tasks"].items():
        if "judge" in task:
            for line in judged_lines(task):
                print_line(f"{name}: {line}")
        elif task.get("needs_judge") and task["n"]:  # else there is nothing to judge
            if why := task.get("judging_failed"):
                print_line(f"{name}: the judge failed: {why}")
            place = task.get("answers_file", "the run's folder")
            print_line(f"{name}: answers are in {place}; mark them with --judge or mmtune judge")
        elif task["n"] and not task["metrics"]:
            place = task.get("answers_file", "the answer file")
            print_line(f"{name}: the files hold no truth; {place} is what its server takes")


def show_agreement(result: Mapping[str, Any]) -> None:
    """Print how far two judges agree.

    Args:
        result: as ``eval.judges.agreement.agreement`` gives it.
    """
    from rich.console import Console
    from rich.table import Table

    print_line(
        f"{result['n']} of {counted(result['of'], 'item')}"
        f" {agreeing(result['n'], 'has', 'have')} a verdict of both"
    )
    table = Table(title=f"{result['settings']['level']:.0%} intervals")
    for name in ("agreement", "value", "interval", "n"):
        table.add_column(name, justify="left" if name == "agreement" else "right")
    for name, found in result["metrics"].items():
        interval = "–" if found["low"] is None else f"{found['low']:.4f} – {found['high']:.4f}"
        table.add_row(name, _value(found), interval, str(found["n"]))
    console = Console(highlight=False, markup=False, emoji=False)
    print_table(console, table)
    counts = Table(title="rows: the first judge; columns: the second")
    for label in ("", *result["labels"]):
        counts.add_column(label, justify="right")
    for label, row in result["table"].items():
        counts.add_row(label, *(str(number) for number in row.values()))
    print_table(console, counts)


def print_line(line: str) -> None:
    """One line, as it is."""
    from rich.console import Console

    Console(highlight=False, markup=False, emoji=False, soft_wrap=True).print(line)


def _value(found: Mapping[str, Any]) -> str:
    return "–" if found["value"] is None else f"{found['value']:.4f}"
