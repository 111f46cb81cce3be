"""The composed model: views through tower and projector, spliced into the language model's embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mmtune.batch import IGNORE, IMAGE_TOKEN_ID, PackedBatch
from mmtune.errors import UserError
from mmtune.images.policies.base import ImagePolicy
from mmtune.models import attention
from mmtune.models.adapters import naming
from mmtune.models.grids import project_grids
from mmtune.models.instructions import FILLER_ID, read_instructions
from mmtune.models.layers import decoder_layers
from mmtune.models.newline import newline_of
from mmtune.models.projectors import Projector, Text
from mmtune.models.vision.base import VisionTower

if TYPE_CHECKING:
    from mmtune.models.adapters.base import Adapter

PARTS = ("vision", "projector", "language")
"""Names of the parts in recipes, logs, checkpoints and optimiser groups."""
ADAPTERS_PART = "adapters"
"""Name of what adapters add to the parts, all together."""


class VisionLanguageModel(nn.Module):
    """A vision tower, a projector and a causal language model.

    Args:
        vision: the tower.
        projector: from the tower's features to the language model's embeddings.
        language: a causal language model of transformers, made by ``load_language``.
        policy: how an image becomes views and visual tokens.
        kernel: attention of packed rows, as in ``LanguageConfig.attention``.
    """

    def __init__(
        self,
        vision: VisionTower,
        projector: Projector,
        language: Any,
        policy: ImagePolicy,
        kernel: str = "auto",
    ) -> None:
        super().__init__()
        self.vision = vision
        self.projector = projector
        self.language = language
        self.policy = policy
        self.kernel = kernel
        self.adapters: dict[str, Adapter] = {}
        """The adapter of each part that has one; ``mmtune.models.adapters.attach`` fills it."""
        self._freeze_unused()

    def parts(self) -> dict[str, nn.Module]:
        """The parts by name, in the order that data flows through them."""
        return {"vision": self.vision, "projector": self.projector, "language": self.language}

    def set_trainable(self, part: str, trainable: bool) -> None:
        """Freeze a part's own weights or let them learn; what the forward pass never uses stays frozen.

        Args:
            part: one of ``PARTS``.
            trainable: whether its parameters get gradients.
        """
        for parameter in naming.own_parameters(self.parts()[part]):
            # numbers of four bits are no floats and cannot learn
            parameter.requires_grad_(trainable and parameter.is_floating_point())
        self._freeze_unused()

    def set_adapter_trainable(self, part: str, trainable: bool) -> None:
        """Freeze the adapter of a part or let it learn; nothing where there is none."""
        for parameter in naming.adapter_parameters(self.parts()[part]):
            parameter.requires_grad_(trainable)

    def state_of(self, part: str) -> dict[str, Tensor]:
        """Weights of a part by their name in its files, as the model holds them.

        Args:
            part: one of ``PARTS``; or ``ADAPTERS_PART``, whose names begin with the part that each is on.
        """
        if part != ADAPTERS_PART:
            return naming.own_state(self.parts()[part])
        return {
            f"{on}.{name}": tensor
            for on in self.adapters
            for name, tensor in naming.adapter_state(self.parts()[on]).items()
        }

    def _freeze_unused(self) -> None:
        for parameter in self.vision.unused_parameters():
            parameter.requires_grad_(False)

    def blocks(self) -> list[nn.Module]:
        """Transformer blocks of tower and language model: the units that engines shard and prefetch."""
        return [*self.vision.blocks(), *decoder_layers(self.language)]

    def blocks_of(self, part: str) -> list[nn.Module]:
        """Transformer blocks of the tower or of the language model."""
        return decoder_layers(self.language) if part == "language" else self.vision.blocks()

    def enable_gradient_checkpointing(self, parts: Iterable[str] = ("vision", "language")) -> None:
        """Recompute activations of these parts block by block in the backward pass.

        Args:
            parts: ``vision``, ``language`` or both; the projector is too small to gain.
        """
        if "vision" in parts:
            self.vision.enable_gradient_checkpointing()
        if "language" in parts:
            self.language.gradient_checkpointing_enable(
                gradient_checkpointing_kwargs={"use_reentrant": False}
            )

    def encode_images(
        self,
        pixels: Tensor,
        image_views: Sequence[int],
        image_sizes: Sequence[tuple[int, int]],
        text: Text | None = None,
    ) -> list[Tensor]:
        """Visual tokens of images, in the language model's space.

        Args:
            pixels: (views, 3, size, size), the views of all images in order; under the policy ``native`` the
                patches of all images, (patches, 3, patch, patch).
            image_views: views (or patches) of each image.
            image_sizes: (width, height) of each image in pixels.
            text: what ``read_instructions`` gave for these images, for a projector that reads it.

        Returns:
            For each image (tokens, language width).
        """
        if not image_views:
            return []
        grids = self.policy.patch_grids(image_sizes)
        views: Sequence[Tensor]
        if grids is None:
            of_views = None if text is None else text.of_views(image_views)
            views = self._project(pixels, of_views).split(tuple(image_views))
        else:
            features = self._see(lambda: self.vision.encode_grids(pixels, grids))
            views = project_grids(self.projector, features, grids, text)
        newline = self._newline()
        shown = [self.policy.assemble(v, s, newline) for v, s in zip(views, image_sizes, strict=True)]
        # A strip so thin that all its rows are cut off ends no row; the newline still gets its gradient.
        return shown if newline is None else [torch.cat([shown[0], newline[None, :][:0]]), *shown[1:]]

    def _newline(self) -> Tensor | None:
        """(language width,), where the image policy ends rows of visual tokens."""
        newline = newline_of(self.projector)
        return None if newline is None else newline().to(self.projector.dtype)

    def _see(self, look: Callable[[], Tensor]) -> Tensor:
        """Features of the tower; no graph goes through a frozen one."""
        learns = torch.is_grad_enabled() and any(p.requires_grad for p in self.vision.parameters())
        with torch.set_grad_enabled(learns):
            return look()

    def read_instructions(self, ids: Tensor | None, lengths: Sequence[int]) -> Text | None:
        """What the projector reads of the instructions of images; None where it reads nothing.

        Args:
            ids: (tokens,) of all instructions end to end.
            lengths: tokens of each image's instruction.

        Raises:
            ValueError: if the projector reads instructions and none are given.
        """
        depth = self.projector.text_depth
        if depth is None:
            return None
        if ids is None:
            raise ValueError("the projector reads the instruction of each image, and none are given")
        return read_instructions(self.language, ids, lengths, depth=depth, kernel=self.kernel)

    def _project(self, pixels: Tensor, text: Text | None = None) -> Tensor:
        """(views, 3, size, size) to (views, tokens, language width)."""
        features = self._see(lambda: self.vision(pixels))
        return self.projector(features, self.vision.tokens.grid, text)

    def embed(
        self,
        input_ids: Tensor,
        pixels: Tensor | None = None,
        image_views: Sequence[int] = (),
        image_sizes: Sequence[tuple[int, int]] = (),
        *,
        visual_tokens: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """Embeddings of a row, with visual tokens in the places that ``IMAGE_TOKEN_ID`` keeps for them.

        Args:
            input_ids: (tokens,).
            pixels: (views, 3, size, size), the views of all images in the order of their places.
            image_views: views of each image.
            image_sizes: (width, height) of each image in pixels.
            visual_tokens: what ``encode_images`` gave before, instead of ``pixels``.

        Returns:
            (tokens, language width).

        Raises:
            ValueError: if the visual tokens do not fill the places exactly.
        """
        if visual_tokens is None:
            visual_tokens = [] if pixels is None else self.encode_images(pixels, image_views, image_sizes)
        width = self.projector.language_width
        visual = torch.cat([v.reshape(-1, width) for v in visual_tokens]) if visual_tokens else None
        return self._splice(input_ids, visual)

    def _splice(self, input_ids: Tensor, visual: Tensor | None) -> Tensor:
        # The placeholder is no row of the table; row 0 stands in for it until the copy.
        embeddings = self.language.get_input_embeddings()(input_ids.clamp(min=0))
        places = (input_ids == IMAGE_TOKEN_ID).nonzero().squeeze(1)
        given = 0 if visual is None else visual.shape[0]
        if given != places.numel():
            raise ValueError(f"images give {given} visual tokens, the row has {places.numel()} places")
        if visual is None:
            return embeddings
        return embeddings.index_copy(0, places, visual.to(embeddings.dtype))

    def forward(self, batch: PackedBatch) -> Tensor:
        """Logits of a packed row at its supervised positions only.

        A row without images sends one blank view through tower and projector and keeps none of its tokens,
        and a row without supervised tokens gives empty logits: in both cases every trainable parameter still
        gets a gradient (of zero), so that no rank of ZeRO-3, FSDP or DDP waits for another.

        Args:
            batch: one packed row.

        Returns:
            (supervised tokens, vocabulary) float32, in the order of the row.

        Raises:
            UserError: if the language model ignores which logits it is asked for.
        """
        if batch.image_views:
            text = self.read_instructions(batch.instruction_ids, batch.instruction_lengths)
            visual = torch.cat(self.encode_images(batch.pixels, batch.image_views, batch.image_sizes, text))
        else:
            size = self.vision.geometry.size
            blank = torch.zeros(1, 3, size, size, dtype=torch.float32, device=batch.input_ids.device)
            # Reading an instruction runs layers of the language model, which other ranks may be waiting in.
            text = self.read_instructions(batch.input_ids.new_full((1,), FILLER_ID), (1,))
            visual, newline = self._project(blank, text)[0, :0], self._newline()
            if newline is not None:
                visual = torch.cat([visual, newline[None, :][:0]])
        embeddings = self._splice(batch.input_ids, visual)
        device = embeddings.device
        kernel = attention.choose_kernel(self.kernel, device, embeddings.dtype)
        supervised = (batch.targets != IGNORE).nonzero().squeeze(1)
        logits = self.language(
            inputs_embeds=embeddings.unsqueeze(0),
            position_ids=batch.position_ids.unsqueeze(0),
            use_cache=False,
            logits_to_keep=supervised,
            **attention.packed_arguments(batch.document_lengths, kernel, device),
        ).logits
        if logits.shape[1] != supervised.numel():
            raise UserError(
                "this language model gives logits at other positions than it is asked for (logits_to_keep)",
                type(self.language).__name__,
                "choose another language model, or a newer transformers",
            )
        return logits[0].float()
