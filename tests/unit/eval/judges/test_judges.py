"""Judges without an endpoint: what replies say, checklists, two models side by side, agreement."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from eval.judges import RUBRICS
from eval.judges.agreement import agreement
from eval.judges.checklist_writing import read_checklists
from eval.judges.prompts import SHIPPED, Prompt, prompt_of
from eval.metrics import judged
from eval.metrics.agreement import cohens_kappa, exact_agreement
from eval.tasks import TASKS
from mmtune.errors import UserError
from tests import benchmark_files, judged_files
from tests.commands import run
from tests.endpoints import Server, serve

quick = settings(max_examples=60, deadline=None, derandomize=True)


@pytest.mark.parametrize(
    ("reply", "grade"),
    [
        ("0.7", 0.7),
        ("1.0 because it is right", 1.0),
        (" 0.5", None),  # the official evaluator splits at single spaces
        ("0.5\n", 0.5),
        ("1.1", None),
        ("-0.1", None),
        ("nan", None),
        ("", None),
        ("Grade: 0.5", None),
    ],
)
def test_grades_are_what_stands_before_the_first_space(reply, grade):
    assert judged.parse_grade(reply) == grade


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ("1\n\nbetter", "first"),
        ("2", "second"),
        ("\nTie\nReasons: …", "tie"),
        ("Response 1 is better", None),
        ("1.", None),
        ("12", None),
        ("", None),
    ],
)
def test_choices_are_the_first_line(reply, choice):
    assert judged.parse_choice(reply) == choice


@pytest.mark.parametrize(
    ("reply", "met"),
    [
        ("It is short.\nAnswer: yes", True),
        ("**No.**", False),
        ("YES", True),
        ("Answer - no", False),
        ("yes\nno", None),
        ("Answer: yes\nSo: **Answer: yes**", True),
        ("Yes, it does.", None),
        ("I know", None),
        ("", None),
    ],
)
def test_checks_are_one_line_of_yes_or_no(reply, met):
    assert judged.parse_check(reply) is met


def test_a_written_checklist_is_its_questions():
    reply = "Here you are:\n1. Is it short?\n- Is it in French?\n(3) Is it short?\n\n* Does it rhyme"
    assert judged.parse_checklist(reply) == ["Is it short?", "Is it in French?"]


@quick
@given(st.text(max_size=80))
def test_no_reply_breaks_a_parser(text):
    assert judged.parse_grade(text) is None or 0 <= judged.parse_grade(text) <= 1
    assert judged.parse_choice(text) in ("first", "second", "tie", None)
    assert judged.parse_check(text) in (True, False, None)
    assert all(line.endswith("?") for line in judged.parse_checklist(text))


@quick
@given(st.sampled_from(["yes", "no", "Yes", "NO"]), st.text(alphabet="abc .,\n", max_size=40))
def test_a_check_is_found_behind_any_reasoning(word, reasoning):
    assert judged.parse_check(f"{reasoning}\nAnswer: {word}") is (word.lower() == "yes")


@quick
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_kappa_is_that_of_scikit_learn(pairs):
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    assert exact_agreement(first, second) == sum(a == b for a, b in pairs) / len(pairs)
    for weights in (None, "quadratic"):
        ours = cohens_kappa(first, second, quadratic=weights is not None)
        if len({*first, *second}) == 1:
            assert ours is None
            continue
        # Scikit-learn weighs by the labels' places, which are their numbers where none is left out.
        theirs = cohen_kappa_score(first, second, labels=[0, 1, 2, 3], weights=weights)
        assert ours == pytest.approx(theirs, abs=1e-12)


def test_agreement_that_is_undefined_is_none():
    assert exact_agreement([], []) is None and cohens_kappa([], []) is None
    assert cohens_kappa(["a", "a"], ["a", "a"]) is None
    assert cohens_kappa(["a", "b"], ["b", "a"]) == -1.0
    with pytest.raises(ValueError, match="zip"):
        exact_agreement(["a"], [])


def test_a_place_in_an_answer_stays_text_and_every_shipped_prompt_is_whole():
    prompt = Prompt("p", "## system\nGrade.\n## user\n{{ question }}|{{answer}}\n", "here")
    (system, user) = prompt.messages({"question": "{{ answer }}", "answer": "## user\n{{ question }}"})
    assert (system.role, user.text) == ("system", "{{ answer }}|## user\n{{ question }}")
    for name in RUBRICS:
        assert prompt_of(name, RUBRICS[name].needs, RUBRICS[name].knows).sha256
    assert {path.stem for path in SHIPPED.iterdir()} >= set(RUBRICS)
    assert set(RUBRICS) == {name for name in TASKS if TASKS[name].needs_judge}


@pytest.mark.parametrize("task", judged_files.TASKS)
def test_what_a_run_writes_for_the_judge_is_read_back(task, tmp_path):
    from eval.tasks import TaskConfig, build_tasks

    case = judged_files.write(task, tmp_path / "files")
    (built,) = build_tasks([TaskConfig(task, str(case.annotations))]).values()
    items = built.load()
    said = {item.id: f"a {item.id}" for item in items}
    path = built.write_answers(tmp_path / "written", items, said)
    assert built.read_model_answers(path, items) == said
    assert len(built.read_model_answers(case.answers, items)) == case.items


def test_mmhal_answers_in_another_order_are_refused(tmp_path, capsys):
    from mmtune import cli

    case = judged_files.write("mmhal", tmp_path / "files")
    rows = json.loads(case.annotations.read_text())
    rows = [row | {"question": f"Which {n}?"} for n, row in enumerate(rows)]
    case.annotations.write_text(json.dumps(rows))
    case.answers.write_text(json.dumps([row | {"model_answer": "x"} for row in rows[::-1]]))
    assert cli.main([*case.words, "--judge", "rules", "--out", str(tmp_path / "o")]) == 2
    assert "Answer 1 is to another question" in capsys.readouterr().err


def compare(tmp_path: Path, first: dict[str, str], second: dict[str, str], *more: str, write) -> dict:
    """Two answer files to MM-Vet's questions against each other."""
    case = judged_files.write("mmvet", tmp_path / "files")
    ours, theirs = (benchmark_files.dump(tmp_path / f"{n}.json", a) for n, a in enumerate((first, second)))
    words = ["judge", "mmvet", "--annotations", str(case.annotations), "--mode", "pairwise", "--json"]
    words += ["--predictions", str(ours), "--against", str(theirs), "--out", str(tmp_path / "out"), *more]
    with serve(Server(write=write)) as server:
        return json.loads(run([*words, "--judge", f"openai:{server.url}#m"], tmp_path))


def prefers(quality: str):
    """A judge who prefers the response with a word in it."""

    def write(body):
        asked = body["messages"][-1]["content"]
        first, second = (quality in asked.split(f"[Response {n}]\n")[1].split("\n[End")[0] for n in (1, 2))
        return "Tie" if first == second else "1\nwell" if first else "2\nwell"

    return write


def test_two_models_side_by_side_win_tie_and_lose(tmp_path):
    names = [f"v1_{n}" for n in range(24)]
    ours = {name: f"good {n}" if n < 12 else f"bad {n}" for n, name in enumerate(names)}
    theirs = {name: f"good {n}." if n >= 18 or n < 4 else f"bad {n}." for n, name in enumerate(names)}
    result = compare(tmp_path, ours, theirs, write=prefers("good"))
    values = {name: found["value"] for name, found in result["metrics"].items()}
    assert (values["win"], values["tie"], values["lose"]) == pytest.approx((8 / 24, 10 / 24, 6 / 24))
    assert values["net_win"] == pytest.approx(2 / 24)
    assert values["win_of_decided"] == pytest.approx(8 / 14) and values["consistency"] == 1.0
    assert values["first_place"] == 0.5 and result["replies"] == 48
    verdicts = [json.loads(line) for line in (tmp_path / "out" / "verdicts.jsonl").read_text().splitlines()]
    assert [row["verdict"] for row in verdicts] == ["tie"] * 4 + ["A"] * 8 + ["tie"] * 6 + ["B"] * 6
    again = json.loads(run(["judge", "--replay", "out", "--out", "again", "--json"], tmp_path))
    assert again == result


def test_a_judge_who_always_takes_the_first_response_decides_nothing(tmp_path):
    ours, theirs = ({f"v1_{n}": f"{who} {n}" for n in range(24)} for who in "ab")
    result = compare(tmp_path, ours, theirs, write=lambda body: "1")
    values = {name: found["value"] for name, found in result["metrics"].items()}
    assert (values["win"], values["tie"], values["lose"]) == (0, 1, 0)
    assert values["consistency"] == 0.0 and values["first_place"] == 1.0
    assert values["win_of_decided"] is None and result["inconsistent_items"] == 24


def test_prose_is_neither_a_win_nor_a_tie(tmp_path):
    ours, theirs = ({f"v1_{n}": f"{who} {n}" for n in range(24)} for who in "ab")
    result = compare(tmp_path, ours, theirs, write=lambda body: "Both have their merits.")
    values = {name: found["value"] for name, found in result["metrics"].items()}
    assert values["unparsed"] == 1.0 and values["win"] == values["tie"] == values["lose"] == 0.0
    assert values["consistency"] is None and result["unparsed"] == 48


def test_items_that_only_one_model_answered_are_left_out_and_said(tmp_path):
    ours = {f"v1_{n}": f"good {n}" for n in range(24)}
    theirs = {name: text for name, text in ours.items() if name != "v1_3"}
    result = compare(tmp_path, ours, theirs, "--missing", "skip", write=prefers("good"))
    assert (result["n"], result["of"]) == (23, 24)
    assert result["without_verdict"] == {"v1_3": "the other file has no answer to it"}


def test_checklists_by_judge_and_by_program(tmp_path):
    case = judged_files.write("mmvet", tmp_path / "files")
    rows = [
        {"id": f"v1_{n}", "checklist": ["Does it say a number?", "Is it red?", ["max_words", 5]]}
        for n in range(23)
    ]
    lists = benchmark_files.rows(tmp_path / "lists.jsonl", rows)

    def write(body):
        asked = body["messages"][-1]["content"]
        if "Is it red?" in asked:
            return "So.\nAnswer: yes" if "It is red" in asked else "So.\nAnswer: no"
        return "Answer: yes" if "Number 4." not in asked else "Hard to say."

    with serve(Server(write=write)) as server:
        words = [*case.words, "--mode", "checklist", "--checklists", str(lists), "--json"]
        words += ["--judge", f"openai:{server.url}#m", "--out", str(tmp_path / "out")]
        result = json.loads(run(words, tmp_path))
        assert len(server.bodies) == 46  # the program's checks are asked of nobody
    red = sum(n % 3 != 0 for n in range(23))
    met = 23 + red + 22  # all are short, some red, and one reply says nothing
    assert (result["n"], result["of"]) == (23, 24)
    assert result["without_verdict"] == {"v1_23": "it has no checklist"}
    values = {name: found["value"] for name, found in result["metrics"].items()}
    assert values["drfr"] == pytest.approx(met / 69) == pytest.approx(values["pass_rate"])
    assert values["all_passed"] == pytest.approx((red - 1) / 23)
    assert values["unparsed"] == pytest.approx(1 / 69) and result["unparsed"] == 1
    assert result["per_item"]["v1_4"] == pytest.approx(2 / 3)
    assert (result["checks"], result["checks_by_program"]) == (69, 23)
    again = json.loads(run(["judge", "--replay", "out", "--out", "again", "--json"], tmp_path))
    assert again == result


def test_checklists_that_the_judge_writes_can_be_edited_and_are_kept(tmp_path):
    case = judged_files.write("mmvet", tmp_path / "files")

    def write(body):
        if "turn an instruction" in body["messages"][0]["content"]:
            return "1. Is it short?\n2. Is it red?"
        return "Answer: yes"

    words = [*case.words, "--mode", "checklist", "--json", "--out", str(tmp_path / "out")]
    with serve(Server(write=write)) as server:
        words += ["--judge", f"openai:{server.url}#m"]
        told = run([*words[:-2], *words[-2:], "--dry-run"], tmp_path)
        assert json.loads(told)["checks_to_come"] and not server.bodies
        result = json.loads(run(words, tmp_path))
        path = tmp_path / "out" / "checklists.jsonl"
        assert read_checklists(path)["v1_0"] == ["Is it short?", "Is it red?"]
        assert (result["checks"], result["metrics"]["drfr"]["value"]) == (48, 1.0)
        asked = len(server.bodies)
        edited = path.read_text().replace("Is it red?", "Is it blue?", 1)
        path.write_text(edited)
        json.loads(run(words, tmp_path))
        assert path.read_text() == edited and len(server.bodies) == asked + 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "a", "checklist": []}, "no list of checks"),
        ({"id": "a", "checklist": [3]}, "neither a question nor"),
        ({"id": "a", "checklist": [["max_wrds", 3]]}, "max_words"),
        ({"id": "a", "checklist": [["max_words", "fifty"]]}, "max_words cannot be done with 'fifty'"),
        ({"id": "a", "checklist": [["bullets", None]]}, "bullets cannot be done with None"),
        ({"id": "a"}, "has no 'checklist'"),
    ],
)
def test_a_checklist_with_a_mistake_names_it(row, message, tmp_path):
    with pytest.raises(UserError, match=message):
        read_checklists(benchmark_files.rows(tmp_path / "c.jsonl", [row]))


def verdicts(path: Path, values: dict[str, object]) -> Path:
    return benchmark_files.rows(path, [{"id": name, "verdict": value} for name, value in values.items()])


def test_two_judges_agree_as_far_as_they_do(tmp_path):
    first = verdicts(tmp_path / "a", {"1": "yes", "2": "yes", "3": "no", "4": "no", "5": None, "6": "yes"})
    second = verdicts(tmp_path / "b", {"1": "yes", "2": "no", "3": "no", "4": "no", "5": "yes", "7": "no"})
    found = agreement(first, second)
    assert (found["n"], found["of"], found["unparsed"]) == (4, 7, 1)
    assert (found["only_first"], found["only_second"], found["disagree"]) == (1, 1, ["2"])
    assert found["metrics"]["exact"]["value"] == 0.75
    assert found["metrics"]["kappa"]["value"] == pytest.approx(0.5)
    assert found["metrics"]["kappa"]["low"] < 0.5 < found["metrics"]["kappa"]["high"]
    assert found["table"] == {"no": {"no": 2, "yes": 0}, "yes": {"no": 1, "yes": 1}}
    told = run(["judge", "--agree", str(first), str(second)], tmp_path)
    assert "4 of 7 items have a verdict of both" in told and "kappa" in told


def test_grades_that_are_near_weigh_less_and_checks_of_one_item_are_drawn_together(tmp_path):
    near = {f"{n // 4}/{n % 4}": (n % 7) for n in range(28)}
    off = {name: min(6, value + 1) if int(name[-1]) == 0 else value for name, value in near.items()}
    found = agreement(verdicts(tmp_path / "a", near), verdicts(tmp_path / "b", off))
    assert found["metrics"]["weighted_kappa"]["value"] > found["metrics"]["kappa"]["value"]
    assert found["metrics"]["exact"]["clusters"] == 7


def test_only_checks_are_cut_at_a_slash_and_no_ids_of_items(tmp_path):
    """Ids may be paths: were all of "val" one cluster, nothing would have an interval."""
    names = {f"val/{n}": ("yes" if n % 3 else "no") for n in range(24)}
    rows = [{"id": name, "verdict": value, "verdicts": [value]} for name, value in names.items()]
    judged = benchmark_files.rows(tmp_path / "a", rows)
    people = verdicts(tmp_path / "b", names | {"val/0": "yes", "val/1": "no"})
    exact = agreement(judged, people)["metrics"]["exact"]
    assert exact["clusters"] == 24 and exact["low"] < exact["value"] < 1
    files = {f"val/{n}.jpg": value for n, value in enumerate(names.values())}
    both = agreement(verdicts(tmp_path / "c", files), verdicts(tmp_path / "d", files))
    assert both["metrics"]["exact"]["clusters"] == 24


def test_judges_with_nothing_in_common_are_an_error(tmp_path):
    with pytest.raises(UserError, match="no item with both verdicts"):
        agreement(verdicts(tmp_path / "a", {"1": "x"}), verdicts(tmp_path / "b", {"2": "x"}))


def test_judging_imports_no_torch(tmp_path):
    case = judged_files.write("llavabench", tmp_path / "files")
    words = [*case.words, "--judge", "rules", "--out", str(tmp_path / "out")]
    code = "import sys; from mmtune import cli; s = cli.main(sys.argv[1:]); sys.exit(s or 'torch' in sys.modules)"
    root = Path(judged_files.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code, *words], cwd=root, timeout=120).returncode == 0
