"""A checkpoint on this machine as a teacher: its answers are those of the decoding engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from data_builders.teachers.base import Message, Reply, Request, Settings
from data_builders.teachers.local import LocalModel
from data_builders.teachers.pictures import Picture
from mmtune.decode.engine import Engine
from mmtune.decode.requests import Request as DecodingRequest
from mmtune.decode.requests import Settings as DecodingSettings
from mmtune.decode.stops import StopRule
from mmtune.errors import UserError
from mmtune.records import ImageRef, Turn
from tests.tiny_checkpoint import tiny_checkpoint
from tests.unit.data_builders.teachers.asking import ask, failures, replies, request


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("local"))


@pytest.fixture(scope="module")
def teacher(checkpoint: Path) -> LocalModel:
    local = LocalModel.from_checkpoint(checkpoint, device="cpu", batch_size=3)
    engine: Engine = local.engine
    # A random model would hardly ever end an answer; every fourth token ends one here.
    engine.stops = StopRule(engine.tokenizer, (), range(0, len(engine.tokenizer), 4))
    return local


def test_answers_are_the_engines(teacher: LocalModel, tmp_path: Path) -> None:
    Image.new("RGB", (20, 30), (200, 20, 20)).save(tmp_path / "red.png")
    picture = Picture(tmp_path, ImageRef("red.png"))
    lost = Picture(tmp_path, ImageRef("gone.png"))
    settings = Settings(max_tokens=24)
    many = [request(str(number), f"What is {number}?", settings=settings) for number in range(7)]
    asked = [
        *many,
        Request("seen", (Message("user", "What is it?", (picture,)),), settings),
        Request("lost", (Message("user", "What is it?", (lost,)),), settings),
    ]
    answers = ask(teacher, asked)
    assert failures(answers)["lost"].kind == "request"
    expected = teacher.engine.generate(
        [
            *(DecodingRequest([], (Turn("user", f"What is {number}?"),)) for number in range(7)),
            DecodingRequest([picture.open()], (Turn("user", "<image>\nWhat is it?"),)),
        ],
        DecodingSettings(24),
    )
    assert sum(completion.stopped == "stop" and bool(completion.text) for completion in expected) > 2
    for name, completion in zip([*map(str, range(7)), "seen"], expected, strict=True):
        answer = answers[name]
        if isinstance(answer, Reply):
            assert (answer.text, completion.stopped) == (completion.text, "stop")
            assert answer.usage.completion_tokens == len(completion.ids)
        else:
            assert answer.kind == ("cut" if completion.stopped == "length" else "unusable")


def test_sampled_answers_do_not_depend_on_what_is_asked_beside_them(teacher: LocalModel) -> None:
    settings = Settings(temperature=1.0, max_tokens=24, seed=5)
    many = [request(str(number), f"What is {number}?", settings=settings) for number in range(5)]
    together = replies(ask(teacher, many))
    assert together
    for name, reply in together.items():
        assert ask(teacher, [many[int(name)]])[name] == reply


def test_the_identity_follows_the_weights(teacher: LocalModel, checkpoint: Path, tmp_path: Path) -> None:
    assert teacher.identity["model"].startswith("checkpoint-")
    with pytest.raises(UserError):
        LocalModel.from_checkpoint(tmp_path / "none", device="cpu")


def test_a_cut_answer_is_taken_where_answers_are_taken_as_they_are(teacher: LocalModel) -> None:
    settings = Settings(max_tokens=1)
    names = [str(number) for number in range(12)]
    strict = ask(teacher, [request(name, settings=settings) for name in names])
    taken = ask(teacher, [request(name, settings=settings, as_it_is=True) for name in names])
    cut = [name for name, failure in failures(strict).items() if failure.kind == "cut"]
    assert cut and len(replies(taken)) == len(names)
    assert all(replies(taken)[name].cut for name in cut)
