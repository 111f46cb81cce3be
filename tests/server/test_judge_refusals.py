"""What a judge is not asked: files, prompts and settings that do not fit, keys and budgets."""

from __future__ import annotations

import json

import pytest

from mmtune import cli
from tests import judged_files
from tests.commands import run
from tests.endpoints import Server, serve
from tests.judge_asking import fails, judge
from tests.judged_files import said_by_the_judge


def test_a_key_that_is_refused_a_budget_that_is_spent_and_a_judge_that_is_none(tmp_path, capsys, monkeypatch):
    case = judged_files.write("mmhal", tmp_path / "files")
    words = [*case.words, "--out", str(tmp_path / "out")]
    monkeypatch.delenv("NO_KEY", raising=False)
    with serve(Server(mood=lambda number, body: 401)) as server:
        error = fails(capsys, [*words, "--judge", f"openai:{server.url}#m", "--key-variable", "NO_KEY"])
    assert "refuses to be asked without a key (status 401)" in error and "set NO_KEY" in error
    with serve(Server(write=said_by_the_judge)) as server:
        budget = ["--price-in", "1000", "--price-out", "1000", "--max-budget", "3", "--concurrency", "1"]
        error = fails(capsys, [*words, "--judge", f"openai:{server.url}#m", *budget])
        assert "budget of 3 is spent" in error and 0 < len(server.bodies) < 24
        priced = run([*words, "--judge", f"openai:{server.url}#m", "--dry-run", *budget[:4]], tmp_path)
        assert f"{24 - len(server.bodies)} requests ({len(server.bodies)} more are known)" in priced
        assert "price at most" in priced
    assert "write openai:URL#MODEL" in fails(capsys, [*words, "--judge", "openai:http://127.0.0.1:1/v1"])
    assert "names no judge" in fails(capsys, [*words, "--judge", "gpt-4"])
    assert "name a judge" in fails(capsys, words)


def test_what_changed_since_the_judgements_is_refused_without_a_judge_and_asked_anew_with_one(
    tmp_path, capsys
):
    case = judged_files.write("mmvet", tmp_path / "files")
    replay = [*case.words, "--replay", str(tmp_path / "out"), "--out", str(tmp_path / "again")]
    prompt = tmp_path / "mine.md"
    prompt.write_text("## user\nGrade {{ answer }} for {{ question }} with {{ truth }} |\n")
    with serve(Server(write=said_by_the_judge)) as server:
        first = judge(server, case, tmp_path / "out")
        assert cli.main(replay) == 0
        given = json.loads(case.answers.read_text())
        case.answers.write_text(json.dumps(given | {"v1_3": "It is red."}))
        error = fails(capsys, replay)
        assert "1 answer is not among those that were judged: v1_3" in error and "--judge" in error
        changed = judge(server, case, tmp_path / "out")
        assert len(server.bodies) == 25
        assert changed["metrics"]["total"]["value"] > first["metrics"]["total"]["value"]
        assert cli.main(replay) == 0
        capsys.readouterr()
        error = fails(capsys, [*replay, "--prompt", str(prompt)])
        assert "were made with the prompt" in error
        assert "made with runs 1, not 2" in fails(capsys, [*replay, "--runs", "2"])
        for option, name in (("--temperature", "temperature 0.0"), ("--max-tokens", "max_tokens 16")):
            assert f"made with {name}, not" in fails(capsys, [*replay, option, "1"])
        assert "made with show_images False" in fails(capsys, [*replay, "--show-images"])
        other = judge(server, case, tmp_path / "out", "--prompt", str(prompt))
        assert len(server.bodies) == 25 + 24
        assert other["judge"]["prompt"]["sha256"] != first["judge"]["prompt"]["sha256"]
        assert other["judge"]["prompt"]["from"] == str(prompt)
    truth = json.loads(case.annotations.read_text())
    truth["v1_5"]["answer"] = "violet"
    case.annotations.write_text(json.dumps(truth))
    assert "judged by another truth or other settings, as v1_5" in fails(capsys, replay)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("## user\n{{ question }} {{ truth }}", "no place for answer"),
        ("## user\n{{ question }} {{ truth }} {{ answr }}", "unknown place in the prompt 'answr'"),
        ("Grade it.", "does not end with a '## user' section"),
        ("## user\n{{ question }} {{ truth }} {{ answer }}\n## assistant\n1", "does not end with a"),
    ],
)
def test_a_prompt_that_cannot_work_is_refused_before_anybody_is_asked(text, message, tmp_path, capsys):
    case = judged_files.write("mmvet", tmp_path / "files")
    (tmp_path / "p.md").write_text(text)
    words = [
        *case.words,
        "--judge",
        "rules",
        "--out",
        str(tmp_path / "o"),
        "--prompt",
        str(tmp_path / "p.md"),
    ]
    assert message in fails(capsys, words)


def test_files_that_do_not_belong_together(tmp_path, capsys):
    case = judged_files.write("mmvet", tmp_path / "files")
    given = json.loads(case.answers.read_text())
    words = [*case.words, "--judge", "rules", "--out", str(tmp_path / "o"), "--json"]
    case.answers.write_text(json.dumps({k: v for k, v in given.items() if k != "v1_7"}))
    assert "1 of 24 items has no answer: v1_7" in fails(capsys, words)
    skipped = json.loads(run([*words, "--missing", "skip"], tmp_path))
    assert (skipped["n"], skipped["of"], skipped["missing"]) == (23, 24, ["v1_7"])
    wrong = json.loads(run([*words, "--missing", "wrong"], tmp_path))
    assert (wrong["n"], wrong["missing_counted_as_wrong"]) == (24, 1)
    assert wrong["metrics"]["total"]["value"] == pytest.approx(skipped["metrics"]["total"]["value"] * 23 / 24)
    case.answers.write_text(json.dumps(given | {"v1_99": "x"}))
    assert "does not have: v1_99" in fails(capsys, words)
    bench = judged_files.write("llavabench", tmp_path / "llava")
    (tmp_path / "llava" / "context.jsonl").unlink()
    assert "give --context FILE" in fails(
        capsys, [*bench.words, "--judge", "rules", "--out", str(tmp_path / "o")]
    )
    given = [json.loads(line) for line in bench.answers.read_text().splitlines()]
    bench.answers.write_text("".join(json.dumps(row) + "\n" for row in given[1:]))
    (tmp_path / "llava" / "context.jsonl").write_text("")
    words = [*bench.words, "--judge", "openai:http://127.0.0.1:1/v1#m", "--out", str(tmp_path / "o")]
    assert "cannot count as a wrong one" in fails(capsys, [*words, "--missing", "wrong"])
    assert "is not a wrong one" in fails(
        capsys, [*words, "--missing", "wrong", "--mode", "pairwise", "--against", str(bench.answers)]
    )
    words = ["judge", "pope", "--predictions", "x", "--judge", "rules", "--out", "o", "--annotations", "y"]
    assert cli.main(words) == 2
