"""The demo page as a program and a browser meet it: a real server on loopback, a tiny random model."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmtune.decode.engine import Clip, Engine, Settings
from mmtune.errors import UserError
from mmtune.serve import demo
from mmtune.serve.conversation import Conversation
from tests import chromium
from tests.tiny_checkpoint import tiny_checkpoint
from tests.unit.decode.conftest import photo

ROOT = Path(__file__).resolve().parents[2]
TOKENS = 12


@pytest.fixture(autouse=True, scope="module")
def _gradio() -> None:
    """Imported, for seconds, only by the process that runs these tests."""
    pytest.importorskip("gradio", reason="the extra `demo` is not installed")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> Engine:
    return Engine.from_checkpoint(checkpoint, device="cpu")


@pytest.fixture(scope="module")
def url(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a page that serves the tiny model, on a port that was free."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        page, address = demo.start(demo.build(engine, title="mmtune: tiny"), "127.0.0.1", free_port())
        yield address
        page.close(verbose=False)


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def client(url: str) -> Any:
    from gradio_client import Client

    return Client(url, verbose=False)


def ask(
    client: Any,
    question: str,
    image: Path | None,
    tokens: int = TOKENS,
    temperature: float = 0.0,
    more: Sequence[Path] = (),
) -> list[Any]:
    """All that the page shows while a question is answered."""
    from gradio_client import handle_file

    upload = handle_file(str(image)) if image else None
    files = [handle_file(str(path)) for path in more] or None
    job = client.submit(question, upload, [], temperature, 1.0, tokens, files, api_name="/ask")
    job.result(timeout=60)
    return [shown for shown, _ in job.outputs()]


def text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def test_an_answer_is_streamed_and_is_the_engines(client: Any, engine: Engine, tmp_path: Path) -> None:
    photo(1).save(tmp_path / "photo.png")
    steps = ask(client, "What is it?", tmp_path / "photo.png")
    expected = "".join(Conversation(engine, [photo(1)]).ask("What is it?", Settings(TOKENS)))
    assert text(steps[-1][-1]) == expected
    partial = [text(step[-1]) for step in steps[1:]]
    assert len(set(partial)) > 2, "the answer comes in pieces"
    assert all(expected.startswith(piece) for piece in partial)
    assert text(steps[-1][-2]) == "What is it?"


def test_the_conversation_is_remembered_until_the_image_changes(
    client: Any, engine: Engine, tmp_path: Path
) -> None:
    for seed in (1, 2):
        photo(seed).save(tmp_path / f"{seed}.png")
    conversation = Conversation(engine, [photo(1)])
    for question in ("Is it red?", "Why?"):
        expected = "".join(conversation.ask(question, Settings(TOKENS)))
        assert text(ask(client, question, tmp_path / "1.png")[-1][-1]) == expected
    other = "".join(Conversation(engine, [photo(2)]).ask("Is it red?", Settings(TOKENS)))
    assert text(ask(client, "Is it red?", tmp_path / "2.png")[-1][-1]) == other


def test_several_images_and_a_video(client: Any, engine: Engine, tmp_path: Path) -> None:
    photo(1).save(tmp_path / "1.png")
    photo(2).save(tmp_path / "2.png")
    frames = [photo(seed) for seed in (3, 4, 5)]
    frames[0].save(tmp_path / "clip.webp", save_all=True, append_images=frames[1:], lossless=True)
    question = "Is <image> in <image> or in <image>?"
    more = [tmp_path / "2.png", tmp_path / "clip.webp"]
    shown = text(ask(client, question, tmp_path / "1.png", more=more)[-1][-1])
    seen = [photo(1), photo(2), Clip(tuple(frames))]
    assert shown == "".join(Conversation(engine, seen).ask(question, Settings(TOKENS)))
    assert "3 times, and there are 2" in text(ask(client, question, None, more=more)[-1][-1])


def test_clear_forgets_the_conversation(client: Any, engine: Engine) -> None:
    first = text(ask(client, "Hello", None)[-1][-1])
    client.predict(api_name="/clear")
    assert (
        text(ask(client, "Hello", None)[-1][-1])
        == first
        == "".join(Conversation(engine).ask("Hello", Settings(TOKENS)))
    )


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("", "The question is empty"),
        ("word " * 2000, "reads at most 1024"),
        ("<image>", "must not contain <image>"),
    ],
)
def test_the_real_error_is_shown(client: Any, engine: Engine, question: str, message: str) -> None:
    assert message in text(ask(client, question, None)[-1][-1])
    again = text(ask(client, "Hello", None)[-1][-1])
    assert again == "".join(Conversation(engine).ask("Hello", Settings(TOKENS))), "errors are not remembered"


def test_a_broken_image_is_named(client: Any, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:5000])
    shown = text(ask(client, "What is it?", tmp_path / "cut.png")[-1][-1])
    assert "cut.png" in shown
    assert "damaged or cut short" in shown


def test_an_unforeseen_error_is_shown_with_its_name(
    client: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: Any) -> Iterator[str]:
        raise RuntimeError("the coffee is cold")
        yield ""

    monkeypatch.setattr(engine, "stream", fault)
    assert "RuntimeError: the coffee is cold" in text(ask(client, "Hello", None)[-1][-1])


def test_a_taken_port_is_a_clear_error(engine: Engine, url: str) -> None:
    port = int(url.rstrip("/").rpartition(":")[2])
    with pytest.raises(UserError, match="cannot be served") as caught:
        demo.start(demo.build(engine), "127.0.0.1", port)
    assert "--port" in str(caught.value)


def test_without_gradio_the_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['gradio'] = None\n"
        "from mmtune.serve import demo\n"
        "from mmtune.errors import UserError\n"
        "try: demo.launch('nowhere')\n"
        "except UserError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "pip install 'mmtune[demo]'" in done.stdout, done.stderr


@pytest.mark.apt
def test_a_browser_shows_the_page(url: str, tmp_path: Path) -> None:
    browser = chromium.find()
    quiet = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}",
        # Whatever the page would ask of another server goes nowhere.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--timeout=20000",
        "--virtual-time-budget=15000",
    ]
    page = subprocess.run([browser, *quiet, "--dump-dom", url], capture_output=True, text=True, timeout=120)
    for label in (
        "mmtune: tiny",
        "Image",
        "Conversation",
        "Question",
        "Temperature",
        "Longest answer",
        "Clear",
    ):
        assert label in page.stdout, f"{label!r} is not on the page"
    shot = tmp_path / "page.png"
    subprocess.run(
        [browser, *quiet, "--window-size=1200,800", f"--screenshot={shot}", url],
        capture_output=True,
        timeout=120,
    )
    with Image.open(shot) as picture:
        colours = picture.convert("RGB").getcolors(1_000_000)
        assert picture.size == (1200, 800)
        assert colours is None or len(colours) > 50, "the page is blank"
