"""One file over HTTP: resumed where it broke off, checked, and there whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import logging
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from eval.fetching.content import wrong_kind
from eval.tasks.published import Remote
from mmtune.errors import UserError
from mmtune.progress import Progress

log = logging.getLogger(__name__)

_PART, _VERSION = ".part", ".version"
_TRIED_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Patience:
    """How long to try."""

    tries: int = 6
    """Attempts without a byte more than before; one that gets further counts anew."""
    pause_s: float = 1.0
    """Before the second attempt; doubled each time."""
    timeout_s: float = 60.0
    """For each step: to connect, and for the next bytes."""


class _AgainError(Exception):
    """An attempt that broke off in a way that may pass."""


def download(remote: Remote, target: Path, page: str, patience: Patience) -> str:
    """Fetch a file to ``target``, by way of ``target.part``, which a later call goes on with.

    A part is gone on with only where the server says that the file is still the same one (``If-Range``).

    Args:
        remote: what to fetch.
        target: where to.
        page: the benchmark's, for messages.
        patience: how long to try.

    Returns:
        SHA-256 of the file.

    Raises:
        UserError: if it cannot be had, is not what was published, or does not fit on the disk.
    """
    try:
        import httpx2
    except ModuleNotFoundError as error:
        raise UserError("Fetching needs httpx2", remote.url, "pip install 'mmtune[teachers]'") from error

    part = target.with_name(target.name + _PART)
    client = httpx2.Client(follow_redirects=True, timeout=patience.timeout_s)
    failures, reached = 0, False
    with client, Progress(None, f"fetch {target.name}", unit="byte") as progress:
        while True:
            before = part.stat().st_size if part.exists() else 0
            try:
                _attempt(client, remote, part, page, progress)
                break
            except OSError as error:
                raise _not_written(part, error) from error
            except (_AgainError, httpx2.TransportError) as error:
                if isinstance(error, httpx2.UnsupportedProtocol):
                    raise UserError(f"This is no address to fetch from: {error}", remote.url) from error
                reached |= isinstance(error, _AgainError)
                if not reached and (why := _nobody_there(error)):
                    raise UserError(
                        why,
                        remote.url,
                        "check the address and the connection, or name a mirror with --from URL",
                    ) from error
                reason = str(error) or type(error).__name__
            except (httpx2.InvalidURL, httpx2.HTTPError) as error:
                raise UserError(f"The file cannot be fetched: {error}", remote.url, f"see {page}") from error
            after = part.stat().st_size if part.exists() else 0
            reached |= after > before
            failures = 0 if after > before else failures + 1
            if failures >= patience.tries:
                raise UserError(
                    f"The file could not be fetched in {patience.tries} attempts: {reason}",
                    remote.url,
                    "try again later, which goes on where this stopped, or name a mirror with --from URL",
                )
            log.warning("%s: %s; trying again", target.name, reason)
            time.sleep(patience.pause_s * 2**failures)
    digest = _sha256(part)
    if remote.sha256 and digest != remote.sha256:
        _drop(part)
        raise UserError(
            f"The file is not the published one: its SHA-256 is {digest}, not {remote.sha256}",
            remote.url,
            f"it has been removed; fetch it again, or see {page}",
        )
    if why := wrong_kind(part, remote.name):
        _drop(part)
        raise UserError(
            f"What came is not {remote.name}: {why}",
            remote.url,
            f"it has been removed; open the address in a browser, name a mirror with --from, or see {page}",
        )
    part.replace(target)
    _version(part).unlink(missing_ok=True)
    return digest


def _attempt(client: Any, remote: Remote, part: Path, page: str, progress: Progress) -> None:
    """Get what is still missing.

    Raises:
        _AgainError: if the attempt may be repeated.
        UserError: if it need not be.
    """
    have, version = _resumable(part)
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    with client.stream("GET", remote.url, headers=headers) as response:
        status = response.status_code
        if status in _TRIED_AGAIN:
            raise _AgainError(f"the server answers {status}")
        if status == 416:
            if response.headers.get("Content-Range") == f"bytes */{have}":
                return  # all of it had come, and the process ended before it could say so
            _drop(part)
            raise _AgainError("the server has less than what is here already")
        if status not in (200, 206):
            raise UserError(
                f"The server answers {status} {response.reason_phrase}", remote.url, f"see {page}"
            )
        if status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            _drop(part)
            raise _AgainError("the server goes on at another place than was asked for")
        packed = response.headers.get("Content-Encoding", "identity")
        if packed.lower() != "identity":  # its bytes would be taken for the file's
            raise UserError(
                f"The server packs the file ({packed}), though it was asked not to", remote.url, f"see {page}"
            )
        start = have if status == 206 else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        _check_room(part, remote, total, start)
        if not start:
            part.unlink(missing_ok=True)  # before the version changes, of which it is not
        _version(part).write_text(_named(response.headers), encoding="utf-8")
        with part.open("ab" if start else "wb") as file:
            _copy(response, file, progress)
    size = part.stat().st_size
    if total is not None and size < total:
        raise _AgainError(f"the connection ended after {size:,} of {total:,} bytes")


def _copy(response: Any, file: IO[bytes], progress: Progress) -> None:
    for piece in response.iter_raw():  # as it comes: what is put together first is lost when it breaks off
        file.write(piece)
        progress.advance(len(piece))


def _nobody_there(error: BaseException) -> str:
    """Why no server can be reached, where waiting does not help; "" for what may pass.

    What comes after a server has answered may pass: it is started anew, or the network is.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return "The connection is refused: no server listens at this address"
        if isinstance(cause, socket.gaierror):
            return f"There is no such host, or no network: {cause.strerror}"
        cause = cause.__cause__ or cause.__context__
    return ""


def _resumable(part: Path) -> tuple[int, str]:
    """Bytes that are here, and the version of the file that they are of; nothing where that is not known."""
    version = _version(part).read_text(encoding="utf-8") if _version(part).exists() else ""
    return (part.stat().st_size, version) if version and part.exists() else (0, "")


def _named(headers: Any) -> str:
    """What the server calls this version of the file; a weak name is none (RFC 9110, 13.1.5)."""
    tag = str(headers.get("ETag", ""))
    return tag if tag and not tag.startswith("W/") else str(headers.get("Last-Modified", ""))


def _check_room(part: Path, remote: Remote, total: int | None, start: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - start > free:
        raise UserError(
            f"The disk is too full: {total - start:,} bytes are to come, {free:,} are free",
            str(part.parent),
            "make room, or name another folder with --into",
        )


def _not_written(part: Path, error: OSError) -> UserError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(
            "The disk is full", str(part), "make room and call again, which goes on where this stopped"
        )
    return UserError(f"The file cannot be written: {error.strerror or error}", str(part))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def _version(part: Path) -> Path:
    return part.with_name(part.name + _VERSION)


def _drop(part: Path) -> None:
    part.unlink(missing_ok=True)
    _version(part).unlink(missing_ok=True)
