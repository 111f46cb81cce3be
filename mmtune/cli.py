"""The one command ``mmtune``: finds the verb, runs it, and turns mistakes into one clear sentence."""

from __future__ import annotations

import argparse
import difflib
import errno
import importlib
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import NoReturn

from mmtune import __version__
from mmtune.errors import UserError

VERBS: dict[str, str] = {
    "quickstart": "mmtune.commands.quickstart",
    "build": "mmtune.commands.build",
    "inspect": "mmtune.commands.inspect_recipe",
    "train": "mmtune.commands.train",
    "eval": "mmtune.commands.evaluate",
    "score": "mmtune.commands.score",
    "judge": "mmtune.commands.judge",
    "chat": "mmtune.commands.chat",
    "demo": "mmtune.commands.demo",
    "data": "mmtune.commands.data",
    "import": "mmtune.commands.import_checkpoint",
    "export": "mmtune.commands.export_checkpoint",
}
"""Each verb and the module that runs it, in the order in which a newcomer needs them."""

_INTERRUPTED = 130
_RECIPE_KEY = re.compile(r"--[a-z_]+(\.[a-z0-9_]+)+(=.*)?$", re.DOTALL)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_FOLDER = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR}
_ENVIRONMENT_ERRNOS = {*_FULL, *_NO_FOLDER, errno.EACCES, errno.EPERM, errno.EROFS}


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one sentence, as every other mistake's."""

    def __init__(self, **settings: object) -> None:
        settings.setdefault("allow_abbrev", False)
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**settings)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        raise UserError(_start_of_sentence(message), fix=f"see {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        argv: the words after ``mmtune``; ``sys.argv`` by default.

    Returns:
        The exit status: 0 done, 1 a fault of the program or the machine, 2 a mistake that the user can mend,
        130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    try:
        with _quiet_threads(debug):
            return _run([word for word in words if word != "--debug"])
    except KeyboardInterrupt:
        return _fail("interrupted", _INTERRUPTED, debug)
    except BrokenPipeError:  # `mmtune inspect ... | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except UserError as error:
        return _fail(str(error), error.exit_status, debug)
    except OSError as error:
        if error.errno not in _ENVIRONMENT_ERRNOS:
            return _fail(_unexpected(error), 1, debug)
        return _fail(_about_the_machine(error), 2, debug)
    except Exception as error:  # noqa: BLE001 - the outermost frame: nothing above it could say it better
        return _fail(_unexpected(error), 1, debug)


@contextmanager
def _quiet_threads(debug: bool) -> Iterator[None]:
    """A library's own thread that fails (a full disk under TensorBoard) tells one line, too."""
    before = threading.excepthook

    def tell(failed: threading.ExceptHookArgs) -> None:
        detail = " ".join(str(failed.exc_value).split())
        logging.getLogger(__name__).warning("a thread failed: %s: %s", failed.exc_type.__name__, detail)

    if not debug:
        threading.excepthook = tell
    try:
        yield
    finally:
        threading.excepthook = before


def _run(words: list[str]) -> int:
    if not words:
        parser().print_help()
        return 0
    _check_verb(words)
    words, overrides = split_overrides(words)
    args, unknown = parser().parse_known_args(words)
    if unknown:
        raise _unknown_words(args, unknown)
    if overrides and not getattr(args, "takes_overrides", False):
        raise UserError(f"mmtune {args.verb} takes no recipe keys", overrides[0], "leave the option out")
    args.overrides = overrides
    from mmtune.progress import setup_logging

    setup_logging()
    return args.run(args) or 0


def split_overrides(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take recipe keys (``--optim.lr 1e-3`` or ``--optim.lr=1e-3``) out of a command line.

    The parser does not know these keys and would take their values for its own arguments, so this goes first.

    Returns:
        The words that are left, and the overrides as ``--key=value``.
    """
    rest: list[str] = []
    overrides: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if not _RECIPE_KEY.match(word):
            rest.append(word)
        elif "=" in word:
            overrides.append(word)
        elif queue:
            overrides.append(f"{word}={queue.pop(0)}")
        else:
            raise UserError("A recipe key needs a value", word, f"write {word} VALUE")
    return rest, overrides


def module_of(verb: str) -> ModuleType:
    """The module that runs a verb."""
    return importlib.import_module(VERBS[verb])


def parser() -> Parser:
    """The parser of all verbs; recipe keys are taken out of the line before it (``split_overrides``)."""
    whole = Parser(
        prog="mmtune",
        description="Build data for, train, evaluate and talk to models that see images.",
        epilog="example:\n  mmtune quickstart --out OUT/quickstart\n\n`mmtune VERB --help` shows another.",
    )
    whole.add_argument("--version", action="version", version=f"mmtune {__version__}")
    whole.add_argument(
        "--debug", action="store_true", help="show the traceback of an error (after any verb, too)"
    )
    verbs = whole.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=Parser)
    for name in VERBS:
        module = module_of(name)
        sub = verbs.add_parser(
            name,
            help=module.SUMMARY,
            description=module.SUMMARY,
            epilog=f"example:\n{_indent(module.EXAMPLE)}",
        )
        module.add_arguments(sub)
        sub.set_defaults(
            run=module.run, options=[word for action in sub._actions for word in action.option_strings]
        )
    return whole


def _unknown_words(args: argparse.Namespace, unknown: Sequence[str]) -> UserError:
    """Name the nearest option where an unknown one was typed."""
    option = next((word for word in unknown if word.startswith("-")), unknown[0])
    near = difflib.get_close_matches(option.partition("=")[0], args.options, n=1, cutoff=0.6)
    fix = f"the nearest is {near[0]}" if near else f"see mmtune {args.verb} --help"
    return UserError(f"mmtune {args.verb} does not know this", option, fix)


def _check_verb(words: Sequence[str]) -> None:
    """Name the nearest verb where an unknown one was typed."""
    verb = next((word for word in words if not word.startswith("-")), None)
    if verb is None or verb in VERBS:
        return
    near = difflib.get_close_matches(verb, VERBS, n=1, cutoff=0.5)
    fix = f"the nearest is `mmtune {near[0]}`" if near else f"the verbs are {', '.join(VERBS)}"
    raise UserError("There is no such verb", verb, fix)


def _fail(message: str, status: int, debug: bool) -> int:
    """Say what went wrong on standard error; each rank of a distributed run says which one it is."""
    if debug:
        traceback.print_exc()
    rank = os.environ.get("RANK", "0")
    sys.stderr.write(f"mmtune: {message}\n" if rank == "0" else f"mmtune (rank {rank}): {message}\n")
    return status


def _unexpected(error: BaseException) -> str:
    detail = " ".join(str(error).split())
    detail = detail if len(detail) <= 300 else detail[:300] + "…"
    said = f"{type(error).__name__}: {detail}" if detail else type(error).__name__
    return f"stopped on an unexpected error ({said}); run the same command with --debug for the traceback."


def _about_the_machine(error: OSError) -> str:
    where = error.filename if isinstance(error.filename, str) else None
    if error.errno in _NO_FOLDER:
        return str(
            UserError(error.strerror or str(error), where, "choose another path, or move what is there")
        )
    if error.errno in _FULL:
        return str(UserError("The disk is full", where, "free some space and run the same command again"))
    return str(UserError(error.strerror or str(error), where, "check the file's owner and permissions"))


def _start_of_sentence(message: str) -> str:
    return message[:1].upper() + message[1:].rstrip(".")


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines())


if __name__ == "__main__":
    sys.exit(main())
