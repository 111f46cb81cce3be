"""``anyres_max_9``: up to 6 x 6 tiles, their tokens scaled down to nine views' worth, as in OneVision."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import ClassVar

from mmtune.images.policies.anyres import AnyresPolicy


class AnyresMax9Policy(AnyresPolicy):
    """``anyres`` with more canvases to choose from, and a limit on what comes of them."""

    name: ClassVar[str] = "anyres_max_9"
    grids: ClassVar[Sequence[tuple[int, int]]] = tuple(product(range(1, 7), range(1, 7)))
    max_views: ClassVar[int | None] = 9
