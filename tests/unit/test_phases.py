"""Phases: done once, resumed in place, done again when something before them changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmtune.errors import UserError
from mmtune.phases import Phases, code_hash


def job(out: Path, calls: list[str], *, first: object = 1, second: object = 2) -> list[dict]:
    phases = Phases(out)

    def work(name: str, value: object):
        def run(folder: Path) -> dict:
            calls.append(name)
            assert folder.is_dir()
            (folder / "made").write_text(str(value))
            return {"value": value}

        return run

    return [
        phases.run("first", first, work("first", first)),
        phases.run("second", second, work("second", second)),
    ]


def test_a_finished_job_is_not_done_again(tmp_path):
    calls: list[str] = []
    before = job(tmp_path, calls)
    assert job(tmp_path, calls) == before == [{"value": 1}, {"value": 2}]
    assert calls == ["first", "second"]


def test_a_later_input_leaves_earlier_phases_alone(tmp_path):
    calls: list[str] = []
    job(tmp_path, calls)
    assert job(tmp_path, calls, second=3)[1] == {"value": 3}
    assert calls == ["first", "second", "second"]


def test_an_earlier_input_makes_all_that_follows_anew(tmp_path):
    calls: list[str] = []
    job(tmp_path, calls)
    (tmp_path / "second" / "leftover").write_text("old")
    job(tmp_path, calls, first=5)
    assert calls == ["first", "second"] * 2
    assert not (tmp_path / "second" / "leftover").exists()


def test_a_lost_folder_is_made_again(tmp_path):
    calls: list[str] = []
    job(tmp_path, calls)
    (tmp_path / "first" / "made").unlink()
    (tmp_path / "first").rmdir()
    job(tmp_path, calls)
    assert calls == ["first", "second", "first"]


def test_a_stopped_phase_finds_its_folder_as_it_left_it(tmp_path):
    def stopped(folder: Path) -> dict:
        (folder / "half").write_text("x")
        raise KeyboardInterrupt

    def going_on(folder: Path) -> dict:
        return {"found": (folder / "half").exists()}

    with pytest.raises(KeyboardInterrupt):
        Phases(tmp_path).run("train", "inputs", stopped)
    assert Phases(tmp_path).run("train", "inputs", going_on) == {"found": True}
    assert Phases(tmp_path).read("train").done


def test_time_before_a_stop_counts(tmp_path, monkeypatch):
    from mmtune import phases

    now = [0.0]
    monkeypatch.setattr(phases.time, "monotonic", lambda: now[0])

    def stopped(folder: Path) -> dict:
        now[0] += 60.0
        raise KeyboardInterrupt

    def going_on(folder: Path) -> dict:
        now[0] += 5.0
        return {}

    with pytest.raises(KeyboardInterrupt):
        Phases(tmp_path).run("train", "inputs", stopped)
    again = Phases(tmp_path)
    again.run("train", "inputs", going_on)
    assert again.seconds == {"train": 65.0}
    later = Phases(tmp_path)
    later.run("train", "inputs", going_on)
    assert later.seconds == {"train": 65.0}


def test_a_stopped_phase_with_other_inputs_starts_anew(tmp_path):
    def stopped(folder: Path) -> dict:
        (folder / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Phases(tmp_path).run("train", "inputs", stopped)
    found = Phases(tmp_path).run("train", "others", lambda folder: {"files": len(list(folder.iterdir()))})
    assert found == {"files": 0}


def test_a_folder_of_somebody_else_is_never_removed(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.tex").write_text("years")
    with pytest.raises(UserError, match="in use for something else"):
        Phases(tmp_path).run("data", 1, lambda folder: {})
    assert (tmp_path / "data" / "thesis.tex").read_text() == "years"


def test_a_damaged_record_counts_as_none(tmp_path):
    phases = Phases(tmp_path)
    phases.run("data", 1, lambda folder: {})
    (tmp_path / ".phases" / "data.json").write_text("{")
    assert phases.read("data") is None


def test_other_code_is_another_hash(tmp_path):
    (tmp_path / "a.py").write_text("x = 1")
    before = code_hash([tmp_path])
    assert code_hash([tmp_path]) == before
    (tmp_path / "a.py").write_text("x = 2")
    assert code_hash([tmp_path]) != before


def test_other_weights_are_another_hash_and_bytecode_is_not(tmp_path):
    (tmp_path / "backbone").mkdir()
    (tmp_path / "backbone" / "model.safetensors").write_bytes(b"1")
    before = code_hash([tmp_path])
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_bytes(b"1")
    assert code_hash([tmp_path]) == before
    (tmp_path / "backbone" / "model.safetensors").write_bytes(b"2")
    assert code_hash([tmp_path]) != before
