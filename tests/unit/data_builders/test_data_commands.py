"""``mmtune data …`` from the words of a command line to the files that it leaves."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from mmtune import cli
from mmtune.commands.data import ACTIONS
from tests.commands import run


def row(number, question="What is it?", image=True, **more):
    text = ("<image>\n" if image else "") + question
    value = {
        "id": f"r{number}",
        "conversations": [{"from": "human", "value": text}, {"from": "gpt", "value": f"A {number}."}],
    }
    return {**value, **({"image": f"{number % 5}.png"} if image else {}), "licence": "CC-BY-4.0", **more}


@pytest.fixture
def folder(tmp_path):
    for number in range(5):
        picture = Image.new("RGB", (60, 60), "white")
        picture.paste((50 * number, 90, 200), (5 * number, 4, 30 + 5 * number, 40))
        picture.save(tmp_path / f"{number}.png")
    write(tmp_path / "rows.jsonl", [row(n, f"What is number {n}?") for n in range(30)])
    return tmp_path


def write(path, rows):
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def fails(words, folder, capsys, *says):
    import os

    before = Path.cwd()
    os.chdir(folder)
    try:
        assert cli.main(words) == 2
    finally:
        os.chdir(before)
    told = capsys.readouterr()
    for part in says:
        assert part in told.err + told.out
    assert "Traceback" not in told.err


@pytest.mark.parametrize("action", list(ACTIONS))
def test_every_action_shows_an_example(action, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["data", action, "--help"])
    assert stopped.value.code == 0
    assert f"mmtune data {action}" in capsys.readouterr().out.split("example:")[1]


def test_help_is_quick_and_imports_nothing_heavy(tmp_path):
    code = (
        "import sys, contextlib, io; from mmtune.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    try: main(['data', 'dedup', '--help'])\n"
        "    except SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'PIL', 'rich'} & set(sys.modules)))"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    root = Path(cli.__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.strip() == "[]"
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_check_reports_and_keeps(folder, capsys):
    write(folder / "bad.jsonl", [row(1), row(1), row(2, image=True) | {"image": "none.png"}, {"id": "x"}])
    fails(
        ["data", "check", "bad.jsonl", "--report", "why.jsonl", "--keep", "good.jsonl"],
        folder,
        capsys,
        "4 records, 2 refused; 2 images; 1 has the id of an earlier one",
    )
    assert [(one["row"], one["id"], one["refused"]) for one in read(folder / "why.jsonl")] == [
        (1, "r1", False),
        (2, "r2", True),
        (3, "x", True),
    ]
    assert read(folder / "good.jsonl") == [row(1), row(1)]
    fails(
        ["data", "check", "bad.jsonl", "--unique-ids", "--no-images"],
        folder,
        capsys,
        "2 refused; 3 images; 1 has the id of an earlier one",
    )


def test_dedup_writes_rows_and_lists(folder):
    write(folder / "twice.jsonl", [row(1), row(6, "WHAT is it"), row(2), {"id": "broken"}])
    told = run(["data", "dedup", "twice.jsonl", "--out", "clean.jsonl"], folder)
    assert "2 of 4 rows, 1 duplicate" in told
    assert [one["id"] for one in read(folder / "clean.jsonl")] == ["r1", "r2"]
    assert [(one["row"], one["of_row"]) for one in read(folder / "clean.duplicates.jsonl")] == [(1, 0)]
    assert [one["row"] for one in read(folder / "clean.problems.jsonl")] == [3]


def test_decontaminate_knows_benchmarks_and_records(folder, capsys):
    pope = [{"question_id": 1, "image": "1.png", "text": "What is number 1?", "label": "yes"}]
    write(folder / "pope.jsonl", pope)
    write(folder / "held.jsonl", [row(7, "what is NUMBER 7")])
    told = run(
        [
            "data",
            "decontaminate",
            "rows.jsonl",
            "--out",
            "clean.jsonl",
            "--task",
            "pope:annotations=pope.jsonl,images=.",
            "--records",
            "held.jsonl",
        ],
        folder,
    )
    assert "pope: image: 5, image and question: 1; 1 row dropped" in told
    assert "clean.jsonl: 28 of 30 rows" in told
    dropped = [one["id"] for one in read(folder / "clean.matches.jsonl") if one["dropped"]]
    assert dropped == ["r1", "r7"]
    write(folder / "more.jsonl", [*pope, {**pope[0], "question_id": 2, "image": "none.png"}])
    words = ["data", "decontaminate", "rows.jsonl", "--out", "some.jsonl", "--task"]
    told = run([*words, "pope:annotations=more.jsonl,images=."], folder)
    assert "1 of 2 images of pope could not be read" in told
    assert [one["row"] for one in read(folder / "some.problems.jsonl")] == ["image none.png"]
    (folder / "empty").mkdir()
    wrong = [*words, "pope:annotations=pope.jsonl,images=empty"]
    fails(wrong, folder, capsys, "not one of the 1 images of pope", "'1.png'", "empty")
    fails(
        ["data", "decontaminate", "rows.jsonl", "--out", "x.jsonl"],
        folder,
        capsys,
        "no benchmark to compare with",
    )


def test_score_select_and_the_random_baseline(folder):
    run(
        [
            "data",
            "score",
            "rows.jsonl",
            "--score",
            "length",
            "--score",
            "refusal",
            "--features",
            "plain",
            "--out",
            "scores",
        ],
        folder,
    )
    assert len(read(folder / "scores/scores.jsonl")) == 30
    told = run(
        [
            "data",
            "select",
            "rows.jsonl",
            "--scores",
            "scores",
            "--selector",
            "k_center",
            "--share",
            "0.2",
            "--out",
            "chosen.jsonl",
        ],
        folder,
    )
    assert "6 of 30 rows by k_center" in told
    chosen, baseline = read(folder / "chosen.jsonl"), read(folder / "chosen.random.jsonl")
    assert len(chosen) == len(baseline) == 6
    rows = read(folder / "rows.jsonl")
    assert all(one in rows for one in chosen + baseline)
    listed = json.loads((folder / "chosen.selection.json").read_text())
    assert sorted(listed["rows"]) == sorted(rows.index(one) for one in chosen)


def test_select_refuses_rows_that_were_not_scored(folder, capsys):
    rows = read(folder / "rows.jsonl")
    rows[4] = {"id": "bad", "conversations": []}
    write(folder / "rows.jsonl", rows)
    words = ["data", "select", "FILE", "--scores", "scores", "--selector", "top_k", "--by", "length"]
    words += ["--count", "3", "--out", "x.jsonl"]
    run(["data", "score", "rows.jsonl", "--score", "length", "--out", "scores"], folder)
    for file, others, says in (
        ("reversed", rows[::-1], "row 0 is record 'r29' and was 'r0'"),
        ("longer", [*rows, row(77)], "row 30, record 'r77', was not scored"),
        ("shorter", rows[:20], "it ends before row 20, record 'r20'"),
        ("without", rows[:4] + rows[5:], "row 4 is record 'r5' and was 'bad'"),
    ):
        write(folder / f"{file}.jsonl", others)
        words[2] = f"{file}.jsonl"
        fails(words, folder, capsys, says, "mmtune data score")
    assert not list(folder.glob("x*"))
    words[2] = "rows.jsonl"
    assert "1 row has no score" in run(words, folder)
    words[words.index("--by") + 1] = "rating"
    fails(words, folder, capsys, "name another score with --by")


def test_rows_without_ids_are_told_by_what_they_say(folder, capsys):
    rows = [{key: value for key, value in row(n, f"What is {n}?").items() if key != "id"} for n in range(6)]
    write(folder / "plain.jsonl", rows)
    score = ["data", "score", "plain.jsonl", "--out", "scores", "--score", "length"]
    run([*score, "--features", "plain"], folder)
    select = ["data", "select", "plain.jsonl", "--scores", "scores", "--count", "2", "--out", "x.jsonl"]
    write(folder / "plain.jsonl", [one | {"licence": "MIT"} for one in rows])
    run(select, folder)
    select[select.index("2")] = "0"
    fails(select, folder, capsys, "0 of 6 rows cannot be chosen")
    write(folder / "plain.jsonl", [rows[0], rows[2], rows[1], *rows[3:]])
    fails(select, folder, capsys, "row 1, record '1', says something else than when it was scored")
    # The vectors that are there would pass for those of this file.
    fails(score, folder, capsys, "keeps the vectors plain of other rows", "choose another folder")
    run([*score, "--features", "plain"], folder)
    run(score, folder)


def test_targets_are_tasks_of_their_own(folder):
    import numpy as np

    run(["data", "score", "rows.jsonl", "--out", "scores", "--score", "length"], folder)
    vectors = np.zeros((30, 2), dtype=np.float32)
    vectors[:, 0], vectors[4] = 1, (0, 1)
    vectors[:, 1] += 0.01 * np.arange(30)
    np.save(folder / "scores/features-gradients.npy", vectors)
    words = ["data", "select", "rows.jsonl", "--scores", "scores", "--selector", "less", "--count", "2"]
    for name, wanted in (("one", [[1, 0]]), ("other", [[0, 1], [0, 2]])):
        (folder / name).mkdir()
        np.save(folder / name / "features-gradients.npy", np.array(wanted, dtype=np.float32))
        words += ["--targets", name]
    run([*words, "--out", "x.jsonl"], folder)
    assert [one["id"] for one in read(folder / "x.jsonl")] == ["r0", "r4"]


def test_mix_says_weights_and_writes_stages(folder):
    write(folder / "a.jsonl", [row(n) for n in range(90)])
    write(folder / "b.jsonl", [row(100 + n, image=False) for n in range(10)])
    told = run(
        [
            "data",
            "mix",
            "a.jsonl",
            "b.jsonl",
            "--rule",
            "square_root",
            "--total",
            "40",
            "--stage",
            "a.jsonl",
            "--stage",
            "b.jsonl",
            "--out",
            "m.jsonl",
        ],
        folder,
    )
    assert "a.jsonl: 30 rows of 90 (weight 0.333333 in a recipe)" in told
    ids = [int(one["id"][1:]) for one in read(folder / "m.jsonl")]
    assert all(one < 100 for one in ids[:30]) and all(one >= 100 for one in ids[30:])


def test_shards_are_built_and_verified(folder, capsys):
    told = run(
        ["data", "shards", "rows.jsonl", "--records", "12", "--out", "shards", "--require-licence"], folder
    )
    write(folder / "some.jsonl", [row(1), row(2, image=True) | {"image": "../0.png"}])
    some = run(["data", "shards", "some.jsonl", "--out", "some"], folder)
    assert "some.jsonl, row 1, record 'r2': the image path climbs out" in some
    assert "3 shards, 30 records, 30 images; strictest licence: attribution" in told
    assert "3 shards, 0 damaged" in run(["data", "shards", "--verify", "shards"], folder)
    (folder / "shards/00001.tar").write_bytes(b"")
    fails(["data", "shards", "--verify", "shards"], folder, capsys, "00001.tar is not what was built")
    (folder / "names.json").write_text('{"ours": "whatever"}')
    fails(
        ["data", "card", "rows.jsonl", "--out", "c.md", "--licences", "names.json"],
        folder,
        capsys,
        "not known",
    )


def test_card_and_page_are_written(folder):
    assert "30 records" in run(["data", "card", "rows.jsonl", "--out", "card.md"], folder)
    assert "browser" in run(["data", "browse", "rows.jsonl", "--count", "3", "--out", "page.html"], folder)
    assert (folder / "page.html").read_text().count("<article") == 3


@pytest.mark.parametrize(
    "words",
    [
        ["check", "rows.json", "--keep", "rows.json"],
        ["check", "rows.json", "--report", "./rows.json"],
        ["check", "rows.json", "--report", "x.jsonl", "--keep", "x.jsonl"],
        ["card", "rows.json", "--out", "rows.md"],  # its figures would be rows.json
        ["browse", "rows.json", "--out", "rows.json"],
        ["dedup", "c.duplicates.jsonl", "--out", "c.jsonl"],
        ["decontaminate", "c.matches.jsonl", "--records", "rows.json", "--out", "c.jsonl"],
        ["select", "c.random.jsonl", "--scores", "s", "--out", "c.jsonl"],
        ["score", "scores.jsonl", "--score", "length", "--out", "."],
    ],
)
def test_no_output_takes_the_place_of_an_input(folder, capsys, words):
    rows = read(folder / "rows.jsonl")
    (folder / "rows.json").write_text(json.dumps(rows))
    for name in ("c.duplicates", "c.matches", "c.random", "scores"):
        write(folder / f"{name}.jsonl", rows)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    fails(["data", *words], folder, capsys, "choose another file")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["data", "chek", "x"], "invalid choice"),
        (["data", "dedup", "rows.jsonl"], "--out"),
        (["data", "dedup", "rows.jsonl", "--out", "x.csv"], ".json or .jsonl"),
        (["data", "dedup", "none.jsonl", "--out", "x.jsonl"], "cannot be read"),
        (["data", "dedup", "rows.jsonl", "--out", "x.jsonl", "--bits", "30"], "0 to 11"),
        (["data", "dedup", "rows.jsonl", "--out", "x.jsonl", "--bitz", "3"], "the nearest is --bits"),
        (["data", "decontaminate", "rows.jsonl", "--out", "x.jsonl", "--difference", "nan"], "0 to 255"),
        (["data", "shards", "rows.jsonl"], "--out FOLDER"),
        (["data", "select", "rows.jsonl", "--out", "x.jsonl", "--scores", "none"], "cannot be read"),
        (["data", "score", "rows.jsonl", "--out", "s", "--score", "loss"], "give a checkpoint"),
        (["data", "mix", "rows.jsonl", "--weight", "rows.jsonl"], "NAME=NUMBER"),
        (["data", "mix", "bad.jsonl", "--out", "x.jsonl"], "bad.jsonl, row 0"),
        (["data", "mix", "nan.jsonl", "--out", "x.jsonl"], "NaN or an infinity"),
        (["data", "mix", "rows.jsonl", "--weight", "rows.jsonl=3"], "--rule weights"),
        (["data", "mix", "rows.jsonl", "--loss", "rows.jsonl=3"], "--rule skills"),
        (["data", "mix", "rows.jsonl", "--rule", "weights", "--weight", "rows.jsonl=nan"], "NAME=NUMBER"),
        (["data", "mix", "rows.jsonl", "--cap", "0"], "--cap"),
        (["data", "mix", "rows.jsonl", "--total", "-3"], "--total"),
        (
            ["data", "mix", "rows.jsonl", "--out", "x.jsonl", "--easy-first", "hardness"],
            "no row has a number",
        ),
        (
            ["data", "mix", "rows.jsonl", "--out", "x.jsonl", "--easy-first", "n", "--stage", "rows.jsonl"],
            "two orders",
        ),
        (["data", "select", "rows.jsonl", "--out", "x.jsonl", "--scores", "s", "--share", "0"], "--share"),
        (["data", "select", "rows.jsonl", "--out", "x.jsonl", "--scores", "s", "--share", "nan"], "--share"),
        (["data", "restyle", "bad.jsonl", "--teacher", "rules", "--out", "x"], "1 rows are no records"),
        (["data", "score", "bad.jsonl", "--score", "length", "--out", "x"], "no record can be scored"),
        (["data", "card", "bad.jsonl", "--out", "x.md"], "no row of the file can be used"),
        (["data", "browse", "bad.jsonl", "--out", "x.html"], "nothing to show"),
        (["data", "shards", "rows.jsonl", "--out", "rows.jsonl/x"], "cannot be written"),
        (["data", "dedup", "rows.jsonl", "--out", "rows.jsonl/x.jsonl"], "Not a directory"),
        (["data", "score", "rows.jsonl", "--score", "length", "--out", "rows.jsonl"], "cannot be written"),
        (["data", "card", "rows.jsonl", "--out", "rows.jsonl/x.md"], "cannot be written"),
        (["data", "browse", "rows.jsonl", "--out", "rows.jsonl/x.html"], "cannot be written"),
    ],
)
def test_mistakes_are_one_sentence(folder, capsys, words, says):
    write(folder / "bad.jsonl", [{"id": "x", "conversations": []}])
    write(folder / "nan.jsonl", [row(1, score=float("nan"))])
    fails(words, folder, capsys, says)
    assert sorted(file.name for file in folder.glob("x*") if file.is_file()) == []
