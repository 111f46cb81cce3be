"""Python programs that a test starts as processes of their own, without each importing PyTorch anew.

Programs that need no PyTorch are quicker in an interpreter of their own.

On Linux they are forked by one process of ``tests/fork_server.py`` for all tests; elsewhere, or with
``MMTUNE_TEST_FORKS=0``, Python is started for each. Training (with torchrun), evaluation, chat and the demo are
also run by interpreters started for them, as a user's are: ``tests/recipe/test_readme.py``.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PLACE = "MMTUNE_TEST_FORKS"
"""Environment variable with the folder of the server's socket; the processes that test inherit it."""

_MOST = 1 << 16


def offer() -> Any:
    """Start the server, which imports nothing before it is first asked; what is returned ends it."""
    if sys.platform != "linux" or os.environ.get(PLACE) == "0":
        return lambda: None
    folder = tempfile.mkdtemp(prefix="mmtune-forks-")
    server = subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "fork_server.py"), f"{folder}/socket"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=None,
        cwd=folder,
    )
    os.environ[PLACE] = folder

    def end() -> None:
        assert server.stdin is not None
        server.stdin.close()
        server.wait()
        os.environ.pop(PLACE, None)
        shutil.rmtree(folder, ignore_errors=True)

    return end


class Forked:
    """A process that the server has forked, with the part of ``subprocess.Popen`` that tests use."""

    def __init__(
        self, words: Sequence[str], cwd: str, env: Mapping[str, str], streams: Sequence[int]
    ) -> None:
        self.args = [sys.executable, *words]
        self.returncode: int | None = None
        self._connection = socket.socket(socket.AF_UNIX)
        self._connect(f"{os.environ[PLACE]}/socket")
        request = json.dumps({"words": list(words), "cwd": cwd, "env": dict(env)}).encode() + b"\n"
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))]
        sent = self._connection.sendmsg([request], rights)
        self._connection.sendall(request[sent:])
        self._told = self._connection.makefile("r")
        self.pid = int(self._told.readline())

    def _connect(self, address: str) -> None:
        for _ in range(600):
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                return self._connection.connect(address)
            time.sleep(0.05)
        raise AssertionError(f"nobody listens at {address}")

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        if self.returncode is None and select.select([self._connection], [], [], 0)[0]:
            self.returncode = int(self._told.readline())
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, as soon as there is one."""
        if self.returncode is None and not select.select([self._connection], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        found = self.poll()
        assert found is not None
        return found

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


Process = subprocess.Popen[bytes] | Forked


def start(
    words: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: Any = subprocess.DEVNULL,
    output: Any = subprocess.DEVNULL,
    errors: Any = None,
) -> Process:
    """``python WORDS``, under way.

    Args:
        words: ``-m MODULE …``, ``-c CODE …`` or a file and its words.
        cwd: its working folder.
        env: its environment; this process's by default.
        stdin: a file to read from.
        output: a file for what it writes.
        errors: a file for what it writes to standard error; ``output`` by default.
    """
    settings = {"cwd": str(cwd or Path.cwd()), "env": {**(os.environ if env is None else env)}}
    errors = output if errors is None else errors
    if not forks():
        return subprocess.Popen(
            [sys.executable, *words], stdin=stdin, stdout=output, stderr=errors, **settings
        )
    with open(os.devnull, "r+b") as nothing:
        streams = [
            (nothing if stream == subprocess.DEVNULL else stream) for stream in (stdin, output, errors)
        ]
        return Forked(words, streams=[s if isinstance(s, int) else s.fileno() for s in streams], **settings)


def forks() -> bool:
    """Whether there is a server to ask."""
    return os.environ.get(PLACE, "0") != "0"


def run(
    words: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    told: str = "",
    timeout: float = 600,
) -> subprocess.CompletedProcess[str]:
    """``python WORDS`` to its end.

    Args:
        words: as for ``start``.
        cwd: its working folder.
        env: its environment.
        told: its standard input.
        timeout: seconds.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(told.encode())
        given.seek(0)
        process = start(words, cwd=cwd, env=env, stdin=given, output=out, errors=err)
        try:
            process.wait(timeout)
        finally:
            process.kill()
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return subprocess.CompletedProcess(process.args, process.returncode, *texts)
