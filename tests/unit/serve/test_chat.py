"""The terminal chat: one question, or a session of questions and commands."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from mmtune import cli
from mmtune.decode.engine import Clip, Engine, Request, Settings
from mmtune.errors import UserError
from mmtune.records import Turn
from mmtune.serve import chat
from mmtune.serve.conversation import Conversation
from tests.unit.decode.conftest import photo

SETTINGS = Settings(max_new_tokens=8)


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> Engine:
    return Engine.from_checkpoint(checkpoint, device="cpu")


def session(
    checkpoint: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch, images: list[Path] | None = None
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(line + "\n" for line in lines)))
    chat.run(checkpoint, images, None, SETTINGS)


def test_one_question_prints_the_answer_and_nothing_else(
    checkpoint: Path, engine: Engine, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chat.run(checkpoint, picture, "What is it?", SETTINGS)
    turns = (Turn("user", "<image>\nWhat is it?"),)
    (expected,) = engine.generate([Request([photo(1)], turns)], SETTINGS)
    assert capsys.readouterr().out == expected.text + "\n"


def test_a_session_keeps_the_conversation_and_its_commands(
    checkpoint: Path,
    engine: Engine,
    picture: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    conversation = Conversation(engine, [photo(1)])
    first, second = ("".join(conversation.ask(text, SETTINGS)) for text in ("Is it red?", "Why?"))
    assert [turn.role for turn in conversation.turns] == ["user", "assistant"] * 2
    alone = "".join(Conversation(engine).ask("Is it red?", SETTINGS))
    capsys.readouterr()
    lines = ["Is it red?", "Why?", "", "/reset", "Is it red?", "/quit", "never asked"]
    session(checkpoint, lines, monkeypatch, [picture])
    assert capsys.readouterr().out == f"{first}\n{second}\n{first}\n"
    session(checkpoint, ["Is it red?", f"/image {picture}", "Is it red?", "Why?"], monkeypatch)
    out, err = capsys.readouterr()
    assert out == f"{alone}\n{first}\n{second}\n"
    assert "40 x 30" in err


def test_mistakes_in_a_session_are_told_and_it_goes_on(
    checkpoint: Path, picture: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = picture.with_name("broken.png")
    broken.write_bytes(picture.read_bytes()[:100])
    lines = [
        "/image nowhere.png",
        f"/image '{broken}'",
        "/image",
        "/image 'a",
        "/imgae x",
        "/video nowhere.gif",
        "see <image>",
        "/help",
        "Hm?",
    ]
    session(checkpoint, lines, monkeypatch)
    out, err = capsys.readouterr()
    told = [line for line in err.splitlines() if line.strip()]
    for part in (
        "nowhere.png",
        "broken.png",
        "needs a file",
        "quotes",
        "no command /imgae",
        "nowhere.gif",
        "<image>",
    ):
        assert any(part in line for line in told), part
    commands = ("/image FILE", "/video FILE", "/reset", "/help", "/quit")
    assert sum(line.startswith(commands) for line in told) == 5
    assert len(out.splitlines()) == 1, "only the last line is a question that can be answered"


@pytest.mark.parametrize("question", ["", "  ", "what is <image>?"])
def test_a_question_that_cannot_be_asked(engine: Engine, question: str) -> None:
    conversation = Conversation(engine)
    with pytest.raises(UserError):
        list(conversation.ask(question, SETTINGS))
    assert conversation.turns == ()


def test_an_answer_that_is_broken_off_does_not_count(engine: Engine) -> None:
    conversation = Conversation(engine)
    pieces = conversation.ask("Hello", SETTINGS)
    next(pieces)
    pieces.close()
    assert conversation.turns == ()


@pytest.mark.parametrize("content", [None, b"", b"no image"])
def test_an_image_that_cannot_be_used_is_refused_before_the_model_loads(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "x.png"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=r"x\.png"):
        chat.run(tmp_path / "no checkpoint", file, "What is it?")


FRAMES = [photo(seed) for seed in (3, 4, 5)]


@pytest.fixture
def gif(tmp_path: Path) -> Path:
    """A video of three frames, and the same as a folder of frames beside it."""
    file = tmp_path / "my clip.webp"
    FRAMES[0].save(file, save_all=True, append_images=FRAMES[1:], lossless=True)
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(FRAMES):
        frame.save(tmp_path / "frames" / f"{number}.png")
    return file


def told(words: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    status = cli.main([str(word) for word in words])
    return status, *capsys.readouterr()


def test_the_command_shows_images_and_videos_where_the_question_says(
    checkpoint: Path, engine: Engine, picture: Path, gif: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question = "Is <image> in <image>?"
    chat = ["chat", checkpoint, "--max-new-tokens", "8", "--question", question]
    turns = (Turn("user", question),)
    clip = Clip(tuple(FRAMES))
    (video_last, video_first) = engine.generate(
        [Request([photo(1), clip], turns), Request([clip, photo(1)], turns)], SETTINGS
    )
    assert told([*chat, "--image", picture, "--video", gif], capsys)[:2] == (0, video_last.text + "\n")
    folder = gif.with_name("frames")
    assert told([*chat, "--video", folder, "--image", picture], capsys)[:2] == (0, video_first.text + "\n")
    status, _, err = told([*chat, "--image", picture], capsys)
    assert status == 2 and "2 times, and there are 1 images" in err


def test_a_session_looks_at_another_video(
    checkpoint: Path,
    engine: Engine,
    gif: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = "".join(Conversation(engine, [Clip(tuple(FRAMES))]).ask("Hm?", SETTINGS))
    session(checkpoint, [f"/video {gif}", "Hm?"], monkeypatch)
    out, err = capsys.readouterr()
    assert out == expected + "\n" and "3 frames of 40 x 30" in err


@pytest.mark.parametrize(
    ("content", "said"), [(None, "no such video"), (b"", "not an image"), (b"no video", "not an image")]
)
def test_a_video_that_cannot_be_used_is_refused_before_the_model_loads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, said: str
) -> None:
    file = tmp_path / "x.gif"
    if content is not None:
        file.write_bytes(content)
    status, _, err = told(["chat", tmp_path / "none", "--video", file, "--question", "Hm?"], capsys)
    assert status == 2 and "x.gif" in err and said in err and "Traceback" not in err
