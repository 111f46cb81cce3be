"""Folders of runs that have not come to their end, and folders that look like one."""

from __future__ import annotations

import json

import pytest

from eval.runner import evaluate
from eval.tasks import build_tasks
from eval.unfinished import refuse_unfinished
from mmtune import cli
from mmtune.errors import UserError
from tests.unit.eval.conftest import SeeingEngine


class Killed(SeeingEngine):
    """Ends while its weights are being told apart from others, before the first question."""

    def identity(self):
        raise KeyboardInterrupt


def test_a_run_that_dies_before_its_first_answer_does_not_have_those_of_an_earlier_one(
    world, seeing, tmp_path, capsys
):
    config = world.configs["pope"]
    evaluate(seeing, build_tasks([config]), tmp_path, resamples=10, blind=False)
    score = ["score", "pope", "--predictions", str(tmp_path / "predictions.jsonl")]
    score += ["--annotations", config.annotations]
    assert cli.main(score) == 0
    with pytest.raises(KeyboardInterrupt):
        evaluate(Killed("another model"), build_tasks([config]), tmp_path, resamples=10, blind=False)
    capsys.readouterr()
    assert cli.main(score) == 2
    assert "was stopped, or is still at work, after 0 of 24 answers" in capsys.readouterr().err


@pytest.mark.parametrize(
    "other", ['{"lr": 0.1}', "[1]", "{half", '{"items": 5}', '{"items": {"a": "b"}}', ""]
)
def test_another_programs_run_json_is_no_run_of_ours(tmp_path, other):
    (tmp_path / "run.json").write_text(other)
    (tmp_path / "predictions.jsonl").write_text('{"id": "1", "answer": "yes"}\n')
    refuse_unfinished(tmp_path / "predictions.jsonl")


def test_rows_of_others_are_no_answers_of_a_run(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"items": {"pope": 1}}))
    (tmp_path / "predictions.jsonl").write_text('[1]\n5\n{"id": "1", "answer": "yes"}\n')
    with pytest.raises(UserError, match=r"after 0 of 1 answer \("):
        refuse_unfinished(tmp_path)
