"""``python -m mmtune`` and ``torchrun -m mmtune`` are the command ``mmtune``."""

import sys

from mmtune.cli import main

if __name__ == "__main__":
    sys.exit(main())
