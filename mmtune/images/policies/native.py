"""``native``: each image in its own shape and resolution, as the patch grid that covers it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from PIL import Image
from torch import Tensor

from mmtune.errors import UserError
from mmtune.images.fitting import resize, view_pixels
from mmtune.images.geometry import Grid, ViewGeometry, ViewTokens
from mmtune.images.policies.base import ImagePolicy, Project
from mmtune.images.settings import ImagesConfig
from mmtune.images.tiling import patch_grid


class NativePolicy(ImagePolicy):
    """An image is one grid of patches; here the views that travel to the tower are its patches.

    Raises:
        UserError: if the limit on patches leaves no grid.
    """

    name: ClassVar[str] = "native"
    needs_size: ClassVar[bool] = True
    native: ClassVar[bool] = True

    def __init__(
        self,
        geometry: ViewGeometry,
        tokens: ViewTokens,
        settings: ImagesConfig | None = None,
        project: Project | None = None,
    ) -> None:
        super().__init__(geometry, tokens, settings, project)
        self.most = self.settings.max_patches or geometry.grid.cells
        if self.most < self.settings.grid_multiple**2:
            raise UserError(
                f"{self.most} patches cannot make a grid of multiples of {self.settings.grid_multiple}",
                "model.images.max_patches",
                f"give at least {self.settings.grid_multiple**2}",
            )

    def grid(self, width: int, height: int) -> Grid:
        """The patch grid of an image of this size in pixels."""
        settings = self.settings
        return patch_grid(
            width, height, self.geometry.patch, self.most, multiple=settings.grid_multiple, fill=settings.fill
        )

    @property
    def largest(self) -> int:
        """Tokens of the grid, of all that the limit allows, of which the projector makes most."""
        multiple = self.settings.grid_multiple
        heights = range(multiple, self.most // multiple + 1, multiple)
        shapes = (Grid(rows, self.most // rows // multiple * multiple) for rows in heights)
        return max(self._tokens(shape) for shape in shapes)

    def _tokens(self, grid: Grid) -> int:
        return self.project(ViewTokens(grid.cells, grid)).count

    def token_count(self, width: int, height: int, *, frame: bool = False) -> int:
        """Visual tokens that the projector makes of the image's patches."""
        return self._tokens(self.grid(width, height))

    def views(self, image: Image.Image, *, frame: bool = False) -> Tensor:
        """The patches as (rows * columns, 3, patch, patch) uint8, row by row."""
        patch, grid = self.geometry.patch, self.grid(*image.size)
        sized = resize(image, (grid.cols * patch, grid.rows * patch), self.geometry.resample)
        pixels = view_pixels(sized).view(3, grid.rows, patch, grid.cols, patch)
        return pixels.permute(1, 3, 0, 2, 4).reshape(-1, 3, patch, patch)

    def patch_grids(self, sizes: Sequence[tuple[int, int]]) -> list[Grid]:
        """The patch grid of each image."""
        return [self.grid(*size) for size in sizes]

    def assemble(self, view_tokens: Tensor, size: tuple[int, int], newline: Tensor | None = None) -> Tensor:
        """The tokens of the only grid, in the projector's order.

        Raises:
            ValueError: if there are more or fewer than an image of this size has.
        """
        expected = self.token_count(*size)
        if view_tokens.shape[:2] != (1, expected):
            raise ValueError(f"{self.name} expects {expected} tokens, got {tuple(view_tokens.shape)}")
        return view_tokens[0]
