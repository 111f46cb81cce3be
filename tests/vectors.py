"""Reads the reference vectors of the metrics that the tests carry with them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "golden" / "eval"


def vectors(name: str, kind: str | None = None, count: int | None = None) -> list[dict[str, Any]]:
    """Records of a file, of one kind where it holds several.

    Args:
        name: the file, without its endings.
        kind: only records of this kind.
        count: how many there must be, so that a file that is cut short or filtered to nothing fails.
    """
    with gzip.open(FOLDER / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    found = rows if kind is None else [row for row in rows if row["kind"] == kind]
    assert found and (count is None or len(found) == count), (name, kind, len(found))
    return found
