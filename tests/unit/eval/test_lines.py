"""Rows for papers: numbers with half intervals, n of N, and names that cannot break a table."""

from __future__ import annotations

import pytest

from eval.compare import compare, parse_groups
from eval.compare.comparing import Drawing
from eval.report.lines import compare_lines, escape_text, show_line
from mmtune import cli
from tests.stored_runs import PLAIN, right_or_wrong, write_run, yes_no


def results(**changes):
    task = {
        "primary": "chair_i",
        "lower_is_better": ["chair_i"],
        "n": 90,
        "of": 100,
        "metrics": {"chair_i": {"value": 0.1234, "low": 0.1, "high": 0.152}},
    }
    return {"tasks": {"chair": task | changes}}


def test_a_row_for_latex():
    assert show_line("LLaVA_7B & co.", results(), "latex") == (
        "model & CHAIR CHAIR-i $\\downarrow$ \\\\\n"
        "LLaVA\\_7B \\& co. & 0.123 $\\pm$ 0.026 (90 of 100 items) \\\\\n"
    )


def test_a_row_for_markdown():
    assert show_line("a|b*c", results(n=100), "markdown") == (
        "| model | CHAIR CHAIR-i ↓ |\n| --- | ---: |\n| a\\|b\\*c | 0.123 ± 0.026 |\n"
    )


def test_an_uneven_interval_is_not_halved():
    metrics = {"chair_i": {"value": 0.0, "low": 0.0, "high": 0.062}}
    assert "| m | 0.000 [0.000, 0.062] |" in show_line("m", results(metrics=metrics, n=100), "markdown")
    metrics = {"chair_i": {"value": -1.0, "low": -1.5, "high": -0.9}}
    assert "& $-$1.000 [$-$1.500, $-$0.900] " in show_line("m", results(metrics=metrics, n=100), "latex")


def test_the_row_of_several_seeds_counts_how_they_spread(tmp_path):
    """Seeds of 0 and 1: any mean can be, whatever the items tell."""
    answers = {"a1": [1, 0] * 20, "a2": [1, 0] * 19 + [0, 1], "b1": [0] * 40, "b2": [1] * 39 + [0]}
    for name, values in answers.items():
        write_run(tmp_path / name, {"plain": (PLAIN, right_or_wrong(values))})
    groups = [f"{one}={tmp_path / f'{one}1'},{tmp_path / f'{one}2'}" for one in "ab"]
    found = compare(parse_groups(groups), Drawing(resamples=200, permutations=99))
    first, second = found["tasks"]["plain"]["metrics"]["accuracy"]["values"]
    assert (second["low"], second["high"]) == (0, 1) and second["items"]["high"] < 0.6
    assert 0.1 < first["high"] - first["low"] < 0.4, "seeds alike: the items' spread"
    rows = compare_lines(found, "markdown").splitlines()
    assert rows[3].startswith("| b | 0.487 ± 0.500 |")


def test_what_is_undefined_or_has_no_interval_says_so():
    metrics = {"chair_i": {"value": None, "low": None, "high": None}}
    assert "| – (90 of 100 items) |" in show_line("m", results(metrics=metrics), "markdown")
    metrics = {"chair_i": {"value": 1500.04, "low": None, "high": None}}
    assert "& 1500.0 (90" in show_line("m", results(metrics=metrics), "latex")
    assert "| model | CHAIR CHAIR-i ↓ |" in show_line("m", results(metrics={}), "markdown"), "not judged yet"
    assert "| m | – |" in show_line("m", results(metrics={}, n=100), "markdown")


@pytest.mark.parametrize(
    ("text", "latex", "markdown"),
    [
        ("50% & #1_a", r"50\% \& \#1\_a", r"50% \& \#1\_a"),
        ("a\\b{c}^~$", r"a\textbackslash{}b\{c\}\textasciicircum{}\textasciitilde{}\$", r"a\\b\{c\}^\~\$"),
        ("<b>\n`x` [y](z)", r"\textless{}b\textgreater{} `x` [y](z)", r"\<b\> \`x\` \[y\](z)"),
    ],
)
def test_names_cannot_break_a_table(text, latex, markdown):
    assert escape_text(text, "latex") == latex
    assert escape_text(text, "markdown") == markdown


def test_a_comparison_has_a_row_a_model_and_a_row_a_difference(tmp_path):
    first, second = [1] * 40 + [0] * 60, [1] * 60 + [0] * 40
    for name, values in (("base", first), ("new", second)):
        write_run(tmp_path / name, {"plain": (PLAIN, right_or_wrong(values))})
    found = compare(
        parse_groups([str(tmp_path / "base"), str(tmp_path / "new")]), Drawing(resamples=200, permutations=99)
    )
    head, base, new, change, legend = compare_lines(found, "latex").splitlines()
    assert head == r"model & plain accuracy $\uparrow$ \\"
    assert base.startswith(r"base & 0.400 $\pm$ 0.") and new.startswith(r"new & 0.600 $\pm$ 0.")
    assert change.startswith(r"new - base & +0.200 $\pm$ 0.") and change.endswith(
        r"($p_{\mathrm{Holm}}$ $<$ 0.001) \\"
    )
    assert legend.startswith("% ±: half of the unadjusted 95 % interval; p Holm: adjusted over 1 test,")
    swapped = compare(
        parse_groups([str(tmp_path / "new"), str(tmp_path / "base")]), Drawing(resamples=200, permutations=99)
    )
    *_, change, empty, legend = compare_lines(swapped, "markdown").splitlines()
    assert change.startswith("| base - new | −0.200 ± 0.") and change.endswith("(p Holm < 0.001) |")
    assert empty == "" and legend.startswith("±: half of the unadjusted")


def test_the_commands_print_rows_and_nothing_else(tmp_path, capsys):
    for name in ("a", "b"):
        write_run(tmp_path / name, {"plain": (PLAIN, right_or_wrong([1, 0, 1, 1]))})
    runs = [str(tmp_path / name) for name in ("a", "b")]
    assert cli.main(["eval", "--show", runs[0], "--line", "markdown"]) == 0
    assert [line[:8] for line in capsys.readouterr().out.splitlines()] == ["| model ", "| --- | ", "| a | 0."]
    assert cli.main(["eval", "--compare", *runs, "--line", "markdown"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5 + 2, "rows, and the legend under them"


def test_a_run_is_shown_again_with_what_it_lacks(tmp_path, capsys):
    from dataclasses import replace

    rows = right_or_wrong([1, 0, 1, 1])
    write_run(tmp_path / "a", {"plain": (PLAIN, [*rows[:3], replace(rows[3], error="gone")])})
    assert cli.main(["eval", "--show", str(tmp_path / "a")]) == 0
    shown = capsys.readouterr().out
    assert "accuracy" in shown and "0.667" in shown
    assert "plain is scored over 3 of 4 items" in shown


def test_an_interval_that_holms_p_contradicts_is_named_as_unadjusted(tmp_path):
    """One clear task among several unclear ones: its interval excludes 0, its adjusted p tells nothing apart."""
    first, second = [1] * 20 + [0] * 30, [1] * 29 + [0] * 21
    second[0] = 0
    unclear = {f"t{n}": (PLAIN, right_or_wrong(first)) for n in range(4)}
    write_run(tmp_path / "a", {"plain": (PLAIN, right_or_wrong(first)), **unclear})
    write_run(tmp_path / "b", {"plain": (PLAIN, right_or_wrong(second)), **unclear})
    found = compare(
        parse_groups([str(tmp_path / "a"), str(tmp_path / "b")]), Drawing(resamples=500, permutations=99)
    )
    change = found["tasks"]["plain"]["metrics"]["accuracy"]["against_first"][1]
    assert change["low"] > 0 and change["p_holm"] > 0.05 > change["p"]
    legend = compare_lines(found, "markdown").splitlines()[-1]
    assert "unadjusted" in legend and "adjusted over 5 tests" in legend


def test_a_difference_of_f1_has_its_interval_where_two_runs_agree(tmp_path):
    rows = yes_no([1, 0, 1, 1, 1, 0, 0, 1] * 6)
    for name in ("a", "b"):
        write_run(tmp_path / name, {"pope": ("pope", rows)})
    found = compare(
        parse_groups([str(tmp_path / "a"), str(tmp_path / "b")]), Drawing(resamples=100, permutations=99)
    )
    change = found["tasks"]["pope"]["metrics"]["f1"]["against_first"][1]
    # As many images as may differ unseen change from right to wrong where yes is true, or back.
    tp, fp, fn = (sum(row.counts[name] for row in rows) for name in ("tp", "fp", "fn"))
    much = (1 - 0.025 ** (1 / 48)) * 48
    moved = [2 * (tp + sign * much) / (2 * (tp + sign * much) + fp + fn - sign * much) for sign in (1, -1)]
    f1 = 2 * tp / (2 * tp + fp + fn)
    assert change["difference"] == 0
    assert -change["low"] == change["high"] == pytest.approx(max(abs(value - f1) for value in moved))
    assert "| b - a | 0.000 ± 0." in compare_lines(found, "markdown")


def test_a_difference_of_what_is_undefined_says_so(tmp_path):
    never = yes_no([0, 1] * 10)  # never says yes
    for name, rows in (("a", never), ("b", yes_no([1] * 20))):
        write_run(tmp_path / name, {"pope": ("pope", rows)})
    found = compare(
        parse_groups([str(tmp_path / "a"), str(tmp_path / "b")]), Drawing(resamples=50, permutations=99)
    )
    (note,) = found["notes"]
    assert "the f1 of a is undefined" in note
