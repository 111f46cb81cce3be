"""Adapters, one file each: small weights that learn beside a part's own.

A stage chooses them by part (``stage.learn: {language: lora}``); checkpoints hold them beside the projector.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmtune.errors import UserError
from mmtune.models.settings import read_settings
from mmtune.registry import Registry

if TYPE_CHECKING:
    from mmtune.models.adapters.base import Adapter
    from mmtune.models.vlm import VisionLanguageModel

ADAPTERS: Registry[type[Adapter]] = Registry(
    "adapter",
    __name__,
    {
        "lora": "lora:Lora",
        "mole": "mole:Mole",
        "language_expert": "language_expert:LanguageExpert",
    },
)


def make_adapter(part: str, kind: str, settings: Mapping[str, Any], where: str | None = None) -> Adapter:
    """An adapter with checked settings, not yet on a model.

    Args:
        part: ``language`` or ``vision``.
        kind: a key of ``ADAPTERS``.
        settings: as a recipe or a checkpoint has them; what is missing has its default.
        where: where the settings stand, for messages.

    Raises:
        UserError: for an unknown adapter or setting, a wrong value, or a part that it cannot be put on.
    """
    chosen = ADAPTERS.find(kind, "stage.learn")
    if part not in chosen.fits:
        raise UserError(
            f"a {kind} adapter cannot be put on the {part} part",
            f"stage.learn.{part}",
            f"it fits {' and '.join(chosen.fits)}",
        )
    return chosen(part, read_settings(chosen.Settings, settings, where or f"stage.adapters.{part}"))


def attach(model: VisionLanguageModel, adapter: Adapter, *, seed: int = 0) -> None:
    """Put an adapter with fresh weights on a model; what the model computes stays the same.

    Args:
        model: real or on the meta device.
        adapter: of ``make_adapter``.
        seed: of the fresh weights; the global random state is left as it was.

    Raises:
        UserError: if the part has an adapter already, or nothing to adapt.
    """
    import torch

    if adapter.part in model.adapters:
        raise UserError(
            f"the {adapter.part} part has a {model.adapters[adapter.part].kind} adapter already",
            f"stage.learn.{adapter.part}",
            "set model.merge_adapters to go on from the merged weights",
        )
    module = model.parts()[adapter.part]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        adapter.attach(module, model.blocks_of(adapter.part))
    model.adapters[adapter.part] = adapter


def merge(model: VisionLanguageModel) -> None:
    """Add all adapters to the weights that they wrap; ``unmerge`` takes it back.

    Raises:
        UserError: if an adapter is of a kind that cannot be merged.
    """
    for part, adapter in model.adapters.items():
        adapter.merge(model.parts()[part])


def unmerge(model: VisionLanguageModel) -> None:
    """Take back ``merge``, up to rounding."""
    for part, adapter in model.adapters.items():
        adapter.unmerge(model.parts()[part])


__all__ = ["ADAPTERS", "attach", "make_adapter", "merge", "unmerge"]
