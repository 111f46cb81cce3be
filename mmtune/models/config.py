"""Typed settings of a model; wrong values are refused at construction, not at step 3,000."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mmtune.errors import UserError
from mmtune.images.settings import ImagesConfig

Select = Literal["patch", "cls_patch"]
Dtype = Literal["float32", "bfloat16", "auto"]
Attention = Literal["auto", "sdpa", "flash"]
Fuse = Literal["channel", "interleave"]

FUSED = "fused"
"""Name of a vision tower that is made of several."""
BETWEEN_NAMES = " + "
"""Stands between the names of several towers where one text names them all."""

TRANSFORMERS = "transformers"
"""Library of a vision tower whose name says none."""
_IN_LIBRARY = re.compile(r"([a-z][a-z0-9_]+):(.+)")


def split_library(name: str) -> tuple[str, str]:
    """The library that a vision tower's name says (``open_clip:NAME``), and the name without it."""
    said = _IN_LIBRARY.fullmatch(name)
    return (said[1], said[2]) if said else (TRANSFORMERS, name)


@dataclass
class TowerConfig:
    """One of several towers that look at the same view."""

    name: str
    """As in ``VisionConfig``."""
    layer: int = -2
    """As in ``VisionConfig``."""
    final_norm: bool = False
    """As in ``VisionConfig``."""


@dataclass
class VisionConfig:
    """Which vision tower, and which of its features the projector reads."""

    name: str
    """Folder or hub name of a CLIP, SigLIP, SigLIP 2 or DINOv2 checkpoint of transformers, or ``open_clip:``
    and a folder or hub name, or ``fused`` for the several ``towers``."""
    layer: int = -2
    """Hidden state that is read: k is the output of block k, counted from 1, and -1 that of the last block.

    No state goes through the final layer norm unless ``final_norm`` says so. Blocks behind the chosen one are
    kept in the weights but never run and never trained.
    """
    select: Select = "patch"
    """``patch`` drops the class token, ``cls_patch`` keeps it in front of the patches."""
    image_size: int | None = None
    """Pixels of a view's side; position embeddings are interpolated where it is not the tower's own."""
    final_norm: bool = False
    """Send the state of the last block through the tower's final norm: with layer -1 that is the
    ``last_hidden_state`` of SigLIP and DINOv2. CLIP's last hidden state has no norm."""
    towers: list[TowerConfig] | None = None
    """The towers of ``fused``; they all see the view that the first one takes, each normalised as its own."""
    fuse: Fuse = "channel"
    """How ``fused`` joins the towers' features: ``channel`` puts those of a patch side by side,
    ``interleave`` makes them neighbouring tokens, each with channels of its own."""

    def __post_init__(self) -> None:
        if not self.name:
            raise UserError(
                "the vision tower has no name", "model.vision.name", "give a folder or a hub name"
            )
        if self.select not in ("patch", "cls_patch"):
            raise UserError(
                f"unknown feature selection {self.select!r}", "model.vision.select", "use patch or cls_patch"
            )
        # Settings out of a checkpoint are plain mappings.
        if self.towers is not None:
            self.towers = [TowerConfig(**t) if isinstance(t, dict) else t for t in self.towers]
        if (self.name == FUSED) != (len(self.towers or ()) > 1):
            raise UserError(
                f"the vision tower {FUSED} joins two towers or more, any other is one",
                "model.vision.towers",
                f"write name: {FUSED} and list the towers, or leave towers out",
            )
        if self.name == FUSED and self.select != "patch":
            raise UserError(
                "several towers can only be joined patch by patch", "model.vision.select", "use patch"
            )
        if self.name == FUSED and (self.layer != -2 or self.final_norm):
            raise UserError(
                "several towers have a layer each",
                "model.vision.towers",
                "set layer and final_norm there, and where a base recipe sets them for one tower, put"
                " layer: -2 and final_norm: false beside name: fused",
            )
        if self.fuse not in ("channel", "interleave"):
            raise UserError(f"unknown fuse {self.fuse!r}", "model.vision.fuse", "use channel or interleave")
        if self.image_size is not None and self.image_size < 1:
            raise UserError(
                f"an image size of {self.image_size} pixels is impossible",
                "model.vision.image_size",
                "leave it out to use the tower's own",
            )

    @property
    def source(self) -> str:
        """Where the weights come from: the name, or the names of all towers."""
        return BETWEEN_NAMES.join(t.name for t in self.towers) if self.towers else self.name

    def located(self, source: str) -> VisionConfig:
        """The same settings with the weights at another place, named as by ``source``."""
        if not self.towers:
            return replace(self, name=source)
        names = source.split(BETWEEN_NAMES)
        return replace(self, towers=[replace(t, name=n) for t, n in zip(self.towers, names, strict=True)])


@dataclass
class ProjectorConfig:
    """Which projector carries visual features into the language model's space."""

    name: str = "mlp"
    """A key of ``mmtune.models.projectors.PROJECTORS``; ``mlp2x_gelu`` is ``mlp`` of depth 2."""
    depth: int | None = None
    """Linear layers of ``mlp``, and of the MLP in which ``pixel_shuffle``, ``pool`` and ``c_abstractor`` end;
    by default 2, as in LLaVA-1.5's ``mlp2x_gelu``. Other projectors have none and refuse it."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What else the projector of this name can be told, as ``{queries: 64}``: see docs/projectors.md."""

    def __post_init__(self) -> None:
        if counted := re.fullmatch(r"mlp(\d+)x(_gelu)?", self.name):
            named, told = int(counted[1]), self.depth
            if told not in (None, named):
                raise UserError(
                    f"{self.name} has {named} linear layers and not {told}",
                    "model.projector.depth",
                    "leave the depth out, or name the projector mlp",
                )
            self.name, self.depth = "mlp", named
        if self.linear_layers < 1:
            raise UserError(
                f"a depth of {self.depth} is impossible", "model.projector.depth", "use 1 or more"
            )

    @property
    def linear_layers(self) -> int:
        """``depth`` with its default."""
        return 2 if self.depth is None else self.depth


@dataclass
class LanguageConfig:
    """Which language model, and how its weights and attention are held."""

    name: str
    """Folder or hub name of any causal language model of transformers, with its tokenizer."""
    dtype: Dtype = "float32"
    """Type that the weights are loaded in; ``auto`` is the type that they are stored in.

    Every process first holds the whole model in its own memory: 28 GB for 7B in float32, 14 GB in bfloat16.
    With ``bfloat16`` what learns still gets float32 master weights, which start from the rounded values.
    """
    attention: Attention = "auto"
    """Kernel for packed rows: ``auto`` takes flash-attn where it is installed, on a GPU, in bf16."""
    add_tokens: list[str] = field(default_factory=list)
    """Special tokens that the tokenizer lacks, as a template's; their embeddings start as the mean of all."""

    def __post_init__(self) -> None:
        if not self.name:
            raise UserError(
                "the language model has no name", "model.language.name", "give a folder or a hub name"
            )
        if self.dtype not in ("float32", "bfloat16", "auto"):
            raise UserError(
                f"unknown dtype {self.dtype!r}", "model.language.dtype", "use float32, bfloat16 or auto"
            )
        if self.attention not in ("auto", "sdpa", "flash"):
            raise UserError(
                f"unknown attention {self.attention!r}", "model.language.attention", "use auto, sdpa or flash"
            )


@dataclass
class ModelConfig:
    """A vision-language model: from backbones, or from an mmtune checkpoint of an earlier stage."""

    vision: VisionConfig | None = None
    """The vision tower; may be left out with ``checkpoint``."""
    projector: ProjectorConfig | None = None
    """The projector, by default an MLP of depth 2, or the checkpoint's."""
    language: LanguageConfig | None = None
    """The language model; may be left out with ``checkpoint``."""
    image_policy: str | None = None
    """How an image becomes views, a key of ``mmtune.images.policies.POLICIES``; by default the checkpoint's,
    or ``square``."""
    images: ImagesConfig | None = None
    """Settings of the image policy, and of videos; by default the checkpoint's."""
    checkpoint: str | None = None
    """Folder of an mmtune checkpoint to start from. Parts that it holds come from it; where it only refers to
    a part, ``vision.name`` and ``language.name`` say where that part is now."""
    merge_adapters: bool = False
    """Fold the adapters of ``checkpoint`` into the weights that they are on, as a start for full training or
    another adapter."""

    def __post_init__(self) -> None:
        if self.checkpoint is None:
            for part in ("vision", "language"):
                if getattr(self, part) is None:
                    raise UserError(
                        f"the model has no {part} part",
                        f"model.{part}",
                        f"give model.{part}.name, or model.checkpoint",
                    )

    def resolved(self) -> ModelConfig:
        """The same settings with defaults filled in, for a model that starts from backbones."""
        return ModelConfig(
            vision=self.vision,
            projector=self.projector or ProjectorConfig(),
            language=self.language,
            image_policy=self.image_policy or "square",
            images=self.images or ImagesConfig(),
            checkpoint=self.checkpoint,
        )


__all__ = [
    "BETWEEN_NAMES",
    "FUSED",
    "TRANSFORMERS",
    "Attention",
    "Dtype",
    "Fuse",
    "ImagesConfig",
    "LanguageConfig",
    "ModelConfig",
    "ProjectorConfig",
    "Select",
    "TowerConfig",
    "VisionConfig",
    "split_library",
]
