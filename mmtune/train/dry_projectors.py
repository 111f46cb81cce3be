"""The projectors of a dry run: parameters and visual tokens of the recipe's own and of all others."""

from __future__ import annotations

from mmtune.errors import UserError
from mmtune.images.geometry import ViewTokens
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors import PROJECTORS, Projector, build_projector
from mmtune.models.vlm import VisionLanguageModel


def describe_projectors(model: VisionLanguageModel) -> list[str]:
    """A line for each projector that could stand between this tower and this language model.

    The recipe's own comes first and with its settings, the others have their defaults.
    """
    own, features = model.projector, model.vision.tokens
    grid = f"{features.grid.rows} x {features.grid.cols} patches" if features.grid else "features in no grid"
    lines = [
        f"visual tokens of a view of {grid}, {own.vision_width} channels into {own.language_width}:",
        _line(own.config.name, own, features) + "  <- this recipe",
    ]
    for name in PROJECTORS:
        if name == own.config.name:
            continue
        try:
            other = build_projector(ProjectorConfig(name), own.vision_width, own.language_width, meta=True)
            lines.append(_line(name, other, features))
        except UserError as error:
            lines.append(f"  {name:<18}not with its default settings: {error.what}")
    return lines


def _line(name: str, projector: Projector, features: ViewTokens) -> str:
    """Name, parameters, tokens, and what the tokens depend on."""
    tokens = projector.out_tokens(features).count
    parameters = sum(parameter.numel() for parameter in projector.parameters())
    reads = "  reads the instruction" if projector.reads_text else ""
    return f"  {name:<18}{parameters:>13,} parameters{tokens:>7,} tokens{reads}"
