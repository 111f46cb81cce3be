"""``mmtune score`` as it is typed: what it prints, and what it says of a mistake."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from mmtune.cli import main
from tests import benchmark_files


def test_a_part_of_a_benchmark_is_never_told_as_the_whole(vqa, tmp_path, capsys):
    path = benchmark_files.dump(tmp_path / "one.json", [{"question_id": 100, "answer": "red"}])
    words = ["score", "vqav2", "--predictions", str(path), "--annotations", str(vqa.annotations)]
    assert main([*words, "--missing", "skip"]) == 0
    assert (
        "scored 1 of 24 items\nthis is not the whole benchmark: 23 items are left out"
        in capsys.readouterr().out
    )
    assert main([*words, "--missing", "wrong"]) == 0
    assert "23 of them have no answer, which counts as wrong" in capsys.readouterr().out


def test_json_output_has_intervals_and_says_n_of_n(vqa, capsys):
    words = ["--predictions", str(vqa.answers), "--annotations", str(vqa.annotations), "--json"]
    assert main(["score", "vqav2", *words]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["metrics"]["accuracy"]["n"] == result["n"] == result["of"] == 24
    assert {"value", "low", "high", "clusters"} <= set(result["metrics"]["accuracy"])
    assert set(result["by"]) == {"question_type", "answer_type"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["score"], "Which benchmark, and which answers"),
        (["score", "vqa2", "--predictions", "x"], "did you mean 'vqav2'"),
        (["score", "vqav2", "--predictions", "x"], "has no annotation file"),
        (["score", "mmstar", "--predictions", "x", "--annotations", "nowhere.tsv"], "cannot be read"),
        (["score", "vqav2", "--predictions", "x", "--missing", "guess"], "invalid choice"),
    ],
)
def test_a_mistyped_command_is_one_clear_sentence(words, said, user_folder, capsys):
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_score_runs_without_torch_and_lists_the_benchmarks(vqa, root):
    code = (
        "import sys; from mmtune.cli import main\n"
        f"status = main(['score', 'vqav2', '--predictions', {str(vqa.answers)!r}, '--annotations', {str(vqa.annotations)!r}])\n"
        "assert main(['score', '--list']) == 0\n"
        "loaded = {name.split('.')[0] for name in sys.modules} & {'torch', 'transformers', 'sklearn', 'matplotlib'}\n"
        "sys.exit(f'{status} {loaded}' if status or loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "mmbench" in done.stdout and "24 of 24" in done.stdout


def test_one_is_one_and_not_several(tmp_path, capsys):
    """Sentences about a single answer are in the singular."""
    rows = [
        {"question_id": n, "image": "i.png", "text": f"Is there a thing {n} in the image?", "label": "yes"}
        for n in range(2)
    ]
    truth = benchmark_files.rows(tmp_path / "coco_pope_random.json", rows)
    answers = benchmark_files.rows(
        tmp_path / "a.jsonl", [{"question_id": n, "answer": "yes"} for n in (0, 9)]
    )
    words = ["score", "pope", "--annotations", str(truth), "--predictions", str(answers)]
    assert main(words) == 2
    assert "1 of 2 items has no answer" in capsys.readouterr().err
    assert main([*words, "--missing", "wrong", "--extra", "ignore"]) == 0
    told = capsys.readouterr().out
    assert "1 of them has no answer" in told and "1 answer to another item is ignored" in told
    assert main([*words, "--missing", "skip", "--extra", "ignore"]) == 0
    assert "1 item is left out" in capsys.readouterr().out


def test_a_capability_of_mmvet_stands_once_in_the_table(tmp_path, capsys):
    questions = {
        f"v1_{n}": {
            "imagename": f"{n}.png",
            "question": "What?",
            "answer": "red",
            "capability": ["ocr"] if n % 3 else ["rec", "ocr"],
        }
        for n in range(9)
    }
    truth = benchmark_files.dump(tmp_path / "mm-vet.json", questions)
    grades = {name: {"score": [round(0.1 * n, 1)]} for n, name in enumerate(questions)}
    answers = benchmark_files.dump(tmp_path / "grades.json", grades)
    assert main(["score", "mmvet", "--annotations", str(truth), "--predictions", str(answers)]) == 0
    table = capsys.readouterr().out
    assert "needs ocr" not in table and "needs rec" not in table
    assert len(re.findall(r"│ (?:rec|ocr) +│", table)) == 2, "the capabilities, each once"
    assert "capabilities: ocr+rec" in table, "what goes together is told too"
