"""``anyres``: the whole image in one view, and again in tiles at its own resolution, as LLaVA-1.6 sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from mmtune.errors import UserError
from mmtune.images.fitting import fit_view, view_pixels
from mmtune.images.geometry import Grid, ViewGeometry, ViewTokens
from mmtune.images.policies.base import ImagePolicy, Project
from mmtune.images.settings import ImagesConfig
from mmtune.images.tiling import Size, best_canvas, fitted, parse_canvases, shrunk, unpadded

BORDER = (0, 0, 0)


class AnyresPolicy(ImagePolicy):
    """One view of the squeezed image, then the tiles of the canvas that suits it best, row by row.

    The tokens of the tiles are laid out as one picture, those of the border are cut off, and each row ends
    with a learned newline. A frame of a video is one view, as the tower's own rule makes it, with one newline
    behind it.

    Raises:
        UserError: if the projector's tokens have no grid to lay out, or the canvases do not fit the tower.
    """

    name: ClassVar[str] = "anyres"
    needs_size: ClassVar[bool] = True
    grids: ClassVar[Sequence[tuple[int, int]]] = ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3))
    """Canvases as columns and rows of tiles, unless the settings say otherwise."""
    max_views: ClassVar[int | None] = None
    """Views' worth of tokens above which those of the tiles are scaled down, unless the settings say
    otherwise."""

    def __init__(
        self,
        geometry: ViewGeometry,
        tokens: ViewTokens,
        settings: ImagesConfig | None = None,
        project: Project | None = None,
    ) -> None:
        super().__init__(geometry, tokens, settings, project)
        side = geometry.size
        own = [(cols * side, rows * side) for cols, rows in self.grids]
        self.canvases = parse_canvases(self.settings.pinpoints or own, side)
        self.most_views = self.settings.max_views or self.max_views
        """Views' worth of tokens above which those of the tiles are scaled down; None never does."""
        self._limit = None if self.most_views is None else self.most_views * tokens.count
        self.uses_newline = self.settings.merge == "unpad"
        if self.uses_newline and tokens.grid is None:
            raise UserError(
                f"the image policy {self.name} lays visual tokens out in rows, and these have no rows",
                "model.images.merge",
                "set it to flat, or use a projector that keeps the grid and select: patch",
            )

    @property
    def largest(self) -> int:
        """No image gives more; where tokens are scaled down, those are most that are just too few for it."""
        return max(self._most(canvas) for canvas in self.canvases)

    def _most(self, canvas: Size) -> int:
        if not self.uses_newline or self._limit is None:
            return self._count(*canvas, canvas)
        grid = self._canvas_grid(canvas)
        # Unpadding leaves one side of the picture whole and takes as much from both ends of the other.
        shapes = [(rows, grid.cols) for rows in range(grid.rows, 0, -2)]
        shapes += [(grid.rows, cols) for cols in range(grid.cols, 0, -2)]
        left = (shrunk(*shape, self._limit) for shape in shapes)
        return self.tokens.count + max(rows * (cols + 1) for rows, cols in left)

    def token_count(self, width: int, height: int, *, frame: bool = False) -> int:
        """Visual tokens of an image of this size."""
        if frame:
            return self.tokens.count + self.uses_newline
        return self._count(width, height, best_canvas(width, height, self.canvases))

    def _count(self, width: int, height: int, canvas: Size) -> int:
        if not self.uses_newline:
            return self.tokens.count * (1 + self._tiles(canvas).cells)
        rows, cols = self._final(width, height, canvas)
        return self.tokens.count + rows * (cols + 1)

    def _tiles(self, canvas: Size) -> Grid:
        return Grid(canvas[1] // self.geometry.size, canvas[0] // self.geometry.size)

    def _canvas_grid(self, canvas: Size) -> Grid:
        """The grid of all tiles' tokens."""
        tiles, grid = self._tiles(canvas), self.tokens.grid
        assert grid is not None
        return Grid(tiles.rows * grid.rows, tiles.cols * grid.cols)

    def _final(self, width: int, height: int, canvas: Size) -> tuple[int, int]:
        """Rows and columns of the tiles' tokens that the language model reads."""
        grid = self._canvas_grid(canvas)
        down, across = unpadded(grid, width, height)
        rows, cols = len(range(*down.indices(grid.rows))), len(range(*across.indices(grid.cols)))
        return (rows, cols) if self._limit is None else shrunk(rows, cols, self._limit)

    def views(self, image: Image.Image, *, frame: bool = False) -> Tensor:
        """(1 + tiles, 3, size, size) uint8, or (1, 3, size, size) for a frame."""
        if frame:
            return view_pixels(fit_view(image, self.geometry)).unsqueeze(0)
        side = self.geometry.size
        canvas = best_canvas(*image.size, self.canvases)
        # Bicubic whatever the tower's own filter is: so the released models were trained.
        squeezed = image.resize((side, side), Image.Resampling.BICUBIC)
        scaled = image.resize(fitted(*image.size, canvas), Image.Resampling.BICUBIC)
        picture = Image.new("RGB", canvas, BORDER)
        picture.paste(scaled, ((canvas[0] - scaled.width) // 2, (canvas[1] - scaled.height) // 2))
        tiles = self._tiles(canvas)
        pixels = view_pixels(picture).view(3, tiles.rows, side, tiles.cols, side).permute(1, 3, 0, 2, 4)
        return torch.cat([view_pixels(squeezed).unsqueeze(0), pixels.reshape(-1, 3, side, side)])

    def assemble(self, view_tokens: Tensor, size: tuple[int, int], newline: Tensor | None = None) -> Tensor:
        """The squeezed view's tokens, then the rows of the picture that the tiles make, newlines included.

        Raises:
            ValueError: if the views are not those of an image of this size, or there is no newline.
        """
        if not self.uses_newline:
            return view_tokens.flatten(0, 1)
        if newline is None:
            raise ValueError(f"{self.name} needs the newline embedding")
        newline = newline.to(view_tokens.dtype)
        if view_tokens.shape[0] == 1:
            return torch.cat([view_tokens[0], newline.unsqueeze(0)])
        canvas = best_canvas(*size, self.canvases)
        tiles, whole, grid = self._tiles(canvas), self._canvas_grid(canvas), self.tokens.grid
        if grid is None or view_tokens.shape[:2] != (1 + tiles.cells, grid.cells):
            raise ValueError(
                f"an image of {size} has {1 + tiles.cells} views of {self.tokens.count} tokens,"
                f" got {tuple(view_tokens.shape)}"
            )
        picture = view_tokens[1:].reshape(tiles.rows, tiles.cols, grid.rows, grid.cols, -1)
        picture = picture.transpose(1, 2).reshape(whole.rows, whole.cols, -1)
        picture = picture[unpadded(whole, *size)]
        final = self._final(*size, canvas)
        if final != tuple(picture.shape[:2]):
            picture = F.interpolate(picture.permute(2, 0, 1).unsqueeze(0), final, mode="bilinear")[0]
            picture = picture.permute(1, 2, 0)
        ends = newline.expand(picture.shape[0], 1, -1)
        return torch.cat([view_tokens[0], torch.cat([picture, ends], dim=1).flatten(0, 1)])
