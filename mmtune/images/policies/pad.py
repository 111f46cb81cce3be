"""``pad``: the whole image on a square of the mean colour, as LLaVA-1.5 tunes."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image
from torch import Tensor

from mmtune.images.fitting import fit_view, pad_to_square, view_pixels
from mmtune.images.geometry import ViewGeometry, ViewTokens
from mmtune.images.policies.base import Project, SingleViewPolicy
from mmtune.images.settings import ImagesConfig


class PadPolicy(SingleViewPolicy):
    """Pad the shorter side with the tower's mean colour, then resize; nothing is cut off."""

    name: ClassVar[str] = "pad"

    def __init__(
        self,
        geometry: ViewGeometry,
        tokens: ViewTokens,
        settings: ImagesConfig | None = None,
        project: Project | None = None,
    ) -> None:
        super().__init__(geometry, tokens, settings, project)
        # Truncated, not rounded: released LLaVA models were trained with (122, 116, 104).
        red, green, blue = (int(mean * 255) for mean in geometry.mean)
        self.colour = (red, green, blue)

    def view(self, image: Image.Image) -> Tensor:
        """The padded view as (3, size, size) uint8."""
        return view_pixels(fit_view(pad_to_square(image, self.colour), self.geometry))
