"""Whether what came is of the kind that its name says, by its first bytes."""

from __future__ import annotations

from pathlib import Path

_ZIP, _GZIP, _JSON = (b"PK",), (b"\x1f\x8b",), (b"{", b"[")
_BEGINS = {
    ".json": _JSON,
    ".jsonl": _JSON,
    ".zip": _ZIP,
    ".xlsx": _ZIP,
    ".gz": _GZIP,
    ".tgz": _GZIP,
    ".parquet": (b"PAR1",),
}
"""End of a name → how such a file begins."""
_LEAD = 512
_MARK = b"\xef\xbb\xbf"
"""That a text is UTF-8, which some programs write before it."""
_PAGES = frozenset({".html", ".htm", ".xml", ".svg"})


def wrong_kind(path: Path, name: str) -> str:
    """Why a file cannot be what its name says; "" where it may be.

    A sign-in page, a note that the server is down and a pointer to a stored file all come with status 200.

    Args:
        path: the file.
        name: what it is to be called.
    """
    with path.open("rb") as file:
        lead = file.read(_LEAD)
    suffix = Path(name).suffix.lower()
    text = lead.removeprefix(_MARK).lstrip()
    if text.startswith(b"<") and suffix not in _PAGES:
        return "a web page came in the file's place"
    begins = _BEGINS.get(suffix, ())
    found = text if begins is _JSON else lead
    return f"it does not begin as a {suffix} file does" if begins and not found.startswith(begins) else ""
