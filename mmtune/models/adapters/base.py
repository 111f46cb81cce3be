"""What an adapter is: small weights beside a frozen part, put in, saved, read and, where possible, merged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from mmtune.batch import PackedBatch
from mmtune.errors import UserError
from mmtune.models.adapters import naming

WEIGHTS = "adapter_model.safetensors"
"""File of an adapter's weights, as peft calls it."""

Auxiliary = Callable[[PackedBatch], Tensor]
"""A loss of the row that has just been run, as a sum that is to be divided as the objective's is."""


class Adapter(ABC):
    """One way to adapt a part. An instance is the adapter of one part of one model.

    Args:
        part: ``language`` or ``vision``.
        settings: an instance of the class's own ``Settings``.
    """

    Settings: ClassVar[type]
    """A frozen dataclass with a default for every setting; it raises ValueError for values out of range."""
    kind: ClassVar[str]
    """Its name in recipes and checkpoints."""
    fits: ClassVar[tuple[str, ...]] = ("language",)
    """Parts that it can be put on."""
    mergeable: ClassVar[bool] = False
    """Whether its effect can be folded into the weights of what it wraps."""

    def __init__(self, part: str, settings: Any) -> None:
        self.part = part
        self.settings = settings

    @classmethod
    def portable(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Saved settings without what this machine cannot do and a trained adapter does not need."""
        return settings

    @property
    def tunes_base(self) -> bool:
        """Whether the part's own weights learn beside the adapter's."""
        return False

    @property
    def whole_weights(self) -> bool:
        """Whether each process must hold the part's weights whole, as quantised ones."""
        return False

    @abstractmethod
    def attach(self, module: nn.Module, blocks: Sequence[nn.Module]) -> None:
        """Put fresh weights into a part; what the part computes stays the same.

        Args:
            module: the part.
            blocks: its transformer blocks that are run, in order.

        Raises:
            UserError: if the part has nothing to adapt in the way that the settings say.
        """

    def write(self, folder: Path, module: nn.Module, tensors: Mapping[str, Tensor], base: str) -> list[str]:
        """Write the adapter's weights and what else its folder holds.

        Args:
            folder: an empty folder.
            module: the part that it is on.
            tensors: its weights by their name in the part, on the CPU.
            base: where the part's own weights come from.

        Returns:
            Names of the weight files.
        """
        from safetensors.torch import save_file

        save_file(dict(tensors), folder / WEIGHTS, metadata={"format": "pt"})
        return [WEIGHTS]

    def names(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors by the name that they have in files, given by their name in the part."""
        return dict(tensors)

    def merge(self, module: nn.Module) -> None:
        """Add the adapter to the weights that it wraps, so that it costs nothing; ``unmerge`` takes it back.

        Raises:
            UserError: where its effect is no change of weights.
        """
        raise UserError(
            f"a {self.kind} adapter changes with each token and cannot be merged into weights",
            self.part,
            "keep it beside the weights",
        )

    def unmerge(self, module: nn.Module) -> None:
        """Take back ``merge``."""
        self.merge(module)

    def fold(self, module: nn.Module) -> None:
        """Merge and take the wrappers away: the part is a plain one again.

        Raises:
            UserError: as ``merge``.
        """
        self.merge(module)

    def auxiliary(self, module: nn.Module) -> Auxiliary | None:
        """A loss that training adds to any objective, or None."""
        return None

    def parameters(self, module: nn.Module) -> list[nn.Parameter]:
        """Its parameters in the part."""
        return naming.adapter_parameters(module)
