"""Vectors are what NumPy itself would save, and appear whole or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from data_builders.curate.vectors import VectorWriter


def test_rows_are_written_as_numpy_saves_them(tmp_path):
    rows = np.random.RandomState(0).randn(11, 5).astype(np.float32)
    with VectorWriter(tmp_path / "a.npy") as out:
        for row in rows.astype(np.float64):
            out.write(row)
        assert not (tmp_path / "a.npy").exists()
        out.publish()
    np.save(tmp_path / "b.npy", rows)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_what_was_not_published_leaves_the_old_file(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"old")
    with VectorWriter(tmp_path / "a.npy") as out:
        out.write([1.0, 2.0, 3.0])
        with pytest.raises(ValueError, match="a row of 2"):
            out.write([1.0, 2.0])
    assert [file.name for file in tmp_path.iterdir()] == ["a.npy"]
    assert (tmp_path / "a.npy").read_bytes() == b"old"
