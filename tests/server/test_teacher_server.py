"""A teacher behind ``transformers serve``: a real server on loopback with a tiny random model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_builders.teachers.base import Request, Settings
from data_builders.teachers.cache import Cached, ReplyStore
from tests import judged_files
from tests.commands import run
from tests.tiny_models import tiny_qwen2
from tests.unit.data_builders.teachers.asking import ask, client, failures, replies, request

pytest.importorskip("openai", reason="`transformers serve` needs it")
START_S = 240


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address and model of a server that was started for this file."""
    from tests.server.test_demo import free_port

    folder = tmp_path_factory.mktemp("serve")
    model, port = tiny_qwen2(folder / "model"), free_port()
    _end_after_one_token(model)
    words = ["serve", str(model), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", "from transformers.cli.transformers import main; main()", *words],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HOME": str(folder / "hub")},
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process, folder / "log.txt")
        yield f"http://127.0.0.1:{port}/v1", model
    finally:
        process.terminate()
        process.wait(timeout=30)


def _end_after_one_token(model: Path) -> None:
    """Every token ends an answer: a random model would else go on to the limit, and never give data."""
    from transformers import AutoConfig, GenerationConfig

    every = list(range(AutoConfig.from_pretrained(model).vocab_size))
    GenerationConfig(eos_token_id=every, pad_token_id=0).save_pretrained(model)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    start = time.monotonic()
    while time.monotonic() - start < START_S:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(log.read_text())


def short(name: str, **fields: object) -> Request:
    return request(name, settings=Settings(max_tokens=4), **fields)


def test_a_real_server_answers(served: tuple[str, Path], tmp_path: Path) -> None:
    url, model = served
    store = ReplyStore(tmp_path / "cache.sqlite")
    teacher = client(url, model=str(model), concurrency=2, timeout_s=120.0)
    many = [short(str(number)) for number in range(6)]
    good = replies(answers := ask(Cached(teacher, store), many))
    assert len(good) >= 3  # a random model may also say nothing but a blank
    assert {answer.kind for answer in failures(answers).values()} <= {"unusable"}
    assert all(reply.text.strip() and reply.usage.completion_tokens == 1 for reply in good.values())
    assert len(store) == len(good)
    asked = teacher.ledger.requests
    assert asked >= 6
    again = replies(ask(Cached(teacher, store), [short(name) for name in good]))
    assert {name: reply.text for name, reply in again.items()} == {name: r.text for name, r in good.items()}
    assert teacher.ledger.requests == asked


def test_a_cut_answer_is_no_data(served: tuple[str, Path]) -> None:
    url, model = served
    teacher = client(url, model=str(model), timeout_s=120.0)
    answer = ask(teacher, [request("a", settings=Settings(max_tokens=1))])["a"]
    assert failures({"a": answer})["a"].kind == "cut"


def test_a_schema_that_the_server_does_not_hold_to_is_held_to_by_the_client(served: tuple[str, Path]) -> None:
    url, model = served
    teacher = client(url, model=str(model), timeout_s=120.0)
    answer = failures(ask(teacher, [short("a", schema={"type": "object"})]))["a"]
    assert (answer.kind, answer.attempts) == ("unusable", 2)


def test_a_model_that_the_server_has_not(served: tuple[str, Path]) -> None:
    answer = failures(ask(client(served[0], model="nobody/nothing"), [short("a")]))["a"]
    assert (answer.kind, answer.attempts) == ("request", 1)
    assert "nobody/nothing" in answer.reason


def test_a_real_server_is_a_judge_whose_prose_is_counted(served: tuple[str, Path], tmp_path: Path) -> None:
    """A random model marks nothing: every reply is kept, unparsed, and replays to the same figures."""
    url, model = served
    case = judged_files.write("mmhal", tmp_path / "files")
    words = [*case.words, "--judge", f"openai:{url}#{model}", "--out", str(tmp_path / "out"), "--json"]
    result = json.loads(run([*words, "--max-tokens", "4", "--concurrency", "2"], tmp_path))
    assert (result["n"], result["of"], result["unparsed"]) == (24, 24, 24)
    assert result["metrics"]["rating"]["value"] == 0.0 and sum(result["judge"]["models"].values()) == 24
    again = json.loads(run(["judge", "--replay", "out", "--out", "again", "--json"], tmp_path))
    assert again == result
