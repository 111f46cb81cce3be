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

if TYPE_CHECKING:
    from PIL.Image import Image

    from mmtune.decode.engine import Engine, Settings

WELCOME = (
    "Ask away. /image FILE looks at another image, /reset begins anew, /help lists commands, /quit ends."
)


def run(
    checkpoint: str | Path,
    images: str | Path | Sequence[str | Path] | None = None,
    prompt: str | None = None,
    settings: Settings | None = None,
) -> None:
    """Chat with a checkpoint about images.

    Args:
        checkpoint: folder of the checkpoint.
        images: image files, anywhere on this machine.
        prompt: answer only this; standard output then gets the answer and nothing else. Without it questions
            are read line by line until the input ends.
        settings: how answers are generated; greedy with up to 256 tokens by default.

    Raises:
        UserError: if the checkpoint, an image or the only question cannot be used.
    """
    paths = [images] if isinstance(images, str | Path) else list(images or ())
    pictures = [open_file(path) for path in paths]  # before the model, which takes longer to open
    from mmtune.decode.engine import Engine, Settings

    settings = settings or Settings(max_new_tokens=256)
    engine = Engine.from_checkpoint(checkpoint)
    conversation = Conversation(engine, pictures)
    if prompt is not None:
        _answer(conversation, prompt, settings)
        return
    Session(engine, conversation, settings).run()


def open_file(path: str | Path) -> Image:
    """Open an image that the user names, wherever it lies, under the usual limits of size and format.

    Raises:
        UserError: if there is no such image or it cannot be used.
    """
    from mmtune.images.decoding import load_image

    try:
        file = Path(path).expanduser().resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError("There is no such image file", str(path), "check the path") from error
    return load_image(file.parent, file.name)


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
            "reset": (self._reset, "begin anew with the same images"),
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
        # A path with spaces may be given bare, if it exists, or in quotes.
        if Path(rest).expanduser().is_file():
            paths = [rest]
        else:
            try:
                paths = shlex.split(rest)
            except ValueError as error:
                raise UserError(f"The command cannot be read: {error}", fix="close the quotes") from error
        if not paths:
            raise UserError("/image needs a file", fix="write /image photo.jpg")
        self.conversation = Conversation(self.engine, [open_file(path) for path in paths])
        sizes = ", ".join(f"{image.width} x {image.height}" for image in self.conversation.images)
        _tell(f"(looking at {', '.join(paths)}: {sizes} pixels)")

    def _reset(self, rest: str) -> None:
        self.conversation = Conversation(self.engine, self.conversation.images)
        _tell("(begun anew)")

    def _help(self, rest: str) -> None:
        for name, (_, meaning) in self.commands.items():
            _tell(f"/{name} {meaning}")

    def _quit(self, rest: str) -> None:
        self._over = True


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
