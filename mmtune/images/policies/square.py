"""``square``: one view by the tower's own rule; CLIP keeps the centre square, SigLIP stretches."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image
from torch import Tensor

from mmtune.images.fitting import fit_view, view_pixels
from mmtune.images.policies.base import SingleViewPolicy


class SquarePolicy(SingleViewPolicy):
    """Resize as the tower was trained; what lies outside the centre square of a CLIP view is not seen."""

    name: ClassVar[str] = "square"

    def view(self, image: Image.Image) -> Tensor:
        """The fitted view as (3, size, size) uint8."""
        return view_pixels(fit_view(image, self.geometry))
