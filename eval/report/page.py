"""Put the page together: numbers, curves, samples, recipe, times, versions."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from eval.json_files import write_whole
from eval.report.browsing import Browse, pack, samples_of_rows
from eval.report.charts import strip
from eval.report.gaps import gaps
from eval.report.groupings import view_groupings
from eval.report.judged import UNPARSED, judge_notes
from eval.report.numbers import (
    NEUTRAL,
    Metric,
    against_blind,
    detectable,
    duration,
    interval,
    label,
    number,
    spaced,
    title,
)
from eval.report.overlap import view_overlap
from eval.report.overview import kind_bars, run_radar
from eval.report.robustness import reliability_view, robustness_view
from eval.report.runs import read_rows, view_run
from eval.report.samples import ContactSheet, Row, contact_sheet
from mmtune.wording import agreeing, counted

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).parents[1] / "templates"

_VERDICTS = {
    "better": "clearly better than blind",
    "worse": "worse than blind",
    "unclear": "not told apart from blind",
    "": "",
}


@dataclass(frozen=True)
class Line:
    """One metric of one task, as a row of a table."""

    name: str
    value: str
    interval: str
    strip: Markup
    n: int
    blind: str
    blind_interval: str
    verdict: str
    verdict_text: str
    arrow: str
    """↑ where more is better, ↓ where less is."""
    detectable: str = "–"
    """The smallest difference to another model that is mostly seen."""
    primary: bool = False


def write_report(
    out: str | Path,
    *,
    results: Mapping[str, Any],
    predictions: str | Path | None = None,
    runs: Mapping[str, str | Path] | None = None,
    recipes: Mapping[str, str | Path] | None = None,
    timings: Mapping[str, float] | None = None,
    comparisons: Mapping[str, Mapping[str, Mapping[str, Metric]]] | None = None,
    heading: str = "mmtune report",
    samples: int = 24,
) -> Path:
    """Write the report as one HTML file that needs nothing else.

    Args:
        out: the file, or the folder that gets ``report.html``.
        results: what ``eval.runner.evaluate`` gives, or the content of ``metrics.json``.
        predictions: that run's ``predictions.jsonl``, for the contact sheet.
        runs: stage → run folder of training, for the loss curves; also for the recipe where ``recipes`` is
            None.
        recipes: stage → recipe, as text or as a path.
        timings: phase → seconds, in order.
        comparisons: heading → model → metric → {value, low, high, n}: further tables, as of a model before
            and after a stage.
        heading: the page's title.
        samples: images of the contact sheet at most. All samples, those of the blind baseline aside, can be
            looked through below it.

    Returns:
        The file's path.
    """
    path = Path(out)
    path = path / "report.html" if path.suffix != ".html" else path
    path.parent.mkdir(parents=True, exist_ok=True)
    stages = {name: Path(folder) for name, folder in (runs or {}).items()}
    rows = read_rows(Path(predictions)) if predictions is not None else []
    html = template("report.html.j2").render(
        heading=heading,
        made=datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        results=results,
        tiles=_tiles(results),
        gaps=gaps(results, title),
        tasks=[_task(name, task) for name, task in results["tasks"].items()],
        not_blind=_not_blind(results),
        breakdowns=_breakdowns(results),
        comparisons=[_comparison(name, models) for name, models in (comparisons or {}).items()],
        runs=[view_run(name, folder) for name, folder in stages.items()],
        radar=run_radar(results),
        sheet=_sheet(results, rows, samples) if predictions is not None else None,
        browse=_browse(results, rows) if rows else None,
        browse_script=template_text("browse.js"),
        groupings=view_groupings(results),
        overlap=view_overlap(results),
        recipes=_recipes(
            recipes if recipes is not None else {n: f / "recipe.yaml" for n, f in stages.items()}
        ),
        timings=_timings(timings or {}),
        style=Markup("").join(template_text(f"{name}.css") for name in ("report", "browse", "robustness")),
        script=template_text("report.js"),
        robustness=robustness_view(results),
        reliability=reliability_view(results),
    )
    return write_page(path, html)


def template(name: str) -> Template:
    """A page's template; whatever is put into it is escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"title_of": title, "spaced": spaced, "duration": duration}
    environment.filters |= {"counted": counted, "agreeing": agreeing}
    return environment.get_template(name)


def template_text(name: str) -> Markup:
    """A style or script, as it goes into a page."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def write_page(path: Path, html: str) -> Path:
    """Write a page whole or not at all."""
    write_whole(path, [html])
    return path


def _line(
    name: str,
    metric: Metric,
    blind: Metric | None,
    lower_is_better: bool,
    primary: bool = False,
    top: float | None = None,
) -> Line:
    """A table row; the strip's scale is 0 to ``top``, by default 1 or as far as the interval goes."""
    value, low, high = (metric[key] for key in ("value", "low", "high"))
    base = blind["value"] if blind else None
    drawn = Markup("")
    if None not in (value, low, high):
        words = f"{number(value)}, 95 % interval {interval(metric)}"
        words += f", blind {number(base)}" if base is not None else ""
        drawn = strip(value, low, high, base, top or _top([metric, blind or metric]), words)
    neutral = name in NEUTRAL
    verdict = "" if neutral else against_blind(metric, blind, lower_is_better)
    return Line(
        name=label(name),
        value=number(value),
        interval=interval(metric),
        strip=drawn,
        n=metric["n"],
        blind=number(base) if blind else "–",
        blind_interval=interval(blind),
        verdict=verdict,
        verdict_text=_VERDICTS[verdict],
        arrow="" if neutral else "↓" if lower_is_better else "↑",
        detectable=detectable(metric),
        primary=primary,
    )


def _top(metrics: Iterable[Metric]) -> float:
    """Where the scale ends on which these scores stand: 1 for shares."""
    highest = max(metric["high"] or metric["value"] or 0.0 for metric in metrics)
    return 1.0 if highest <= 1.0 else highest * 1.1


def _task(name: str, task: Mapping[str, Any]) -> dict[str, Any]:
    lines = [
        _line(
            metric,
            value,
            (task["blind"] or {}).get(metric),
            metric in task["lower_is_better"],
            metric == task["primary"],
        )
        for metric, value in task["metrics"].items()
    ]
    if "judge" in task:
        lines = [replace(one, name=UNPARSED) if one.name == label("unparsed") else one for one in lines]
    lines.sort(key=lambda line: not line.primary)
    told = {key: task.get(key) for key in ("needs_judge", "judging_failed", "judged_by")}
    return {
        "name": title(name),
        "title": task["title"],
        "n": task["n"],
        "of": task["of"],
        "lines": lines,
        "judge_notes": judge_notes(task),
    } | told


def _tiles(results: Mapping[str, Any]) -> list[Line]:
    """The primary metric of each task; POPE's splits as their mean."""
    tiles = []
    mean = results.get("summary", {}).get("pope_mean_f1")
    if mean:
        blind = results["summary"].get("pope_mean_f1_blind")
        splits = mean.get("splits", ())
        heading = f"POPE, mean F1 of {len(splits) or 'the'} splits"
        tiles.append((heading, _line("f1", mean, blind, False)))
    for name, task in results["tasks"].items():
        if task["primary"] not in task["metrics"] or (mean and name in mean.get("splits", ())):
            continue
        metric, blind = task["metrics"][task["primary"]], (task["blind"] or {}).get(task["primary"])
        lower = task["primary"] in task["lower_is_better"]
        tiles.append(
            (f"{title(name)}, {label(task['primary'])}", _line(task["primary"], metric, blind, lower))
        )
    return [replace(line, name=words) for words, line in tiles]


def _breakdowns(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The primary metric of each kind of item, best first."""
    tables = []
    for name, task in results["tasks"].items():
        for breakdown, kinds in task["by"].items():
            metric = task["primary"]
            lower = metric in task["lower_is_better"]
            found = [
                (kind, part["metrics"][metric], (part["blind"] or {}).get(metric))
                for kind, part in kinds.items()
                if part["metrics"].get(metric, {}).get("value") is not None
            ]
            found.sort(key=lambda row: row[1]["value"], reverse=not lower)
            if len(found) > 1:
                heading = f"{title(name)}: {label(metric)} by {breakdown}"
                rows = [(kind, _line(metric, one, blind, lower)) for kind, one, blind in found]
                tables.append({"name": heading, "rows": rows, "bars": kind_bars(heading, found)})
    return tables


def _comparison(name: str, models: Mapping[str, Mapping[str, Metric]]) -> dict[str, Any]:
    """Metric by metric, the models under one another."""
    metrics = list(dict.fromkeys(metric for found in models.values() for metric in found))
    rows = []
    for metric in metrics:
        having = {model: found[metric] for model, found in models.items() if metric in found}
        top = _top(having.values())
        rows += [
            (label(metric), model, _line(metric, one, None, False, top=top)) for model, one in having.items()
        ]
    return {"name": name, "rows": rows}


def _not_blind(results: Mapping[str, Any]) -> list[str]:
    """A sentence for each task and reason why metrics of it have no blind value."""
    sentences = []
    for name, task in results["tasks"].items():
        lacking = task.get("blind_lacking", {})
        for why in dict.fromkeys(lacking.values()):
            metrics = ", ".join(label(metric) for metric, reason in lacking.items() if reason == why)
            sentences.append(f"{title(name)} has no blind {metrics}: {why}")
    return sentences


def _sheet(results: Mapping[str, Any], rows: Sequence[Row], samples: int) -> ContactSheet:
    return contact_sheet(rows, _folders(results), samples)


def _browse(results: Mapping[str, Any], rows: Sequence[Row]) -> Browse:
    return pack(list(samples_of_rows(rows)), [results.get("checkpoint") or "model"], _folders(results))


def _folders(results: Mapping[str, Any]) -> dict[str, str]:
    return {name: task["images"] for name, task in results["tasks"].items()}


def _recipes(recipes: Mapping[str, str | Path]) -> dict[str, str]:
    texts = {}
    for name, recipe in recipes.items():
        if isinstance(recipe, Path):
            if recipe.exists():
                texts[name] = recipe.read_text(encoding="utf-8")
        else:
            texts[name] = recipe
    return texts


def _timings(timings: Mapping[str, float]) -> Sequence[tuple[str, str, float]]:
    """(phase, time, share of the longest phase in percent)."""
    longest = max(timings.values(), default=0.0) or 1.0
    rows = [(name, duration(seconds), 100 * seconds / longest) for name, seconds in timings.items()]
    return [*rows, ("together", duration(sum(timings.values())), 0.0)] if len(rows) > 1 else rows
