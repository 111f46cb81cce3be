"""Building with a teacher: steps, failures, resuming, batch files, and never an empty success."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from data_builders.teachers.base import Failure, Message, Request, UnusableError
from data_builders.teachers.batch_files import BatchFiles
from data_builders.teachers.building import Built, Rejection, Steps, Unit, build
from data_builders.teachers.cache import Cached, ReplyStore
from data_builders.teachers.concurrency import chunked
from data_builders.teachers.rules import Rules
from mmtune.errors import UserError
from tests.unit.data_builders.teachers.test_batch_files import give_back, lines, result


def question(kind: str, text: str, **facts: Any) -> Request:
    return Request(kind, (Message("user", text),), kind=kind, facts=facts)


def steps(name: str) -> Steps:
    """Two questions, then one about both answers."""
    first, second = yield [question("ask", f"{name} {place}", name=name) for place in (1, 2)]
    (last,) = yield [question("sum", f"{first.text} and {second.text}", name=name)]
    return Built(({"id": name, "text": last.text},), (Rejection(name, "twice", second.text),))


def units(names: Sequence[str]) -> list[Unit]:
    return [Unit(name, "1", lambda name=name: steps(name)) for name in names]


def rules(**more: Any) -> Rules:
    def text(request: Request) -> str:
        return f"<{request.messages[0].text}>"

    return Rules({"ask": text, "sum": text, **more})


def rows(folder: Path, name: str = "records") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def test_records_come_in_the_order_of_the_input(tmp_path: Path):
    report = build(units("dabc"), rules(), tmp_path, at_once=2)
    assert (report.units, report.records, report.rejected, report.replies) == (4, 4, 4, 12)
    assert [row["id"] for row in rows(tmp_path)] == ["d", "a", "b", "c"]
    assert rows(tmp_path)[0]["text"] == "<<d 1> and <d 2>>"
    assert rows(tmp_path, "rejected")[0] == {"unit": "d", "reason": "twice", "text": "<d 2>"}
    assert json.loads((tmp_path / "build.json").read_text())["records"] == 4


def test_a_failure_is_reported_and_tried_again_by_the_next_run(tmp_path: Path):
    def moody(request: Request) -> str:
        return "" if request.facts["name"] == "b" else "fine"

    report = build(units("abc"), rules(sum=moody), tmp_path)
    assert [row["id"] for row in rows(tmp_path)] == ["a", "c"]
    assert rows(tmp_path, "failures") == [
        {"unit": "b", "kind": "unusable", "reason": "the answer is empty", "attempts": 1}
    ]
    assert report.failures == rows(tmp_path, "failures")
    again = build(units("abc"), rules(), tmp_path)
    assert (again.skipped, again.records) == (2, 3)
    assert [row["id"] for row in rows(tmp_path)] == ["a", "b", "c"]
    assert rows(tmp_path, "failures") == []


def test_never_an_empty_success(tmp_path: Path):
    with pytest.raises(UserError, match="the input is empty"):
        build([], rules(), tmp_path / "none")
    with pytest.raises(UserError, match=r"not one record was built.*3 x the answer is empty"):
        build(units("abc"), rules(sum=lambda request: ""), tmp_path / "failed")

    def refused(name: str) -> Steps:
        yield [question("ask", name)]
        return Built((), (Rejection(name, "untrue"),))

    with pytest.raises(UserError, match="1 answers were rejected"):
        build([Unit("a", "1", lambda: refused("a"))], rules(), tmp_path / "rejected")
    many = units([str(number) for number in range(1000)])
    with pytest.raises(UserError, match="20 units failed and none succeeded"):
        build(many, rules(sum=lambda request: ""), tmp_path / "many", hopeless=20)
    assert len(rows(tmp_path / "many", "failures")) == 20


def test_a_unit_that_changed_is_built_again_and_one_that_is_gone_is_left_out(tmp_path: Path):
    build(units("abc"), rules(), tmp_path)
    changed = [Unit("a", "2", lambda: steps("A")), *units("c")]
    report = build(changed, rules(), tmp_path)
    assert (report.skipped, [row["id"] for row in rows(tmp_path)]) == (1, ["A", "c"])


def test_ids_that_stand_twice_are_reported(tmp_path: Path):
    report = build(units("aab"), rules(), tmp_path, at_once=1)
    assert [row["id"] for row in rows(tmp_path)] == ["a", "b"]
    assert [row["kind"] for row in report.failures] == ["input"]


def test_ids_that_stand_twice_are_reported_while_the_first_is_at_work(tmp_path: Path):
    """The second took the first one's place in silence."""

    class Together(Rules):
        """Answers what has come so far, so that several units are at work at once."""

        async def ask(self, requests: Any) -> Any:
            async for group in chunked(requests, 8):
                for request in group:
                    yield self.answer(request)

    def other(name: str) -> Steps:
        yield [question("ask", "other")]
        return Built(({"id": name, "text": "other"},))

    twins = [*units("a"), Unit("a", "2", lambda: other("a")), *units("b")]
    for folder in ("one", "two"):  # the second run of a folder says the same
        report = build(twins, Together(rules().rules), tmp_path, at_once=8)
        assert [row["text"] for row in rows(tmp_path)] == ["<<a 1> and <a 2>>", "<<b 1> and <b 2>>"], folder
        assert [(row["unit"], row["kind"]) for row in report.failures] == [("a", "input")]


def test_another_build_in_the_folder_is_refused(tmp_path: Path):
    build(units("a"), rules(), tmp_path, description={"seed": 0, "builder": "x"})
    with pytest.raises(UserError, match="differs in seed"):
        build(units("a"), rules(), tmp_path, description={"seed": 1, "builder": "x"})


def test_only_one_process_builds_in_a_folder(tmp_path: Path):
    def nested(name: str) -> Steps:
        with pytest.raises(UserError, match="another process"):
            build(units("a"), rules(), tmp_path)
        yield [question("ask", name)]
        return Built(({"id": name},))

    assert build([Unit("n", "1", lambda: nested("n"))], rules(), tmp_path).records == 1


def test_a_run_that_ends_early_keeps_what_earlier_runs_finished(tmp_path: Path):
    class Refusing(Rules):
        async def ask(self, requests: Any) -> Any:
            raise UserError("the endpoint refuses the key")
            yield

    build(units("abc"), rules(), tmp_path)
    with pytest.raises(UserError, match="refuses the key"):
        build([*units("d"), *units("abc")], Refusing({}), tmp_path)
    assert [row["id"] for row in rows(tmp_path)] == ["a", "b", "c"]
    assert build(units("abcd"), rules(), tmp_path).records == 4


def test_mistakes_of_the_input_that_show_while_it_is_worked_on(tmp_path: Path):
    def lost(name: str) -> Steps:
        raise UserError("the scene has no image", name)
        yield []

    report = build([Unit("x", "1", lambda: lost("x")), *units("a")], rules(), tmp_path)
    assert (report.records, report.failures[0]["reason"]) == (1, "the scene has no image (x)")


def test_steps_that_ask_nothing(tmp_path: Path):
    def quiet(name: str) -> Steps:
        none = yield []
        assert list(none) == []
        return Built(({"id": name},))

    assert build([Unit("q", "1", lambda: quiet("q"))], rules(), tmp_path).records == 1


def test_batch_files_go_forward_one_step_a_round(tmp_path: Path):
    folder, batch = tmp_path / "out", tmp_path / "batch"
    store = ReplyStore(tmp_path / "cache.sqlite")
    for round_, (waiting, sent) in enumerate([(3, 6), (3, 9), (0, 9)]):
        teacher = BatchFiles(batch, "m")
        report = build(units("abc"), Cached(teacher, store), folder)
        assert (report.waiting, len(lines(batch)), report.failures) == (waiting, sent, [])
        assert len(teacher.written) == (1 if waiting else 0)
        give_back(batch, f"{round_}.jsonl", [result(line) for line in lines(batch)])
    assert rows(folder)[1]["text"] == "answer to answer to b 1 and answer to b 2"


def test_a_parser_that_refuses_is_a_failure_of_the_teacher():
    def accept(text: str) -> None:
        raise UnusableError("no")

    assert rules().answer(Request("a", (Message("user", "x"),), kind="ask", accept=accept)) == Failure(
        "a", "unusable", "no"
    )
    assert rules().answer(Request("a", (), kind="dance")).kind == "request"  # type: ignore[union-attr]
