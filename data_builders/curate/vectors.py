"""Vectors of rows in NumPy's format, written one at a time, so that those of a large file fit."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
from numpy.typing import ArrayLike

from data_builders.rows import writing_to


class VectorWriter:
    """A ``.npy`` file of float32, (rows, width), that appears when it is published.

    Use it as a context manager; what was not published by its end is gone.

    Args:
        path: the file, in a folder that is there.

    Raises:
        UserError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        self._file: BinaryIO | None = None
        self._rows = self._width = 0

    def __enter__(self) -> VectorWriter:
        with writing_to(self.path):
            self._file = self._partial.open("wb")
        return self

    def write(self, vector: ArrayLike) -> None:
        """Append a row; all are of one width."""
        assert self._file is not None
        row = np.ascontiguousarray(vector, dtype="<f4").reshape(-1)
        with writing_to(self.path):
            if not self._rows:
                self._width = len(row)
                self._header()
            if len(row) != self._width:
                raise ValueError(f"a row of {len(row)} numbers among rows of {self._width}")
            self._file.write(row.tobytes())
        self._rows += 1

    def publish(self) -> None:
        """Let the file appear, with all rows written so far, of which there is at least one."""
        assert self._file is not None and self._rows
        with writing_to(self.path):
            # NumPy leaves room in a header for the number of rows to grow.
            self._file.seek(0)
            self._header()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._partial.replace(self.path)

    def _header(self) -> None:
        assert self._file is not None
        shape = {"descr": "<f4", "fortran_order": False, "shape": (self._rows, self._width)}
        np.lib.format.write_array_header_1_0(self._file, shape)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        self._file.close()
        self._partial.unlink(missing_ok=True)
