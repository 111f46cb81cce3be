"""The report's sections on robustness and on what answers tell of themselves, as the template wants them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from eval.report.curves import Curve, Spot, curves
from eval.report.numbers import interval, label, number, title
from mmtune.wording import counted

SUMMARY = {
    "mean_drop": "mean drop over severities",
    "relative_drop": "the same, of the clean value",
    "area": "area under the curve",
    "mean": "mean over phrasings",
    "worst": "worst phrasing",
    "best": "best phrasing",
    "spread": "best less worst",
    "deviation": "standard deviation over phrasings",
    "changed": "items whose answer changes",
    "consistent": "same option in every order",
    "always_right": "right in every order",
    "adjusted": "accuracy over all orders together",
    "position_bias": "position bias, 0 to 1",
    "gain": "what the image adds",
}
"""Figures of a check's summary, in words."""

_WAYS = {
    "options": "the probabilities of the options",
    "generated": "the probability of the generated answer",
}


def robustness_view(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Task by task, its checks: curve, summary, and a row a condition.

    Args:
        results: as in ``metrics.json``; of a run without checks, nothing.
    """
    return [
        {
            "name": title(name),
            "metric": label(results["tasks"][name]["primary"]),
            "note": unscored_note(results["tasks"][name]),
            "checks": [
                _check(check, found, results["tasks"][name]["primary"]) for check, found in checks.items()
            ],
        }
        for name, checks in (results.get("robustness") or {}).items()
    ]


def unscored_note(task: Mapping[str, Any]) -> str:
    """What is to be known of the robustness of a task that a judge marks; "" of others."""
    if not task.get("needs_judge") and "judge" not in task:
        return ""
    return "a judge marks the answers as the benchmark asks for them alone, so only changed answers are told"


def reliability_view(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Task by task, calibration, yes-bias and abstention, where they have a meaning."""
    found = []
    for name, task in results["tasks"].items():
        parts = [
            *_confidence(task.get("confidence")),
            *_bias(task.get("yes_bias"), task["metrics"]),
            *_abstention(task.get("abstention")),
        ]
        if parts:
            found.append({"name": title(name), "parts": parts})
    return found


def summary_lines(summary: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """What there is to show of a check's summary: words and estimates."""
    for key, words in SUMMARY.items():
        if key in summary:
            yield words, summary[key]
    for one in summary.get("accuracy_by_position", ()):
        yield f"accuracy where the truth is option {one['position']}", one
    for one in summary.get("chosen_by_position", ()):
        yield f"share of answers that name option {one['position']}", one
    for condition, one in summary.get("followed", {}).items():
        yield f"follows {condition}", one["followed"]
        yield f"follows {condition}, beyond its clean answers", one["hijacked"]


def summary_notes(summary: Mapping[str, Any]) -> list[str]:
    """What a reader of a check's summary has to know: where the metric is undefined, and why."""
    metric = label(summary.get("metric", ""))
    notes = [f"{metric} of {one} is undefined: {why}" for one, why in summary.get("undefined", {}).items()]
    if notes and summary.get("phrasings"):
        notes.append(f"mean, worst and best are over the other {len(summary['phrasings'])}")
    return notes


def _check(name: str, found: Mapping[str, Any], metric: str) -> dict[str, Any]:
    if "lacking" in found:
        return {"name": name, "title": found["title"], "lacking": found["lacking"]}
    summary = found["summary"]
    return {
        "name": name,
        "title": found["title"],
        "lacking": None,
        "curve": _corruption(name, summary),
        "figures": [(words, *_figure(one)) for words, one in summary_lines(summary)],
        "notes": summary_notes(summary),
        "rows": [
            {
                "condition": condition,
                "n": one["n"] if one["n"] == found["of"] else f"{one['n']} of {found['of']}",
                "clean": number((one["clean"].get(metric) or {}).get("value")),
                "here": number((one["metrics"].get(metric) or {}).get("value")),
                "difference": number((one["difference"].get(metric) or {}).get("value")),
                "interval": interval(one["difference"].get(metric)),
                "changed": number((one.get("changed") or {}).get("value")),
            }
            for condition, one in found["conditions"].items()
        ],
    }


def _corruption(name: str, summary: Mapping[str, Any]) -> Markup:
    spots = tuple(
        Spot(one["severity"], one["value"], one["low"], one["high"])
        for one in summary.get("curve", ())
        if one["value"] is not None
    )
    top = max([1.0, *(spot.high or spot.y for spot in spots)])
    return curves(
        f"{name}, by severity", [Curve(name, spots)], "severity", label(summary.get("metric", "")), top=top
    )


def _confidence(found: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    for way, one in (found or {}).items():
        bins = tuple(Spot(b["confidence"], b["accuracy"], weight=b["n"]) for b in one["reliability"])
        risk = tuple(Spot(p["coverage"], 1 - p["accuracy"], weight=0.0) for p in one["risk_coverage"])
        top = max([0.1, *(spot.y for spot in risk)])
        figures = [(words, *_figure(one[key])) for key, words in (("ece", "ECE"), ("brier", "Brier score"))]
        figures += [
            ("ECE, bins of equal mass", number(one["ece_equal_mass"]), "–"),
            ("area under risk over coverage (AURC)", number(one["aurc"]), "–"),
            *(
                (f"coverage at an accuracy of {accuracy}", number(share), "–")
                for accuracy, share in one["coverage_at"].items()
            ),
        ]
        yield {
            "title": "Calibration and selective answering",
            "note": f"From {_WAYS[way]}, of {one['n']} of {counted(one['of'], 'answer')}.",
            "charts": [
                curves(
                    "accuracy by confidence",
                    [Curve("answers", bins)],
                    "confidence",
                    "accuracy",
                    diagonal=True,
                ),
                curves("risk by coverage", [Curve("risk", risk)], "share answered", "share wrong", top=top),
            ],
            "figures": figures,
        }


def _bias(
    found: Mapping[str, Any] | None, metrics: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    if not found:
        return
    note = f"Over {counted(found['n'], 'yes/no question')}; a reply that says neither counts as not yes."
    official = metrics.get("yes_ratio", {}).get("value")
    if official is not None and official != found["yes_ratio"]["value"]:
        note += (
            f" Among the scores, “{label('yes_ratio')}” is {number(official)}: the script takes for yes"
            " whatever it does not read as no."
        )
    named = {
        "yes_ratio": "says yes",
        "true_yes_ratio": "is yes",
        "difference": "difference",
        "yes_where_no": "says yes where it is no",
        "no_where_yes": "does not say yes where it is",
        "neither": "says neither",
    }
    figures = [(words, *_figure(found[key])) for key, words in named.items()]
    if found["logit_gap"]:
        gaps = {
            "where_yes": "logit gap where it is yes",
            "where_no": "where it is no",
            "bias": "half-way: the bias",
        }
        figures += [(words, *_figure(found["logit_gap"][key])) for key, words in gaps.items()]
    yield {
        "title": "Yes-bias",
        "note": note,
        "charts": [],
        "figures": figures,
    }


def _abstention(found: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    if not found:
        return
    named = {
        "precision": "precision",
        "recall": "recall",
        "f1": "F1",
        "declined_wrongly": "declined, of the answerable",
    }
    note = (
        f"{found['declined']} of {counted(found['n'], 'question')} declined,"
        f" {counted(found['unanswerable'], 'has', 'have')} no answer."
    )
    figures = [(words, *_figure(found[key])) for key, words in named.items()]
    yield {"title": "Abstention", "note": note, "charts": [], "figures": figures}


def _figure(one: Mapping[str, Any] | None) -> tuple[str, str]:
    """Value and interval as text."""
    return (number(one["value"]), interval(one)) if one else ("–", "–")
