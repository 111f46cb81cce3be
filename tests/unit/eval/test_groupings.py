"""Abilities over several benchmarks: accuracy, stability, and what is missing."""

from __future__ import annotations

import statistics

import pytest
from markupsafe import escape

from eval.groupings import GROUPINGS, Grouping, Member, group_results
from eval.groupings.base import grouped
from eval.report.groupings import view_groupings
from eval.report.page import template
from eval.tasks import TASKS
from mmtune.commands.metrics_table import show_metrics

SIX = {
    "lvlm_ehub": {
        "visual perception",
        "visual knowledge acquisition",
        "visual reasoning",
        "visual commonsense",
        "object hallucination",
        "embodied intelligence",
    },
    "abilitylens": {
        "counting",
        "OCR",
        "attribute recognition",
        "entity extraction",
        "grounding",
        "structured data understanding",
    },
}


def metric(value, n=10):
    return {"value": value, "low": None, "high": None, "n": n, "clusters": n}


def task(benchmark, name="accuracy", value=0.5, n=10, by=None, complete=True):
    kinds = {
        breakdown: {
            kind: {"n": n, "metrics": {name: metric(*found)}, "blind": {}} for kind, found in kinds.items()
        }
        for breakdown, kinds in (by or {}).items()
    }
    return {
        "benchmark": benchmark,
        "n": 10,
        "of": 10,
        "primary": name,
        "metrics": {name: metric(value, n)},
        "by": kinds,
        "blind": {},
        "complete": complete,
    }


@pytest.mark.parametrize("name", SIX)
def test_the_groupings_have_their_six_abilities_over_tasks_that_exist(name):
    grouping = GROUPINGS[name]
    assert set(grouping.abilities) == SIX[name] >= set(grouping.not_here)
    for members in grouping.abilities.values():
        for member in members:
            kind = TASKS[member.benchmark]
            assert member.metric not in kind.lower_is_better and not kind.needs_judge
            assert (member.breakdown is None) == (not member.kinds) and 0 <= member.chance < 1


def test_stability_is_the_spread_of_what_is_left_without_guessing():
    tasks = {
        "seed": task("seedbench", by={"question_type": {"Instances Counting": (0.7, 30), "Other": (0.1, 5)}}),
        "mme": task("mme", by={"sub_task": {"count": (0.8, 60), "OCR": (0.9, 20)}}),
    }
    counting = group_results(tasks)["abilitylens"]["abilities"]["counting"]
    assert counting["accuracy"] == pytest.approx(0.75)
    assert counting["stability"] == pytest.approx(statistics.pstdev([(0.7 - 0.25) / 0.75, (0.8 - 0.5) / 0.5]))
    assert counting["n"] == 90
    assert counting["missing"] == ["mmstar (object counting)"]
    assert counting["not_here"] == ["MIRB", "MuirBench"]


def test_an_ability_names_only_the_parts_that_it_rests_on():
    by = {"type": {"Regular Text Recognition": (0.5, 10)}}
    tasks = {
        "mme": task("mme", by={"sub_task": {"existence": (0.8, 60)}}),
        "ocr": task("ocrbench", by=by),
    }
    found = group_results(tasks)["lvlm_ehub"]["abilities"]
    names = [
        found[name]["members"][0]["name"] for name in ("visual perception", "visual knowledge acquisition")
    ]
    assert names == ["mme (existence)", "ocrbench (Regular Text Recognition)"]


def test_one_benchmark_has_no_stability_and_none_no_accuracy():
    found = group_results({"ocr": task("ocrbench")})["abilitylens"]["abilities"]
    assert (found["OCR"]["accuracy"], found["OCR"]["stability"]) == (0.5, None)
    assert (found["grounding"]["accuracy"], found["grounding"]["n"]) == (None, 0)
    assert len(found["grounding"]["missing"]) == 4


def test_several_kinds_and_splits_weigh_by_their_items():
    by = {"category": {"Attribute-Recognition": (1.0, 30), "attribute_comparison": (0.0, 10)}}
    mmbench = group_results({"b": task("mmbench", by=by)})["abilitylens"]["abilities"][
        "attribute recognition"
    ]
    assert mmbench["accuracy"] == pytest.approx(0.75)
    splits = {f"pope_{n}": task("pope", value=value, n=20) for n, value in enumerate((0.9, 0.6))}
    pope = group_results(splits)["lvlm_ehub"]["abilities"]["object hallucination"]
    assert (pope["accuracy"], pope["n"]) == (pytest.approx(0.75), 40)
    assert pope["members"][0]["tasks"] == ["pope_0", "pope_1"]


def test_what_is_undefined_or_partial_is_told():
    tasks = {"a": task("aokvqa", value=None), "g": task("gqa", complete=False)}
    found = group_results(tasks)["lvlm_ehub"]["abilities"]
    assert found["visual commonsense"]["members"] == []
    assert found["visual reasoning"]["members"][0]["complete"] is False
    assert found["visual reasoning"]["members"][0]["stand_in"] is False


def test_a_run_without_any_of_its_tasks_has_no_grouping():
    assert group_results({"mine": task("text_only")}) == {}
    assert grouped(Grouping("t", {"a": [Member("mme")]}, {}, ""), {}) is None


def test_the_page_shows_abilities_with_what_they_rest_on_and_lack():
    by = {"task": {"Count": (0.5, 10)}}
    tasks = {"c": task("cvbench", by=by), "g": task("gqa", complete=False), "a": task("aokvqa")}
    views = view_groupings({"tasks": tasks, "groupings": group_results(tasks)})
    (view,) = views
    rows = {row.name: row for row in view.rows}
    assert rows["visual perception"].rests_on == ("CV-Bench (Count) 0.500 as a stand-in",)
    assert rows["visual reasoning"].rests_on == ("GQA 0.500, over a part of its items",)
    assert (
        "VizWiz" in rows["visual reasoning"].missing and "VSR (no task)" in rows["visual reasoning"].missing
    )
    assert (rows["embodied intelligence"].accuracy, rows["embodied intelligence"].rests_on) == ("–", ())
    page = template("groupings.html.j2").render(groupings=views)
    assert "GQA 0.500, over a part of its items" in page and "visual commonsense" in page
    assert "Franka Kitchen" in page and str(escape(view.note)) in page
    assert view_groupings({"tasks": tasks}) == ()


def test_the_table_says_what_a_figure_rests_on(capsys):
    tasks = {"c": task("cvbench", by={"task": {"Count": (0.5, 10)}})}
    show_metrics({"tasks": tasks, "groupings": group_results(tasks)})
    lines = capsys.readouterr().out.splitlines()
    shown = "\n".join(lines)
    assert "visual perception: from CV-Bench (Count) 0.500 as a stand-in; without " in shown
    # What the run has nothing of is one line, not one for each ability, and no table of dashes.
    (folded,) = [line for line in lines if "does not have" in line]
    assert folded.startswith("5 of 6 abilities need benchmarks that this run does not have: visual knowledge")
    assert sum("embodied intelligence" in line for line in lines) == 1
    assert "report.html" in shown


def test_names_that_look_like_markup_are_printed_as_they_are(capsys):
    by = {"topic": {"[/INST] red": (0.5, 10), "[bold]": (0.5, 10), ":cat:": (0.5, 10)}}
    show_metrics({"tasks": {"mine": task("text_only", by=by)}})
    shown = capsys.readouterr().out
    assert all(f"topic: {name}" in shown for name in by["topic"])
