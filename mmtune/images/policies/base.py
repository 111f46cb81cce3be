"""The image policy: which views of an image the tower sees, and how their tokens become visual tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

from PIL import Image
from torch import Tensor

from mmtune.images.fitting import normalise
from mmtune.images.geometry import Grid, ViewGeometry, ViewTokens
from mmtune.images.settings import ImagesConfig

Project = Callable[[ViewTokens], ViewTokens]
"""What a projector makes of a tower's features."""


class ImagePolicy(ABC):
    """One way from an image to visual tokens; a new policy is one new file and one line in the registry.

    Args:
        geometry: the view that the tower takes.
        tokens: visual tokens that the projector gives for one view.
        settings: the recipe's settings; the policy's own defaults where they say nothing.
        project: the projector's own count, for a policy whose views differ in size.
    """

    name: ClassVar[str]
    needs_size: ClassVar[bool] = False
    """Whether the token count depends on the image's size, so that its header must be read to plan a row."""
    native: ClassVar[bool] = False
    """Whether the tower sees patch grids of each image's own shape instead of views of one size."""

    def __init__(
        self,
        geometry: ViewGeometry,
        tokens: ViewTokens,
        settings: ImagesConfig | None = None,
        project: Project | None = None,
    ) -> None:
        self.geometry = geometry
        self.tokens = tokens
        self.settings = settings or ImagesConfig()
        self.project = project or _as_they_are
        self.uses_newline = False
        """Whether ``assemble`` inserts a learned newline embedding between rows of visual tokens."""

    @property
    @abstractmethod
    def largest(self) -> int:
        """The most visual tokens that any image gives."""

    @abstractmethod
    def token_count(self, width: int, height: int, *, frame: bool = False) -> int:
        """Visual tokens of an image.

        Args:
            width: in pixels; ignored unless ``needs_size``.
            height: in pixels; ignored unless ``needs_size``.
            frame: whether it is a frame of a video, which is never cut into tiles.
        """

    @abstractmethod
    def views(self, image: Image.Image, *, frame: bool = False) -> Tensor:
        """The views of an RGB image as (views, 3, side, side) uint8, cheap to send between processes."""

    @abstractmethod
    def assemble(self, view_tokens: Tensor, size: tuple[int, int], newline: Tensor | None = None) -> Tensor:
        """Order the tokens of an image's views as the language model reads them.

        Args:
            view_tokens: (views, tokens of a view, width).
            size: (width, height) of the image in pixels.
            newline: (width,) learned embedding, where the policy uses one.

        Returns:
            (token_count(*size), width).
        """

    def patch_grids(self, sizes: Sequence[tuple[int, int]]) -> list[Grid] | None:
        """The patch grid of each image, or None where the tower sees views of its own size.

        Args:
            sizes: (width, height) of each image in pixels.
        """
        return None

    def normalise(self, views: Tensor) -> Tensor:
        """Standardise (views, 3, side, side) uint8 pixels to float32 as the tower expects."""
        return normalise(views, self.geometry.mean, self.geometry.std)

    def prepare(self, image: Image.Image, *, frame: bool = False) -> Tensor:
        """The views of an RGB image as (views, 3, side, side) float32, ready for the tower."""
        return self.normalise(self.views(image, frame=frame))


def _as_they_are(tokens: ViewTokens) -> ViewTokens:
    return tokens


class SingleViewPolicy(ImagePolicy):
    """An image is one view, so it always gives the tokens of one view."""

    @abstractmethod
    def view(self, image: Image.Image) -> Tensor:
        """The only view of an RGB image as (3, size, size) uint8."""

    @property
    def largest(self) -> int:
        """Visual tokens of one view."""
        return self.tokens.count

    def token_count(self, width: int, height: int, *, frame: bool = False) -> int:
        """Visual tokens of one view, whatever the size."""
        return self.tokens.count

    def views(self, image: Image.Image, *, frame: bool = False) -> Tensor:
        """The only view as (1, 3, size, size) uint8."""
        return self.view(image).unsqueeze(0)

    def assemble(self, view_tokens: Tensor, size: tuple[int, int], newline: Tensor | None = None) -> Tensor:
        """The tokens of the only view, in the tower's order.

        Raises:
            ValueError: if there is not exactly one view with the expected tokens.
        """
        if view_tokens.shape[0] != 1 or view_tokens.shape[1] != self.tokens.count:
            raise ValueError(
                f"{self.name} expects 1 view of {self.tokens.count} tokens, got {tuple(view_tokens.shape)}"
            )
        return view_tokens[0]
