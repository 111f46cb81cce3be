"""``python -m mmtune``, which is also how launchers start it: ``torchrun -m mmtune train RECIPE``."""

import logging
import os
import sys

from mmtune.cli import main

if __name__ == "__main__":
    status = main()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        # Everything is saved and closed. Threads of the collectives that still live while the interpreter is
        # taken down can abort the process (seen once: gloo, FSDP2): a finished run would count as failed.
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
