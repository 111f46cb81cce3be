"""``mmtune eval --compare`` and ``--show``: finished runs, without a model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmtune.errors import UserError

LINES = ("latex", "markdown")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments for finished runs."""
    group = parser.add_argument_group("finished runs", "no model is needed for these")
    group.add_argument(
        "--compare",
        nargs="+",
        metavar="RUN",
        help="compare runs with the first one: folders of mmtune eval, with a name in front where wanted"
        " (tuned=OUT/eval); commas join the seeds of one model (A1,A2,A3); --out gets compare.json and"
        " compare.html",
    )
    group.add_argument("--show", type=Path, metavar="RUN", help="print the table of a run again")
    group.add_argument(
        "--line", choices=LINES, help="with --compare or --show: print rows for a paper's table"
    )


def asked(args: argparse.Namespace) -> bool:
    """Whether finished runs are asked for.

    Raises:
        UserError: if so together with what only a new run can use.
    """
    if args.compare is None and args.show is None:
        if args.line:
            raise UserError("--line shows finished runs", fix="give --show RUN or --compare A B")
        return False
    if args.compare is not None and args.show is not None:
        raise UserError("--compare and --show cannot go together", fix="give one of them")
    if args.checkpoint or args.task or args.miniworld:
        raise UserError("Finished runs are looked at without a checkpoint or tasks", fix="leave these out")
    if args.show is not None and args.out:
        raise UserError("--show writes nothing", fix="leave --out out")
    return True


def run(args: argparse.Namespace) -> None:
    """Show a run, or compare several."""
    if args.show is not None:
        _show(args.show, args.line)
    else:
        _compare(args.compare, args.out, args.line)


def _show(path: Path, line: str | None) -> None:
    from eval.compare.stored import read_results

    results = read_results(path)
    if line:
        from eval.report.lines import show_line

        name = results.get("checkpoint") or path.resolve().name
        sys.stdout.write(show_line(Path(name).name, results, line))
        return
    from mmtune.commands.judged_table import tell_judged
    from mmtune.commands.metrics_table import show_metrics
    from mmtune.commands.overlap_lines import overlap_lines

    show_metrics(results)
    tell_judged(results)
    sys.stdout.writelines(f"{line}\n" for line in overlap_lines(results))


def _compare(runs: list[str], out: Path | None, line: str | None) -> None:
    from eval.compare import compare, parse_groups

    groups = parse_groups(runs)
    comparison = compare(groups)
    if line:
        from eval.report.lines import compare_lines

        sys.stdout.write(compare_lines(comparison, line))
    else:
        from mmtune.commands.compare_table import show_comparison

        show_comparison(comparison)
    if out is not None:
        from eval.json_files import write_json
        from eval.report.comparison import write_comparison

        folder, name = (out.parent, out.name) if out.suffix == ".json" else (out, "compare.json")
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / name, comparison)
        page = write_comparison((folder / name).with_suffix(".html"), comparison, groups)
        if not line:
            sys.stdout.write(f"{folder / name}\nreport: {page}\n")
