"""An OpenAI-compatible endpoint, good and bad: a real server on loopback."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import random
import time
from contextlib import aclosing
from pathlib import Path

import pytest
from PIL import Image

from data_builders.teachers.base import Failure, Message, Reply, Request, Settings, UnusableError, Usage
from data_builders.teachers.cache import Cached, ReplyStore
from data_builders.teachers.ledger import BudgetError, Ledger, Price, estimate
from data_builders.teachers.openai_compatible import Endpoint, OpenAICompatible
from data_builders.teachers.pictures import Picture
from mmtune.errors import UserError
from mmtune.records import ImageRef
from tests.endpoints import Server, digest, serve
from tests.unit.data_builders.teachers.asking import KEY_VARIABLE, ask, client, failures, replies, request

KEY = "sk-test-0123456789abcdefSECRET"
MANY = [request(str(number)) for number in range(40)]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)


def test_all_requests_are_answered_and_never_more_at_once_than_allowed():
    with serve(Server(delay_s=0.1)) as server:
        answers = ask(client(server.url, concurrency=5), MANY)
    assert len(replies(answers)) == 40
    assert 1 < server.most_at_once <= 5
    assert set(server.keys) == {f"Bearer {KEY}"}
    body = {"messages": [{"role": "user", "content": "question 7"}]}
    assert answers["7"] == Reply("7", digest(body), Usage(100, 10), "m-1")


def test_what_is_sent(tmp_path: Path):
    Image.new("RGB", (8, 6), (200, 10, 10)).save(tmp_path / "red.bmp")
    Image.new("RGB", (8, 6), (10, 200, 10)).save(tmp_path / "green.png")
    pictures = tuple(Picture(tmp_path, ImageRef(name)) for name in ("red.bmp", "green.png"))
    settings = Settings(temperature=0.7, top_p=0.9, max_tokens=77, seed=3)
    schema = {"type": "object"}
    messages = (Message("system", "Be brief."), Message("user", "What is it?", pictures))
    asked = Request("a", messages, settings, schema, kind="look")
    with serve(Server(write=lambda body: "{}")) as server:
        assert isinstance(ask(client(server.url), [asked])["a"], Reply)
    (body,) = server.bodies
    assert body["model"] == "m"
    assert (body["temperature"], body["top_p"], body["max_tokens"], body["seed"]) == (0.7, 0.9, 77, 3)
    assert body["response_format"]["json_schema"] == {"name": "look", "schema": schema, "strict": True}
    first, second, text = body["messages"][1]["content"]
    assert text == {"type": "text", "text": "What is it?"}
    media, _, data = first["image_url"]["url"].partition(",")
    assert media == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).getpixel((0, 0)) == (200, 10, 10)
    assert (
        base64.b64decode(second["image_url"]["url"].partition(",")[2])
        == (tmp_path / "green.png").read_bytes()
    )


@pytest.mark.parametrize(
    "bad",
    [429, 500, 503, 408, "hang", "garbage", "truncated", "html", "json as text", "other", "null", "no choices",
     "no text", "broken", "deep", "half a character"],
)  # fmt: skip
def test_what_may_pass_is_tried_again(bad: object):
    with serve(Server(mood=lambda number, body: bad if number == 0 else "good")) as server:
        answer = ask(client(server.url, timeout_s=1.0 if bad == "hang" else 20), [request("a")])["a"]
    assert isinstance(answer, Reply)
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("bad", "kind"),
    [(429, "busy"), (500, "server"), ("hang", "timeout"), ("garbage", "garbage"), ("truncated", "garbage"),
     ("html", "garbage"), ("broken", "garbage"), ("empty", "unusable"), ("deep", "garbage"),
     ("half a character", "unusable")],
)  # fmt: skip
def test_what_does_not_pass_is_a_failure(bad: object, kind: str, tmp_path: Path):
    store = ReplyStore(tmp_path / "cache.sqlite")
    with serve(Server(mood=lambda number, body: bad)) as server:
        timeout_s = 0.5 if bad == "hang" else 20
        teacher = Cached(client(server.url, attempts=2, timeout_s=timeout_s), store)
        answers = ask(teacher, [request("a"), request("b")])
    assert {answer.kind for answer in failures(answers).values()} == {kind}
    assert {answer.attempts for answer in failures(answers).values()} == {2}
    assert len(failures(answers)) == 2
    assert len(server.bodies) == 4
    assert len(store) == 0


@pytest.mark.parametrize(
    ("bad", "kind"), [("cut", "cut"), ("refusal", "refused"), ("filtered", "refused"), (400, "request")]
)
def test_what_cannot_pass_is_not_tried_again(bad: object, kind: str):
    with serve(Server(mood=lambda number, body: bad)) as server:
        answer = ask(client(server.url), [request("a")])["a"]
    assert isinstance(answer, Failure)
    assert answer.kind == kind
    assert len(server.bodies) == 1


def test_thirty_percent_of_failures_at_random(tmp_path: Path):
    """No failure is data, none is cached, all are reported; the next run asks only for those."""
    draws = random.Random(4)
    bad = [500, 429, "garbage", "truncated", "html", "broken", "other", "refusal", "cut"]
    moods = [draws.choice(bad) if draws.random() < 0.3 else "good" for _ in range(500)]
    store = ReplyStore(tmp_path / "cache.sqlite")
    many = [request(str(number)) for number in range(200)]
    with serve(Server(mood=lambda number, body: moods[number])) as server:
        answers = ask(Cached(client(server.url, attempts=1), store), many)
        good, lost = replies(answers), failures(answers)
        assert len(good) + len(lost) == 200
        assert len(lost) == sum(mood != "good" for mood in moods[:200])
        assert len(store) == len(good)
        for name, reply in good.items():
            assert reply.text == digest({"messages": [{"role": "user", "content": f"question {name}"}]})
        server.mood = lambda number, body: "good"
        again = ask(Cached(client(server.url), store), many)
    assert len(replies(again)) == 200
    assert len(server.bodies) == 200 + len(lost)
    assert {name for name, reply in replies(again).items() if not reply.cached} == set(lost)


def test_unusable_answers_are_asked_for_once_more_and_not_cached(tmp_path: Path):
    def accept(text: str) -> None:
        if text != "yes":
            raise UnusableError("neither yes nor no")

    store = ReplyStore(tmp_path / "cache.sqlite")
    with serve(Server(write=lambda body: "perhaps")) as server:
        answer = ask(Cached(client(server.url), store), [request("a", accept=accept)])["a"]
        assert answer == Failure("a", "unusable", "neither yes nor no", 2)
        assert (len(server.bodies), len(store)) == (2, 0)
        server.write = lambda body: "yes"
        assert isinstance(ask(Cached(client(server.url), store), [request("a", accept=accept)])["a"], Reply)
        # A parser that has become stricter is not served what the older one took.
        assert len(store) == 1
        never = ask(
            Cached(client(server.url), store), [request("a", accept=lambda text: int("1") and accept("no"))]
        )
    assert failures(never)["a"].kind == "unusable"


def test_the_wait_that_a_server_asks_for_holds_for_all():
    with serve(Server(mood=lambda number, body: 429 if number == 0 else "good")) as server:
        server.headers = {"Retry-After": "1"}
        ask(client(server.url, concurrency=1), [request("a"), request("b")])
    assert server.times[1] - server.times[0] >= 1.0


@pytest.mark.parametrize("key", [KEY, ""])
def test_a_wrong_key_stops_at_once_and_says_so(key: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(KEY_VARIABLE, key)
    start = time.monotonic()
    with serve(Server(mood=lambda number, body: 401)) as server, pytest.raises(UserError) as error:
        ask(client(server.url, backoff_s=120.0, concurrency=2), MANY)
    assert time.monotonic() - start < 60  # it waits for nothing
    assert len(server.bodies) <= 2
    assert f"set {KEY_VARIABLE} to a valid key" in str(error.value)


@pytest.mark.parametrize(
    ("mood", "said"), [(403, "forbids"), (404, "has no 'm' there"), ("quota", "no money"), (307, "has no")]
)
def test_what_ends_the_run(mood: object, said: str):
    with serve(Server(mood=lambda number, body: mood)) as server, pytest.raises(UserError, match=said):
        ask(client(server.url, concurrency=1), MANY)
    assert len(server.bodies) == 1


def test_an_endpoint_that_is_down():
    with serve() as server:
        pass
    with pytest.raises(UserError, match="cannot be reached, after 2 attempts"):
        ask(client(server.url, attempts=2), MANY)


def test_a_server_without_schemas_is_asked_without_from_then_on():
    with serve(Server(mood=lambda number, body: "no schema", write=lambda body: '{"a": 1}')) as server:
        teacher = client(server.url, concurrency=1)
        answers = ask(teacher, [request(str(number), schema={"type": "object"}) for number in range(3)])
        assert len(replies(answers)) == 3
        assert ["response_format" in body for body in server.bodies] == [True, False, False, False]
        server.write = lambda body: "not json"
        assert failures(ask(teacher, [request("a", schema={"type": "object"})]))["a"].kind == "unusable"
        strict = client(server.url, structured="on")
        assert failures(ask(strict, [request("a", schema={"type": "object"})]))["a"].kind == "request"


def test_a_server_that_calls_the_limit_otherwise_is_told_it_by_its_name_from_then_on():
    with serve(Server(mood=lambda number, body: "newer limit")) as server:
        teacher = client(server.url, concurrency=1)
        assert len(replies(ask(teacher, [request(str(number)) for number in range(3)]))) == 3
    assert ["max_tokens" in body for body in server.bodies] == [True, False, False, False]
    assert ["max_completion_tokens" in body for body in server.bodies] == [False, True, True, True]


def test_the_key_reaches_no_log_no_error_no_cache_and_no_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    caplog.set_level(1)
    store = ReplyStore(tmp_path / "cache.sqlite")
    shown: list[object] = []
    for mood in (400, 500, 403, 401, "good", "garbage"):
        write = lambda body: f"my key is {KEY}"  # noqa: E731
        with serve(Server(mood=lambda number, body, mood=mood: mood, write=write)) as server:
            teacher = client(server.url, attempts=2)
            shown += [repr(teacher), repr(vars(teacher)), teacher.identity, teacher.endpoint]
            try:
                answers = ask(Cached(teacher, store), [request("a")])
                assert not replies(answers)
                shown += list(answers.values())
            except UserError as error:
                shown += [str(error), repr(error), error.__cause__, error.__context__]
    store.close()
    everything = (
        repr(shown)
        + caplog.text
        + "".join(file.read_bytes().decode("latin-1") for file in tmp_path.iterdir())
    )
    assert "chat/completions" in caplog.text  # the library's own log was there to look into
    assert KEY not in everything
    assert base64.b64encode(KEY.encode()).decode()[:20] not in everything
    assert "[key]" in everything
    monkeypatch.setenv(KEY_VARIABLE, f"{KEY} with a blank")
    with pytest.raises(UserError) as refused:
        client(server.url)
    assert KEY not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["http://me:secret@127.0.0.1/v1", "https://127.0.0.1/v1?key=secret", "ftp://127.0.0.1", "127.0.0.1:8000"],
)
def test_addresses_that_are_none_or_hold_a_secret(url: str):
    with pytest.raises(UserError) as error:
        Endpoint(url, "m")
    assert "secret" not in str(error.value)


def test_nothing_is_asked_beyond_the_budget(tmp_path: Path):
    """A request holds back what it may cost at most, and all runs of a build share the budget."""
    path, price = tmp_path / "ledger.sqlite", Price(prompt=1000.0, completion=1000.0)  # 0.11 an answer
    many = [request(str(number), settings=Settings(max_tokens=100)) for number in range(30)]
    with serve(Server(delay_s=0.01)) as server:
        store = ReplyStore(tmp_path / "cache.sqlite")
        for _ in range(2):
            ledger = Ledger(path, price, budget=1.0)
            with pytest.raises(BudgetError, match="the budget of 1 is spent"):
                ask(Cached(client(server.url, ledger), store), many)
            assert ledger.spent <= 1.0
            ledger.close()
        asked = len(server.bodies)
        assert asked == len(store) == Ledger(path, price, 1.0).requests  # what was paid for is kept
        assert asked >= 7
        more = Ledger(path, price, budget=10.0)
        assert len(replies(ask(Cached(client(server.url, more), store), many))) == 30
    assert len(server.bodies) == 30
    assert more.usage == Usage(3000, 300)
    assert more.spent == pytest.approx(3.3)


def test_what_was_under_way_when_a_run_ends_counts_as_billed(tmp_path: Path):
    """A server that was asked may write its answer to the end, and bill it, whoever has gone away."""
    path, price = tmp_path / "ledger.sqlite", Price(prompt=0.0, completion=1e4)  # 1 a request at most
    asked = [request(str(number), settings=Settings(max_tokens=100)) for number in range(4)]
    mood = lambda number, body: "good" if number == 0 else "hang"  # noqa: E731

    async def leave_after_one(teacher: OpenAICompatible) -> None:
        async with aclosing(teacher.ask(asked)) as answers:
            async for answer in answers:
                assert isinstance(answer, Reply)
                while len(server.bodies) < 3:
                    await asyncio.sleep(0.01)
                return

    with serve(Server(mood=mood)) as server:
        ledger = Ledger(path, price, budget=10.0)
        asyncio.run(leave_after_one(client(server.url, ledger, concurrency=3)))
        sent = len(server.bodies)
        assert (ledger.requests, ledger.spent) == (sent, pytest.approx(0.1 + sent - 1))
        ledger.close()


def test_a_refused_key_bills_nothing(tmp_path: Path):
    with serve(Server(mood=lambda number, body: 401, delay_s=0.2)) as server:
        ledger = Ledger(price=Price(1.0, 1.0), budget=1.0)
        with pytest.raises(UserError, match="refuses the key"):
            ask(client(server.url, ledger), MANY)
    assert (ledger.requests, ledger.spent) == (0, 0.0)


def test_a_usage_that_no_server_can_have_counted_is_not_believed():
    ledger = Ledger(price=Price(1.0, 1.0))
    with serve(Server(mood=lambda number, body: "endless usage")) as server:
        assert isinstance(ask(client(server.url, ledger), [request("a")])["a"], Reply)
    assert ledger.usage == estimate(request("a"))


def test_pictures_that_cannot_be_sent_are_failures(tmp_path: Path):
    (tmp_path / "empty.png").touch()
    pictures = {name: Picture(tmp_path, ImageRef(name)) for name in ("gone.png", "empty.png", "../up.png")}
    asked = [Request(name, (Message("user", "?", (item,)),)) for name, item in pictures.items()]
    with serve() as server:
        for teacher in (client(server.url), Cached(client(server.url), ReplyStore(tmp_path / "c.sqlite"))):
            assert {answer.kind for answer in failures(ask(teacher, asked)).values()} == {"picture"}
    assert server.bodies == []


def test_equal_requests_are_asked_once(tmp_path: Path):
    with serve(Server(delay_s=0.02)) as server:
        store = ReplyStore(tmp_path / "cache.sqlite")
        same = [request(str(number), "the same") for number in range(10)]
        answers = replies(ask(Cached(client(server.url), store), same))
        other = ask(Cached(client(server.url), store), [request("s", "the same", settings=Settings(seed=1))])
    assert len(answers) == 10
    assert sum(not reply.cached for reply in answers.values()) == 1
    assert not replies(other)["s"].cached
    assert len(server.bodies) == 2


def test_another_model_endpoint_or_picture_is_another_request(tmp_path: Path):
    from data_builders.teachers.base import fingerprint

    for name, color in (("a.png", 1), ("b.png", 2), ("c.png", 1)):
        Image.new("L", (4, 4), color).save(tmp_path / name)
    keys = {
        name: fingerprint(
            Request("x", (Message("user", "?", (Picture(tmp_path, ImageRef(name)),)),)), {"model": "m"}
        )
        for name in ("a.png", "b.png", "c.png")
    }
    assert keys["a.png"] == keys["c.png"] != keys["b.png"]
    asked = request("x")
    assert fingerprint(asked, {"model": "m"}) != fingerprint(asked, {"model": "n"})
    assert fingerprint(asked, {"model": "m"}) == fingerprint(request("y", "question x"), {"model": "m"})
    assert json.dumps(keys)  # hexadecimal, as a custom_id must be


def test_pictures_are_shrunk_turned_upright_and_told_apart_by_size(tmp_path: Path):
    image = Image.new("RGB", (60, 20), (255, 255, 255))
    image.paste((255, 0, 0), (0, 0, 10, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    image.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    image.save(tmp_path / "plain.jpg", quality=95)
    whole = Picture(tmp_path, ImageRef("plain.jpg"))
    assert whole.encoded() == ("image/jpeg", (tmp_path / "plain.jpg").read_bytes())
    turned = Picture(tmp_path, ImageRef("turned.jpg"))
    media, data = turned.encoded()
    sent = Image.open(io.BytesIO(data))
    assert (media, sent.size, turned.size()) == ("image/png", (20, 60), (20, 60))
    assert sent.getpixel((10, 3))[0] > 200 > 100 > sent.getpixel((10, 3))[1]
    small = Picture(tmp_path, ImageRef("plain.jpg"), side_px=30)
    assert Image.open(io.BytesIO(small.encoded()[1])).size == small.size() == (30, 10)
    assert small.sha256 != whole.sha256
