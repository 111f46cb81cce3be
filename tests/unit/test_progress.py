"""Progress lines and logs: rate, time left, a file that a person can search."""

from __future__ import annotations

import io
import logging
import re

import pytest

from mmtune import progress


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3725, "1:02:05")])
def test_clock(seconds, text):
    assert progress.clock(seconds) == text


def test_line_tells_count_rate_and_time_left(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.Progress(40, "align", unit="step", stream=io.StringIO()) as bar:
        now[0] += 5.0
        bar.advance(10, note="loss 0.41")
        assert bar.line() == "align: 10/40 (25%), 2.0 step/s, 0:15 left, loss 0.41"
        now[0] += 15.0
        bar.advance(30)
        assert bar.line() == "align: 40/40 (100%), 2.0 step/s, took 0:20, loss 0.41"


def test_slow_work_is_given_in_seconds_a_unit(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.Progress(None, "tune", unit="step", stream=io.StringIO()) as bar:
        now[0] += 8.0
        bar.advance(2)
        assert "4.0 s/step" in bar.line()


def test_lines_come_every_few_seconds_and_not_more_often(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    with progress.Progress(100, "encode", stream=stream, every_s=5.0) as bar:
        for _ in range(100):
            now[0] += 0.1
            bar.advance()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2 or len(lines) == 3  # at 5 s, at the end, and one more where 10 s is just reached
    assert lines[-1].startswith("encode: 100/100")


def test_nothing_done_has_no_rate(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.Progress(None, "build", unit="image", stream=io.StringIO()) as bar:
        now[0] += 8.0
        assert bar.line() == "build: 0, took 0:08"


def test_short_work_writes_no_line():
    stream = io.StringIO()
    with progress.Progress(3, "quick", stream=stream) as bar:
        bar.advance(3)
    assert stream.getvalue() == ""


def test_track_passes_everything_on():
    assert list(progress.track([3, 1, 2], description="numbers")) == [3, 1, 2]
    assert list(progress.track(iter("ab"))) == ["a", "b"]


@pytest.fixture
def clean_logging():
    yield
    root = logging.getLogger()
    for handler in [h for h in root.handlers if getattr(h, "of_mmtune", False)]:
        root.removeHandler(handler)
        handler.close()


def test_log_goes_to_the_run_folder(tmp_path, clean_logging, capsys):
    progress.setup_logging(tmp_path / "first")
    logging.getLogger("mmtune.train").info("step %d", 1)
    progress.setup_logging(tmp_path / "second")
    logging.getLogger("eval.runner").info("item %d", 2)
    first = (tmp_path / "first" / "log.txt").read_text()
    second = (tmp_path / "second" / "log.txt").read_text()
    assert re.search(r"^\d{4}-.* INFO mmtune.train: step 1$", first, re.MULTILINE)
    assert "item 2" in second
    assert "item 2" not in first


def test_libraries_are_quiet_until_something_is_wrong(tmp_path, clean_logging):
    progress.setup_logging(tmp_path)
    logging.getLogger("somelibrary").info("chatter")
    logging.getLogger("somelibrary").warning("trouble")
    told = (tmp_path / "log.txt").read_text()
    assert "chatter" not in told
    assert "trouble" in told
