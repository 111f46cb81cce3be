"""A teacher's ratings of rows: asked once, priced beforehand, never guessed and never passed over in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from data_builders.curate.rated import Rated, RatingSettings, cost_of, rate_rows
from data_builders.curate.scored import read_pool
from data_builders.curate.selection import Settings, select
from data_builders.teachers.opening import Hiring
from mmtune import cli
from mmtune.errors import UserError
from tests.commands import run
from tests.endpoints import Server, serve


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    Image.new("RGB", (20, 10), "red").save(tmp_path / "red.png")
    with (tmp_path / "rows.jsonl").open("w") as out:
        for number in range(12):
            image = "gone.png" if number == 7 else "red.png"
            said = [("human", f"<image>\nWhat is it, {number}?"), ("gpt", "" if number == 9 else "Red.")]
            turns = [{"from": who, "value": text} for who, text in said]
            out.write(json.dumps({"id": f"r{number}", "image": image, "conversations": turns}) + "\n")
    return tmp_path / "rows.jsonl"


def number_in(body: dict[str, Any]) -> int:
    content = body["messages"][-1]["content"]
    text = content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)
    return int(text.split("What is it, ")[1].split("?")[0])


def rating(body: dict[str, Any]) -> str:
    return f"No fault.\nRating: {number_in(body) % 10 + 1}"


def rate(rows: Path, server: Server, ratings: tuple[str, ...] = ("rating",), **settings: Any) -> Rated:
    hiring = Hiring(server.url, "m", concurrency=2, **settings)
    return rate_rows(rows, rows.parent / "ratings", RatingSettings(ratings, rows.parent), hiring)


def test_rows_are_rated_and_asked_about_once(rows: Path) -> None:
    with serve(Server(write=rating)) as server:
        first = rate(rows, server)
        again = rate(rows, server)
    assert {row: found["rating"] for row, found in first.ratings.items()} == {
        n: n % 10 + 1 for n in range(12) if n not in (7, 9)
    }
    assert [(problem.row, problem.id) for problem in first.problems] == [(7, "r7")]
    assert "gone.png" in first.problems[0].reason
    assert again.ratings == first.ratings and len(server.bodies) == 10
    assert all(
        any(part["type"] == "image_url" for part in body["messages"][-1]["content"]) for body in server.bodies
    )


def test_an_unreadable_rating_is_a_failure_and_no_number(rows: Path) -> None:
    def some(body: dict[str, Any]) -> str:
        return "I would say about 7." if number_in(body) == 3 else rating(body)

    with serve(Server(write=some)) as server:
        found = rate(rows, server)
        assert 3 not in found.ratings
        assert [problem.row for problem in found.problems] == [3, 7]
        server.write = rating
        assert rate(rows, server).ratings[3] == {"rating": 4}, "a failure was kept in the cache"


def test_a_teacher_that_refuses_everything_is_no_success(rows: Path) -> None:
    with serve(Server(mood=lambda number, body: "refusal")) as server, pytest.raises(UserError) as stopped:
        rate(rows, server)
    assert "not one record was built" in str(stopped.value) and "I will not" in str(stopped.value)


def test_the_price_is_told_and_the_budget_is_kept(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = RatingSettings(("rating", "complexity"), rows.parent)
    cost = cost_of(rows, settings, Hiring("rules", max_tokens=100).settings)
    assert (cost.rows, cost.requests, cost.completion_tokens) == (11, 20, 2000)
    assert [problem.row for problem in cost.unusable] == [7]
    with serve(Server(write=rating)) as server:
        priced = {"price_in": 1.0, "price_out": 1.0, "max_tokens": 100}
        words = [
            "data",
            "score",
            str(rows),
            "--score",
            "rating",
            "--teacher",
            server.url,
            "--teacher-model",
            "m",
        ]
        assert cli.main([*words, "--price-in", "1", "--price-out", "1", "--dry-run"]) == 0
        assert "price at most 0.0" in capsys.readouterr().out and server.bodies == []
        with pytest.raises(UserError, match=r"the budget of 0\.001 is spent"):
            rate(rows, server, max_budget=0.001, **priced)
        assert 0 < len(server.bodies) < 10
        rate(rows, server, max_budget=1.0, **priced)
        assert len(server.bodies) == 10


def test_a_sample_is_enough_for_the_self_judge(rows: Path) -> None:
    lines = [json.loads(line) for line in rows.read_text().splitlines()] * 4
    good = [row for row in lines if row["id"] not in ("r7", "r9")]
    rows.write_text("".join(json.dumps(row) + "\n" for row in good))
    words = ["data", "score", rows.name, "--score", "rating", "--features", "plain", "--out", "scores"]
    told = run([*words, "--teacher", "rules", "--rate", "15"], rows.parent)
    assert "scores: 40 records; rating, plain" in told
    pool = read_pool(rows.parent / "scores").pool
    assert sum(value == value for value in pool.columns["rating"]) == 15
    assert len(select("self_judge", pool, 5, 0, Settings(by="rating"))) == 5


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--score", "complexity"], "complexity needs --teacher"),
        (["--score", "ratings"], "did you mean 'rating'"),
        (["--score", "length", "--teacher", "rules"], "nothing to ask the teacher for"),
        (["--score", "rating", "--teacher", "http://127.0.0.1:9/v1"], "model is not named"),
        (["--score", "rating", "--teacher", "rules", "--rate", "0"], "give at least 1"),
        (["--score", "rating", "--teacher", "rules", "--price-in", "1"], "only one of two prices"),
        (["--dry-run"], "Only a teacher costs anything"),
        (["--score", "reward"], "reward needs --reward"),
        (["--reward", "nowhere"], "no such folder of a reward model"),
    ],
)
def test_mistakes_are_one_sentence(rows: Path, capsys: pytest.CaptureFixture[str], words, says) -> None:
    assert cli.main(["data", "score", str(rows), "--out", str(rows.parent / "s"), *words]) == 2
    assert says in capsys.readouterr().err
