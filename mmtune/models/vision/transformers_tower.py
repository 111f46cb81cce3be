"""CLIP, SigLIP, SigLIP 2 and DINOv2 towers of transformers."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.checkpoint import checkpoint

from mmtune.errors import UserError
from mmtune.images.geometry import Grid, ViewGeometry
from mmtune.models.config import Select, VisionConfig
from mmtune.models.files import read_json
from mmtune.models.pretrained import load_pretrained
from mmtune.models.vision.base import LayeredTower, Library
from mmtune.models.vision.families import FAMILIES, Family, family_of
from mmtune.models.vision.preprocessing import transformers_geometry


class TransformersTower(LayeredTower):
    """A vision transformer of one of ``FAMILIES``.

    The weights keep the names that they have inside the vision transformer (``embeddings``, ``encoder``, …)
    in every version of transformers; versions before 5.6 wrap those of CLIP and SigLIP once more.

    Args:
        model: a model of one of ``FAMILIES``.
        geometry: the view that it takes.
        layer: hidden state to read, as in ``VisionConfig.layer``.
        select: tokens to read, as in ``VisionConfig.select``.
        final_norm: as in ``VisionConfig.final_norm``.

    Raises:
        UserError: if there is no such hidden state, or none that goes through the final norm.
    """

    native = True

    def __init__(
        self,
        model: nn.Module,
        geometry: ViewGeometry,
        *,
        layer: int,
        select: Select,
        final_norm: bool = False,
    ) -> None:
        config: Any = model.config
        family = FAMILIES[config.model_type]
        super().__init__(
            geometry=geometry,
            width=config.hidden_size,
            layers=config.num_hidden_layers,
            layer=layer,
            select=select,
            class_token=family.class_token,
            registers=family.registers(config),
        )
        if final_norm and not (self.is_last and family.norms_last):
            raise UserError(
                "only the last hidden state of SigLIP and DINOv2 goes through the final norm,"
                f" not layer {layer} of this {family.name}",
                "model.vision.final_norm",
                "use layer: -1 of one of those, or leave final_norm out",
            )
        self.config = config
        self.family: Family = family
        self.core: Any = getattr(model, "vision_model", model)
        self.final_norm = final_norm
        self._checkpointing = False

    def describe(self) -> dict[str, Any]:
        """The transformers configuration."""
        settings = json.loads(self.config.to_json_string(use_diff=False))
        settings.pop("_name_or_path", None)
        return {"library": "transformers", "config": settings}

    def blocks(self) -> list[nn.Module]:
        """The encoder layers that are run."""
        return list(self.family.blocks(self.core)[: self.depth])

    def unused(self) -> list[nn.Module | nn.Parameter]:
        """Later encoder layers, the final norm where it is not asked for, the pooling head, DINOv2's mask."""
        found: list[nn.Module | nn.Parameter] = list(self.family.blocks(self.core)[self.depth :])
        if not self.final_norm:
            found.append(self.family.final_norm(self.core))
        for item in (getattr(self.core, "head", None), getattr(self.core.embeddings, "mask_token", None)):
            if isinstance(item, (nn.Module, nn.Parameter)):
                found.append(item)
        return found

    def enable_gradient_checkpointing(self) -> None:
        """Recompute each encoder layer in the backward pass."""
        self._checkpointing = True

    def hidden_state(self, pixels: Tensor) -> Tensor:
        """``hidden_states[depth]`` of the transformers model, or its ``last_hidden_state``."""
        return self._run(self.family.embed_views(self.core, pixels, self.grid), None)

    def encode_grids(self, patches: Tensor, grids: Sequence[Grid]) -> Tensor:
        """Features of images of different shapes: one pass, in which shorter ones are padded and masked.

        The DINOv2 of transformers 5.2 takes no mask; there each image goes through by itself.

        Args:
            patches: (patches of all images, 3, patch, patch).
            grids: patch grid of each image.

        Returns:
            (patches of all images, ``width``).
        """
        family, first = self.family, int(self.class_token)
        positions = {grid: family.positions_of(self.core, grid) for grid in dict.fromkeys(grids)}
        front = family.before_patches(self.core)
        rows = []
        pieces = family.embed_patches(self.core, patches).split([grid.cells for grid in grids])
        for piece, grid in zip(pieces, grids, strict=True):
            own = positions[grid]
            before = [front[0] + own[:1], *front[1:]] if front else []
            rows.append(torch.cat([*before, piece + own[first:]]))
        lengths = [len(row) for row in rows]
        if not all(_takes_mask(layer) for layer in self.blocks()):
            return torch.cat([self._run(row[None], None)[0, self.before_patches :] for row in rows])
        places = torch.arange(max(lengths), device=rows[0].device)
        real = places < torch.tensor(lengths, device=places.device).unsqueeze(1)
        state = self._run(pad_sequence(rows, batch_first=True), real[:, None, None, :])
        # By slices: a GPU would have to tell how many a mask holds before anything goes on.
        seen = zip(state, lengths, strict=True)
        return torch.cat([image[self.before_patches : length] for image, length in seen])

    def _run(self, state: Tensor, mask: Tensor | None) -> Tensor:
        """The layers over embedded tokens; ``mask`` is (views, 1, 1, tokens), False where nothing is."""
        if hasattr(self.core, "pre_layrnorm"):
            state = self.core.pre_layrnorm(state)
        for layer in self.blocks():
            more: dict[str, Any] = {"attention_mask": mask} if _takes_mask(layer) else {}
            if self._checkpointing and torch.is_grad_enabled():
                out = checkpoint(layer, state, use_reentrant=False, **more)
            else:
                out = layer(state, **more)
            state = out[0] if isinstance(out, tuple) else out
        return self.family.final_norm(self.core)(state) if self.final_norm else state


def _takes_mask(layer: nn.Module) -> bool:
    return "attention_mask" in inspect.signature(layer.forward).parameters


def load_transformers_tower(config: VisionConfig, *, meta: bool = False) -> TransformersTower:
    """A tower from a folder or from the hub; a full CLIP or SigLIP gives its vision part.

    Args:
        config: name, layer, selection and size of the view.
        meta: build from the configuration alone, without weights, on the meta device.

    Raises:
        UserError: if the model is missing, is of another kind, or its weights do not fit.
    """
    content = read_json(config.name, "config.json")
    if content is None:
        raise UserError(
            "the vision tower has no config.json",
            config.name,
            "give a CLIP, SigLIP or DINOv2 checkpoint, or write open_clip: in front of an open_clip one",
        )
    family, model_class, settings = _settings(content, config.name)
    preprocessor = read_json(config.name, "preprocessor_config.json") or read_json(
        config.name, "processor_config.json"
    )
    geometry = transformers_geometry(
        preprocessor,
        family=settings.model_type,
        size=family.own_size(settings),
        patch=settings.patch_size,
        source=config.name,
        image_size=config.image_size,
    )
    if meta:
        model = _resized(family, model_class, settings, geometry, None)
    else:
        model = load_pretrained(
            model_class, config.name, "vision tower", config=settings, dtype=torch.float32
        )
        model = _resized(family, model_class, settings, geometry, model)
    return TransformersTower(
        model, geometry, layer=config.layer, select=config.select, final_norm=config.final_norm
    )


def _resized(family: Family, model_class: Any, settings: Any, geometry: ViewGeometry, model: Any) -> Any:
    """The model with position embeddings for this view; a new one on the meta device where none is given."""
    fits = family.any_size or settings.image_size == geometry.size
    if model is not None and fits:
        return model
    if not fits:
        settings.image_size = geometry.size
    with torch.device("meta"):
        other = model_class(settings)
    if model is None:
        return other
    # transformers has no call for this: the weights move into a model that is made for the other size.
    core = getattr(model, "vision_model", model)
    sized = family.positions_of(core, geometry.grid).detach()
    state = dict(model.state_dict())
    (name,) = (name for name in state if name.endswith("embeddings.position_embedding.weight"))
    state[name] = sized
    other.load_state_dict(state, assign=True)
    embeddings = getattr(other, "vision_model", other).embeddings
    embeddings.position_ids = torch.arange(len(sized))[None]
    return other.eval()


def new_transformers_tower(
    content: dict[str, Any],
    geometry: ViewGeometry,
    *,
    layer: int,
    select: Select,
    final_norm: bool = False,
    meta: bool = False,
) -> TransformersTower:
    """A tower of this configuration with fresh weights, to load saved ones into.

    Args:
        content: a vision ``config.json``.
        geometry: the view that it takes.
        layer: hidden state to read.
        select: tokens to read.
        final_norm: whether the last state goes through the final norm.
        meta: build on the meta device.
    """
    _, model_class, settings = _settings(content, "the checkpoint's vision config.json")
    with torch.device("meta" if meta else "cpu"):
        model = model_class(settings)
    return TransformersTower(model, geometry, layer=layer, select=select, final_norm=final_norm)


def _settings(content: dict[str, Any], source: str) -> tuple[Family, Any, Any]:
    """The family, the model class and the vision configuration for a ``config.json``."""
    import transformers

    family, content = family_of(content, source)
    settings = getattr(transformers, family.config).from_dict(content)
    settings._attn_implementation = "sdpa"
    return family, getattr(transformers, family.model), settings


LIBRARY = Library(load_transformers_tower, new_transformers_tower)
