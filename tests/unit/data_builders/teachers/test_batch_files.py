"""Batch files: written, sent by somebody, and read back in whatever order and state they come."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from data_builders.teachers.base import Failure, Reply, UnusableError
from data_builders.teachers.batch_files import BYTES_A_FILE, LINES_A_FILE, BatchFiles
from tests.endpoints import completion
from tests.unit.data_builders.teachers.asking import ask, failures, replies, request


def lines(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "requests").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def result(line: dict[str, Any], status: int = 200, error: Any = None) -> str:
    """What the endpoint gives back for a line."""
    text = f"answer to {line['body']['messages'][0]['content']}"
    body = completion(text) if status == 200 else {"error": {"message": "it went wrong"}}
    response = None if error else {"status_code": status, "request_id": "r", "body": body}
    return (
        json.dumps({"id": "b", "custom_id": line["custom_id"], "response": response, "error": error}) + "\n"
    )


def give_back(folder: Path, name: str, rows: list[str]) -> None:
    (folder / "results").mkdir(exist_ok=True)
    (folder / "results" / name).write_text("".join(rows))


def test_what_is_written_is_what_the_endpoint_takes(tmp_path: Path):
    teacher = BatchFiles(tmp_path, "m")
    answers = failures(ask(teacher, [request("a"), request("b"), request("c", "question a")]))
    assert {answer.kind for answer in answers.values()} == {"waiting"}
    assert [file.name for file in teacher.written] == ["requests-0001.jsonl"]
    first, second = lines(tmp_path)  # equal requests are one line
    assert {*first} == {"custom_id", "method", "url", "body"}
    assert (first["method"], first["url"]) == ("POST", "/v1/chat/completions")
    assert first["body"]["messages"] == [{"role": "user", "content": "question a"}]
    assert first["custom_id"] != second["custom_id"]
    ask(teacher, [request("a"), request("d")])
    assert [file.name for file in teacher.written] == [
        "requests-0002.jsonl"
    ]  # what is under way is not sent twice
    assert len(lines(tmp_path)) == 3


def test_answers_are_joined_by_name_and_errors_read_from_their_own_file(tmp_path: Path):
    """Joined by position, three answers of four would stand at the wrong questions."""
    teacher, many = BatchFiles(tmp_path, "m"), [request(str(number)) for number in range(6)]
    ask(teacher, many)
    sent = lines(tmp_path)
    give_back(
        tmp_path, "output.jsonl", [result(sent[3]), result(sent[0]), result(sent[5], 500), result(sent[2])]
    )
    give_back(
        tmp_path, "errors.jsonl", [result(sent[1], error={"code": "batch_expired", "message": "too late"})]
    )
    answers = ask(teacher, many)
    assert {name: reply.text for name, reply in replies(answers).items()} == {
        name: f"answer to question {name}" for name in ("0", "2", "3")
    }
    assert failures(answers) == {
        "1": Failure("1", "server", "too late"),
        "4": Failure("4", "waiting", "its answer has not come back yet"),
        "5": Failure("5", "server", "status 500: it went wrong"),
    }
    assert [line["custom_id"] for line in lines(tmp_path)[6:]] == [sent[1]["custom_id"], sent[5]["custom_id"]]
    ask(teacher, many)
    assert len(lines(tmp_path)) == 8  # the second attempt is under way
    give_back(tmp_path, "second.jsonl", [result(sent[place]) for place in (5, 4, 1)])
    assert len(replies(ask(teacher, many))) == 6  # an answer wins over the error that came before it


def test_files_are_split_at_the_limits(tmp_path: Path):
    assert (LINES_A_FILE, BYTES_A_FILE) == (50_000, 200_000_000)
    many = [request(str(number)) for number in range(10)]
    ask(BatchFiles(tmp_path / "lines", "m", lines=4), many)
    counts = [len(file.read_text().splitlines()) for file in sorted((tmp_path / "lines/requests").iterdir())]
    assert counts == [4, 4, 2]
    ask(BatchFiles(tmp_path / "bytes", "m", size=600), [*many, request("long", "x" * 700)])
    sizes = [file.stat().st_size for file in (tmp_path / "bytes/requests").iterdir()]
    assert max(sizes) <= 600
    assert len(lines(tmp_path / "bytes")) == 10
    (answer,) = ask(BatchFiles(tmp_path / "bytes", "m", size=600), [request("long", "x" * 700)]).values()
    assert "does not fit" in answer.reason  # type: ignore[union-attr]


def test_results_that_are_broken_are_reported(tmp_path: Path):
    teacher, many = BatchFiles(tmp_path, "m"), [request(str(number)) for number in range(4)]
    ask(teacher, many)
    sent = lines(tmp_path)
    rows = [result(sent[0]), "[1, 2]\n", '{"id": "b"}\n', result(sent[0]), result(sent[1])[:-30]]
    give_back(tmp_path, "output.jsonl", rows)
    answers = ask(teacher, many)
    assert [*replies(answers)] == ["0"]
    assert {answer.kind for answer in failures(answers).values()} == {"waiting"}
    assert [(item.line, item.reason.split()[0]) for item in teacher.problems] == [
        (2, "the"), (3, "the"), (4, "custom_id"), (5, "the"),
    ]  # fmt: skip


def test_an_answer_without_the_asked_form_is_a_failure(tmp_path: Path):
    teacher, asked = BatchFiles(tmp_path, "m"), [request("a", schema={"type": "object"})]
    ask(teacher, asked)
    give_back(tmp_path, "output.jsonl", [result(lines(tmp_path)[0])])
    assert failures(ask(teacher, asked))["a"].kind == "unusable"


def test_no_file_of_requests_is_written_over(tmp_path: Path):
    many = [request(str(number)) for number in range(3)]
    for place, one in enumerate(many, start=1):
        teacher = BatchFiles(tmp_path, "m")
        ask(teacher, [one])
        assert [file.name for file in teacher.written] == [f"requests-000{place}.jsonl"]
        if place == 2:
            (tmp_path / "requests/requests-0001.jsonl").unlink()
    asked = [line["body"]["messages"][0]["content"] for line in lines(tmp_path)]
    assert asked == ["question 1", "question 2"]


def test_an_answer_that_was_sent_for_again_is_read(tmp_path: Path):
    """The first was of no use, so that it must not stand before the second for ever, paid for each time."""

    def accept(text: str) -> None:
        if text != "yes":
            raise UnusableError("neither yes nor no")

    teacher, asked = BatchFiles(tmp_path, "m"), [request("a", accept=accept)]
    ask(teacher, asked)
    (sent,) = lines(tmp_path)
    give_back(tmp_path, "first.jsonl", [result(sent)])
    assert failures(ask(teacher, asked))["a"].kind == "unusable"
    assert len(lines(tmp_path)) == 2
    give_back(tmp_path, "second.jsonl", [result(sent).replace("answer to question a", "yes")])
    assert replies(ask(teacher, asked))["a"].text == "yes"
    assert (len(lines(tmp_path)), teacher.problems) == (2, [])


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 12), st.integers(0, 10**6), st.integers(1, 5))
def test_any_order_and_any_loss_joins_right(count: int, seed: int, a_file: int):
    draws = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder, many = Path(name), [request(f"r{number}") for number in range(count)]
        teacher = BatchFiles(folder, "m", lines=a_file)
        ask(teacher, many)
        rows = [(line, draws.choice(["good", "good", "error", "lost"])) for line in lines(folder)]
        fate = {line["body"]["messages"][0]["content"].split()[1]: what for line, what in rows}
        draws.shuffle(rows)
        give_back(folder, "output.jsonl", [result(line) for line, what in rows if what == "good"])
        give_back(folder, "errors.jsonl", [result(line, 400) for line, what in rows if what == "error"])
        for key, answer in ask(teacher, many).items():
            if isinstance(answer, Reply):
                assert (fate[key], answer.text) == ("good", f"answer to question {key}")
            else:
                assert {"error": "server", "lost": "waiting"}[fate[key]] == answer.kind
