"""Typed settings of a model; wrong values are refused at construction, not at step 3,000."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from mmtune.errors import UserError

Select = Literal["patch", "cls_patch"]
Dtype = Literal["float32", "bfloat16", "auto"]
Attention = Literal["auto", "sdpa", "flash"]


@dataclass
class VisionConfig:
    """Which vision tower, and which of its features the projector reads."""

    name: str
    """Folder or hub name of a CLIP or SigLIP checkpoint, or ``open_clip:`` and a folder or hub name."""
    layer: int = -2
    """Hidden state that is read: 0 is the embeddings, k the output of block k, -1 the last block's.

    No state goes through the final layer norm, so -1 is not SigLIP's ``last_hidden_state``. Blocks behind the
    chosen one are kept in the weights but never run and never trained.
    """
    select: Select = "patch"
    """``patch`` drops the class token, ``cls_patch`` keeps it in front of the patches."""
    image_size: int | None = None
    """Pixels of a view's side; only the tower's own size is possible."""

    def __post_init__(self) -> None:
        if not self.name:
            raise UserError(
                "the vision tower has no name", "model.vision.name", "give a folder or a hub name"
            )
        if self.select not in ("patch", "cls_patch"):
            raise UserError(
                f"unknown feature selection {self.select!r}", "model.vision.select", "use patch or cls_patch"
            )
        if self.image_size is not None and self.image_size < 1:
            raise UserError(
                f"an image size of {self.image_size} pixels is impossible",
                "model.vision.image_size",
                "leave it out to use the tower's own",
            )


@dataclass
class ProjectorConfig:
    """Which projector carries visual features into the language model's space."""

    name: str = "mlp"
    """A key of ``mmtune.models.projectors.PROJECTORS``; ``mlp2x_gelu`` is ``mlp`` of depth 2."""
    depth: int = 2
    """Linear layers of ``mlp``, and of the MLP in which others end; LLaVA-1.5's ``mlp2x_gelu`` has 2."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What else the projector of this name can be told, as ``{queries: 64}``: see docs/models.md."""

    def __post_init__(self) -> None:
        if counted := re.fullmatch(r"mlp(\d+)x(_gelu)?", self.name):
            self.name, self.depth = "mlp", int(counted[1])
        if self.depth < 1:
            raise UserError(
                f"a depth of {self.depth} is impossible", "model.projector.depth", "use 1 or more"
            )


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
    checkpoint: str | None = None
    """Folder of an mmtune checkpoint to start from. Parts that it holds come from it; where it only refers to
    a part, ``vision.name`` and ``language.name`` say where that part is now."""

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
            checkpoint=self.checkpoint,
        )


__all__ = ["Attention", "Dtype", "LanguageConfig", "ModelConfig", "ProjectorConfig", "Select", "VisionConfig"]
