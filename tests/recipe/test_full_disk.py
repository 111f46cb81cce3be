"""A disk that is full while a checkpoint is written: one sentence, and nothing half-written is left."""

from __future__ import annotations

from mmtune.models import checkpoint
from tests import processes

FULL_DISK = """
import resource, sys
from mmtune.errors import UserError
from mmtune.models import checkpoint
bundle = checkpoint.load(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    checkpoint.save(sys.argv[2], bundle)
except UserError as error:
    sys.exit(f"refused: {error}")
"""


def test_a_disk_that_takes_no_more_leaves_nothing(bundle, tmp_path, root):
    """A limit on file sizes makes the kernel refuse the write as a full disk does."""
    saved = checkpoint.save(tmp_path / "saved", bundle)
    target = tmp_path / "runs" / "step"
    done = processes.run(["-c", FULL_DISK, str(saved), str(target)], cwd=root)
    assert "refused: the checkpoint cannot be written" in done.stderr, done.stderr[-2000:]
    assert list((tmp_path / "runs").iterdir()) == []
