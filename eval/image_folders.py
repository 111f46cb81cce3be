"""Where the images of a run's questions are, made sure of before any model is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval.sharing import Peers
from eval.tasks import Item, Task
from eval.tasks.embedded import unpack_images
from mmtune.errors import UserError


def ready_images(tasks: Mapping[str, Task], items: Mapping[str, Sequence[Item]], peers: Peers) -> None:
    """Unpack the images that stand in tables, one process for all, and refuse a folder that does not exist.

    Tasks that ask about no image need no folder.

    Raises:
        UserError: if the images cannot be had.
    """
    for mine in (peers.rank == 0, peers.rank != 0):
        if mine:
            for name, task in tasks.items():
                if any(item.images for item in items[name]):
                    unpack_images(task)
        peers.wait()
    for name, task in tasks.items():
        if any(item.images for item in items[name]) and not task.images.is_dir():
            raise UserError("There is no such image folder", str(task.images), "give it with images=FOLDER")
