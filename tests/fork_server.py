"""A process that has imported PyTorch and transformers, and forks for every Python program that a test starts.

Most of the time that a tiny run takes in a process of its own is importing those two. What is forked here is a
process like any other - its own id, folder, environment, standard streams, signals and exit status - that
imports all of mmtune itself and only finds these libraries there. ``tests/processes.py`` talks to this.

Run as ``python tests/fork_server.py SOCKET``; it ends when its standard input does.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
from typing import Any, NoReturn

PRELOADED = (
    "torch",
    "torch.distributed.fsdp",
    "torch.utils.data",
    "torch.nn.parallel",
    "transformers.modeling_utils",
    "transformers.models.auto.modeling_auto",
    "transformers.models.clip.modeling_clip",
    "transformers.models.llama.modeling_llama",
    "transformers.tokenization_utils_tokenizers",
)


def read_request(connection: socket.socket) -> dict[str, Any]:
    """What to run: ``words``, ``cwd`` and ``env``, and the three streams as ``fds``."""
    fds: list[int] = []
    data = b""
    while not data.endswith(b"\n"):
        part, ancillary, _, _ = connection.recvmsg(1 << 16, socket.CMSG_SPACE(3 * array.array("i").itemsize))
        if not part:
            raise ConnectionError("the test has gone")
        for _, kind, content in ancillary:
            if kind == socket.SCM_RIGHTS:
                fds += array.array("i", content)
        data += part
    return {**json.loads(data), "fds": fds}


def become(request: dict[str, Any]) -> None:
    """In the child: the folder, environment, streams and signals that were asked for."""
    for number, fd in enumerate(request["fds"]):
        os.dup2(fd, number)
        os.close(fd)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def run(words: list[str]) -> None:
    """What ``python WORDS`` would run: ``-m MODULE``, ``-c CODE`` or a file."""
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    first = {"-m": os.getcwd(), "-c": ""}.get(words[0], os.path.dirname(os.path.abspath(words[0])))
    sys.path[:] = [first, *paths, *sys.path]
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})
    else:
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")


def serve(address: str) -> list[str]:
    """Fork for whoever asks until standard input ends; in a child, return the words to run."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    woken, wakes = os.pipe()
    for fd in (woken, wakes):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    children: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([0, listener, woken, *children.values()], [], [])
        if 0 in ready:
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            os._exit(0)
        if woken in ready:
            os.read(woken, 1 << 12)
            for pid, connection in list(children.items()):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    del children[pid]
                    with contextlib.suppress(OSError):
                        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
                    connection.close()
        for pid, connection in children.items():
            if connection in ready and connection.fileno() >= 0 and not connection.recv(1):
                os.kill(pid, signal.SIGKILL)  # the test has gone
        if listener not in ready:
            continue
        for name in PRELOADED:
            importlib.import_module(name)
        gc.freeze()  # so that the children's collections do not touch, and copy, what they share
        connection, _ = listener.accept()
        request = read_request(connection)
        pid = os.fork()
        if pid == 0:
            for other in (listener, connection, *children.values()):
                other.close()
            os.close(woken)
            os.close(wakes)
            become(request)
            return list(request["words"])
        for fd in request["fds"]:
            os.close(fd)
        connection.sendall(f"{pid}\n".encode())
        children[pid] = connection


def run_and_leave(words: list[str]) -> NoReturn:
    """Run and end as the interpreter does, but for the half second of taking thousands of modules apart."""
    status = 0
    try:
        run(words)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - the outermost frame
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 0xFF)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder, where a module of a test could stand for another of its name
    os.setsid()  # Ctrl-C is for the tests
    run_and_leave(serve(sys.argv[1]))
