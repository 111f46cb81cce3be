"""Questions in other words: what they keep, what a model that hangs on the wording shows, files of one's own."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from eval.asking import Ask, plan_asks
from eval.report import write_report
from eval.robustness import parse_kinds
from eval.robustness.phrasings import read_phrasings
from eval.robustness.planning import plan_conditions
from eval.robustness.undefined import NO_YES
from eval.tasks import build_tasks
from mmtune.commands.metrics_table import show_metrics
from mmtune.errors import UserError
from tests.unit.eval.coloured_choices import colour_shown
from tests.unit.eval.scripted import run_scripted


def test_phrasings_keep_what_is_asked(world):
    tasks = build_tasks([replace(world.configs["pope"], prompt="short")])
    items = {name: task.load() for name, task in tasks.items()}
    planned = plan_conditions(
        parse_kinds(["paraphrase"]), tasks, plan_asks(tasks, items, False, 0), "generate"
    )
    texts: dict[str, list[str]] = {}
    for ask, waiting in planned.asks.items():
        for one in waiting:
            texts.setdefault(one.note.get("condition", ""), []).append(ask.text)
    assert all(len(each) == 24 for each in texts.values())
    assert len(texts) == 1 + 4 + 4
    firsts = {condition: each[0] for condition, each in texts.items()}
    assert len(set(firsts.values())) == len(firsts)
    assert all("green" in text and "{" not in text for text in firsts.values())
    assert firsts["paraphrase:reword-1"].startswith("Does the image contain a green?")
    assert firsts["paraphrase:reword-1"].endswith("single word or phrase.")
    assert "single word" not in firsts["paraphrase:frame-1"]


@pytest.mark.parametrize(
    ("text", "frame", "reworded"),
    [
        (
            "Is there an elephant in this image? Please answer yes or no.",
            "Is there an elephant in this image? Answer with yes or no.",
            "Does the image contain an elephant? Please answer yes or no.",
        ),
        ("Are there any cups in the photo?", None, "Does the image contain any cups?"),
        ("What color is the cup?\nA. red\nB. blue", None, "Which colour is the cup?\nA. red\nB. blue"),
        ("How many cups are there?", None, "What is the number of cups?"),
        ("Does this image show a cup?", None, "Does this picture show a cup?"),
        ("Why is that?", None, None),
        ("Is it {odd}?", None, None),
        ("Is there a {odd} in the image?", None, "Does the image contain a {odd}?"),
    ],
)
def test_our_own_phrasings(text, frame, reworded):
    phrasings = read_phrasings()
    assert phrasings.framed(text, 0) == (frame or f"Look at the image.\n{text}")
    assert phrasings.reworded(text, 0) == reworded


def test_a_model_that_hangs_on_the_wording_shows_it(world, tmp_path):
    """Right about the protocol's own words, and yes to every other phrasing."""
    task = replace(world.configs["pope"], prompt="short")

    def say(ask: Ask) -> str:
        if "Is there a" not in ask.text or "single word" not in ask.text:
            return "yes"
        colour = colour_shown(world, ask)
        return "yes" if colour in ask.text else "no"

    results, _ = run_scripted(say, [task], "paraphrase", tmp_path)
    told = results["robustness"]["pope_random"]["paraphrase"]
    summary = told["summary"]
    assert summary["best"]["value"] == 1.0
    assert summary["worst"]["value"] == pytest.approx(2 / 3)  # F1 of always yes
    assert summary["spread"]["value"] == pytest.approx(1 / 3)
    assert summary["changed"]["value"] == 0.5  # those whose truth is no
    assert (summary["items"], len(summary["phrasings"])) == (24, 9)
    one = told["conditions"]["paraphrase:frame-1"]
    assert one["difference"]["accuracy"]["value"] == -0.5
    # Each image loses the same, so that drawing images anew tells nothing of how sure that is.
    assert (one["difference"]["accuracy"]["low"], one["difference"]["accuracy"]["n"]) == (None, 24)


def test_a_phrasing_without_a_score_is_named_and_the_others_are_told(world, tmp_path, capsys):
    """No to one phrasing of POPE, whose F1 is then undefined; always yes to the others."""
    config = replace(world.configs["pope"], prompt="short")
    (asked,) = (task.prompt(task.load()[0]) for task in build_tasks([config]).values())
    first = read_phrasings(None).framed(asked, 0).splitlines()[-1]
    assert first not in asked.splitlines()

    def say(ask: Ask) -> str:
        return "no" if ask.text.splitlines()[-1] == first or ask.alteration else "yes"

    results, _ = run_scripted(say, [config], "paraphrase,blur:1", tmp_path)
    checks = results["robustness"]["pope_random"]
    summary = checks["paraphrase"]["summary"]
    assert summary["undefined"] == {"paraphrase:frame-1": NO_YES}
    assert "paraphrase:frame-1" not in summary["phrasings"] and len(summary["phrasings"]) == 8
    for figure in ("mean", "worst", "best"):
        assert summary[figure]["value"] == pytest.approx(2 / 3)  # of always yes
    assert summary["spread"]["value"] == 0.0 and summary["changed"]["value"] == 1.0
    assert checks["blur"]["summary"]["undefined"] == {"blur:1": NO_YES}
    assert checks["blur"]["summary"]["mean_drop"]["value"] is None
    show_metrics(results)
    shown = capsys.readouterr().out
    assert f"paraphrase: F1 of paraphrase:frame-1 is undefined: {NO_YES}\n" in shown
    assert "over the other 8" in shown and "blur: F1 of blur:1 is undefined" in shown
    assert f"F1 of blur:1 is undefined: {NO_YES}." in write_report(tmp_path, results=results).read_text()


def test_a_rewording_that_fits_some_items_is_told_over_these(world, tmp_path):
    path = world.root / "coco_pope_random.json"
    lines = path.read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows[:20]:
        row["text"] = f"{row['label']}, or is it not?"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    results, _ = run_scripted(lambda ask: "yes", [world.configs["pope"]], "paraphrase", tmp_path)
    told = results["robustness"]["pope_random"]["paraphrase"]
    assert told["conditions"]["paraphrase:reword-1"]["of"] == 4
    assert told["summary"]["phrasings"] == ["protocol", *(f"paraphrase:frame-{n}" for n in (1, 2, 3))]


def test_a_file_of_ones_own_phrasings(world, tmp_path):
    file = world.write(
        "own.json", {"rewordings": [{"pattern": "Is there (?P<x>.+)\\?", "instead": ["Any {x}?"]}]}
    )
    _, backend = run_scripted(lambda ask: "yes", [world.configs["pope"]], f"paraphrase:{file}", tmp_path)
    assert sum(ask.text.startswith("Any a") for ask in backend.asked) == 24


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "object of"),
        ({"frames": [{"line": "x", "instead": ["no place"]}]}, "no place for the question"),
        ({"rewordings": [{"pattern": "(", "instead": ["a"]}]}, "do not fit together"),
        ({"rewordings": [{"pattern": "(?P<a>x)", "instead": ["{b}"]}]}, "do not fit together"),
        ({"rewordings": [{"pattern": "x"}]}, "list of texts"),
    ],
)
def test_phrasings_that_are_none_are_refused(world, content, message):
    with pytest.raises(UserError, match=message):
        parse_kinds([f"paraphrase:{world.write('own.json', content)}"])
