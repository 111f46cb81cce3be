"""The quarantine file: one row a record, counted once, a stop beyond the budget."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mmtune.data.quarantine import Quarantine, Refusal
from mmtune.errors import RecordError, UserError
from mmtune.images.decoding import ImageError


def _refusal(row: int, reason: str = "no answer") -> Refusal:
    return Refusal("data.json", row, f"r{row}", reason)


def _rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_record_is_written_and_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "run" / "quarantine.jsonl"
    quarantine = Quarantine(path, 0.5, 10)
    for _ in range(3):
        quarantine.add(_refusal(1))
    quarantine.add(_refusal(2, "Grüße"))
    assert len(quarantine) == 2
    assert _rows(path) == [
        {"split": "training", "source": "data.json", "row": 1, "id": "r1", "reason": "no answer"},
        {"split": "training", "source": "data.json", "row": 2, "id": "r2", "reason": "Grüße"},
    ]


def test_a_resumed_run_does_not_write_again(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.jsonl"
    Quarantine(path, 0.5, 10).add(_refusal(1))
    with path.open("a") as file:
        file.write('{"source": "cut sho')
    resumed = Quarantine(path, 0.5, 10)
    resumed.add(_refusal(1))
    assert len(resumed) == 1 and path.read_text().count("r1") == 1
    resumed.add(_refusal(2))
    assert json.loads(path.read_text().splitlines()[-1])["id"] == "r2", "a cut line does not spoil the next"


def test_a_run_that_goes_on_keeps_its_count(tmp_path: Path) -> None:
    """It stopped over the budget: the same command must not start to count from nothing."""
    path = tmp_path / "quarantine.jsonl"
    stopped = Quarantine(path, 0.2, 10)
    for row in (5, 3):
        stopped.add(_refusal(row))
    counted = len(stopped)
    with pytest.raises(UserError, match="3 of 10"):
        stopped.add(_refusal(4))
    resumed = Quarantine(path, 0.2, 10)
    resumed.go_on(counted)
    assert [r.row for r in resumed.refusals] == [5, 3]
    resumed.add(_refusal(3))  # in a later epoch
    with pytest.raises(UserError, match="3 of 10"):
        resumed.add(_refusal(4))
    assert len(_rows(path)) == 3


def test_beyond_the_budget_the_run_stops_with_reasons(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.jsonl"
    quarantine = Quarantine(path, 0.01, 200)
    quarantine.add(_refusal(1))
    quarantine.add(_refusal(2))
    with pytest.raises(UserError) as caught:
        quarantine.add(_refusal(3, "the image is missing"))
    message = str(caught.value)
    for part in (
        "3 of 200",
        "1 %",
        str(path),
        "'r3', row 3 of data.json: the image is missing",
        "quarantine_budget",
    ):
        assert part in message
    assert len(_rows(path)) == 3, "the record that broke the budget is in the file, too"


def test_one_bad_record_of_few_is_already_too_many(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="1 of 20"):
        Quarantine(tmp_path / "q.jsonl", 0.01, 20).add(_refusal(0))


def test_a_rank_that_does_not_write_still_counts(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "q.jsonl", 0.0, 20)
    with pytest.raises(UserError):
        quarantine.add(_refusal(0), write=False)
    assert not (tmp_path / "q.jsonl").exists()


def test_the_budget_is_that_of_all_ranks_together(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    Quarantine(path, 0.1, 20).add(_refusal(0))
    ranks = [Quarantine(path, 0.1, 20) for _ in range(2)]
    ranks[0].add(_refusal(1))
    ranks[1].add(_refusal(2))
    with pytest.raises(UserError, match="3 of 20"):
        ranks[0].add(_refusal(3))


def test_training_and_validation_count_apart(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    training, validation = Quarantine(path, 0.1, 20), Quarantine(path, 0.1, 20, "validation")
    for row in (1, 2):
        training.add(_refusal(row))
        validation.add(_refusal(row + 10))
    assert [r.row for r in training.refusals] == [1, 2] and [r.row for r in validation.refusals] == [11, 12]
    assert [row["split"] for row in _rows(path)] == 2 * ["training", "validation"]
    with pytest.raises(UserError, match="3 of 20 validation records"):
        validation.add(_refusal(1))


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the run folder should be")
    with pytest.raises(UserError, match=r"cannot be written down.*taken"):
        Quarantine(tmp_path / "taken" / "q.jsonl", 0.5, 20).add(_refusal(1))


def test_lines_of_several_writers_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"

    def write(rank: int) -> None:
        quarantine = Quarantine(path, 0.9, 10_000)
        for row in range(50):
            quarantine.add(_refusal(1000 * rank + row, "x" * 500))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert len({row["row"] for row in _rows(path)}) == 200


def test_reasons_say_where_an_image_is() -> None:
    image = Refusal.of(ImageError("the image file is empty", "a.png"), Path("d.json"), 3, "r3")
    record = Refusal.of(RecordError("an answer is empty", "r3", 3), Path("d.json"), 3, "r3")
    assert image.reason == "the image file is empty (a.png)" and record.reason == "an answer is empty"
