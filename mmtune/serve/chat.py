"""Chat in the terminal: one question and its answer, or a session with commands."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmtune.errors import UserError
from mmtune.serve.conversation import Conversation
from mmtune.serve.files import Shown, check, open_all

if TYPE_CHECKING:
    from PIL.Image import Image

    from mmtune.decode.engine import Clip, Engine, Settings

WELCOME = (
    "Ask away. /image FILE or /video FILE looks at others, /reset begins anew, /help lists commands, "
    "/quit ends."
)


def run(
    checkpoint: str | Path,
    shown: str | Path | Sequence[str | Path | Shown] | None = None,
    prompt: str | None = None,
    settings: Settings | None = None,
) -> None:
    """Chat with a checkpoint about images and videos.

    Args:
        checkpoint: folder of the checkpoint.
        shown: image files, anywhere on this machine; videos as ``Shown``.
        prompt: answer only this; standard output then gets the answer and nothing else. Without it questions
            are read line by line until the input ends.
        settings: how answers are generated; greedy with up to 256 tokens by default.

    Raises:
        UserError: if the checkpoint, an image, a video or the only question cannot be used.
    """
    paths = [shown] if isinstance(shown, str | Path) else list(shown or ())
    files = [path if isinstance(path, Shown) else Shown(Path(path)) for path in paths]
    for file in files:
        check(file)  # before the model, which takes longer to open
    from mmtune.decode.engine import Engine, Settings

    settings = settings or Settings(max_new_tokens=256)
    engine = Engine.from_checkpoint(checkpoint)
    conversation = Conversation(engine, open_all(files, engine.bundle.policy))
    if prompt is not None:
        _answer(conversation, prompt, settings)
        return
    Session(engine, conversation, settings).run()


def _answer(conversation: Conversation, question: str, settings: Settings) -> None:
    begun = False
    try:
        for piece in conversation.ask(question, settings):
            sys.stdout.write(piece)
            sys.stdout.flush()
            begun = True
    except BaseException:
        if begun:
            sys.stdout.write("\n")
        raise
    sys.stdout.write("\n")
    sys.stdout.flush()


class Session:
    """Reads lines from standard input: questions, and commands that start with a slash.

    Answers go to standard output; everything else goes to standard error, so that a file of questions piped
    in gives a file of answers.
    """

    def __init__(self, engine: Engine, conversation: Conversation, settings: Settings) -> None:
        self.engine = engine
        self.conversation = conversation
        self.settings = settings
        self.commands: dict[str, tuple[Callable[[str], None], str]] = {
            "image": (self._image, "FILE ...: begin anew with these images"),
            "video": (self._video, "FILE ...: begin anew with these videos (files, GIFs, folders of frames)"),
            "reset": (self._reset, "begin anew with the same images and videos"),
            "help": (self._help, "list the commands"),
            "quit": (self._quit, "end (so does Ctrl-D)"),
        }
        self._over = False

    def run(self) -> None:
        """Until /quit or the end of the input. A mistake is told and the session goes on."""
        interactive = sys.stdin.isatty()
        if interactive:
            with contextlib.suppress(ImportError):  # arrow keys and history, where the system has it
                import readline  # noqa: F401
            _tell(WELCOME)
        while not self._over:
            try:
                line = input("> " if interactive else "").strip()
            except EOFError:
                return
            try:
                if line.startswith("/"):
                    self._command(line)
                elif line:
                    _answer(self.conversation, line, self.settings)
            except UserError as error:
                _tell(str(error))
            except KeyboardInterrupt:
                if not interactive:
                    raise
                _tell("(stopped; the question is forgotten)")

    def _command(self, line: str) -> None:
        name, _, rest = line[1:].partition(" ")
        if name not in self.commands:
            raise UserError(f"There is no command /{name}", fix="/help lists them")
        self.commands[name][0](rest.strip())

    def _image(self, rest: str) -> None:
        self._look("image", [Shown(path) for path in _paths(rest, "image")])

    def _video(self, rest: str) -> None:
        self._look("video", [Shown(path, video=True) for path in _paths(rest, "video")])

    def _look(self, kind: str, files: list[Shown]) -> None:
        seen = open_all(files, self.engine.bundle.policy)
        self.conversation = Conversation(self.engine, seen)
        names = ", ".join(str(file.path) for file in files)
        _tell(f"(looking at {names}: {', '.join(_size(one) for one in seen)} pixels)")

    def _reset(self, rest: str) -> None:
        self.conversation = Conversation(self.engine, self.conversation.images)
        _tell("(begun anew)")

    def _help(self, rest: str) -> None:
        for name, (_, meaning) in self.commands.items():
            _tell(f"/{name} {meaning}")

    def _quit(self, rest: str) -> None:
        self._over = True


def _paths(rest: str, kind: str) -> list[Path]:
    """Paths behind a command; one with spaces may be given bare, if it exists, or in quotes."""
    if rest and Path(rest).expanduser().exists():
        return [Path(rest)]
    try:
        paths = shlex.split(rest)
    except ValueError as error:
        raise UserError(f"The command cannot be read: {error}", fix="close the quotes") from error
    if not paths:
        raise UserError(f"/{kind} needs a file", fix=f"write /{kind} FILE")
    return [Path(path) for path in paths]


def _size(one: Image | Clip) -> str:
    from mmtune.decode.requests import Clip

    first = one.frames[0] if isinstance(one, Clip) else one
    size = f"{first.width} x {first.height}"
    return f"{len(one.frames)} frames of {size}" if isinstance(one, Clip) else size


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
