"""``mmtune train RECIPE --dry-run``: the model without weights, its parts, the data, the memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmtune.errors import UserError
from mmtune.models.config import BETWEEN_NAMES, TRANSFORMERS, LanguageConfig, VisionConfig, split_library
from mmtune.models.vlm import VisionLanguageModel
from mmtune.train import checkpoints, stages
from mmtune.train.dry_data import describe_data
from mmtune.train.dry_projectors import describe_projectors
from mmtune.train.evaluation import OpenBenchmarks, benchmarks_of
from mmtune.train.memory import Shape, activations_gb, weights_gb
from mmtune.train.objectives import get_objective
from mmtune.train.settings import Recipe

GPUS = (1, 8, 32)
"""Numbers of GPUs that the estimate is given for."""


def dry_run(
    recipe: Recipe,
    problems: list[UserError] | None = None,
    open_benchmarks: OpenBenchmarks | None = None,
) -> str:
    """Build the model on the meta device and check what is there.

    Args:
        recipe: what would be trained.
        problems: takes what would stop the training though the table can be made, such as too many records
            that are refused; the text tells it, too.
        open_benchmarks: as for ``mmtune.train.loop.train``.

    Returns:
        The table of parts, the projectors with their visual tokens, what was checked, what is missing, and
        the memory of each GPU.

    Raises:
        UserError: something that is there cannot be used, such as a malformed record file.
    """
    get_objective(recipe.objective)
    notes: list[str] = []
    model, tokenizer = _model(recipe, notes.append)
    stages.apply(model, recipe.stage, seed=recipe.seed)
    rows = stages.part_rows(model.parts(), recipe.stage, recipe.optim)
    lines = [stages.render(rows, recipe.stage.name), ""]
    lines += [*describe_projectors(model), ""]
    lines += [f"model: {note}" for note in notes]
    found: list[UserError] = []
    lines += describe_data(recipe, model, tokenizer, found)
    lines += _benchmarks(recipe, open_benchmarks, found)
    lines += ["", *_memory(recipe, model)]
    if found:
        lines += ["", *(f"problem: {problem}" for problem in found)]
    if problems is not None:
        problems += found
    return "\n".join(lines)


def _benchmarks(
    recipe: Recipe, open_benchmarks: OpenBenchmarks | None, problems: list[UserError]
) -> list[str]:
    """Sentences about the benchmarks of the run; their files are read, and what is wrong is a problem."""
    try:
        benchmarks = benchmarks_of(recipe, open_benchmarks)
    except UserError as error:
        problems.append(error)
        return []
    return [f"eval: {line}" for line in benchmarks.describe()] if benchmarks else []


def _model(recipe: Recipe, note: Callable[[str], None]) -> tuple[VisionLanguageModel, Any]:
    """The model on the meta device, and its tokenizer where that is on this machine."""
    config = recipe.model
    if config.checkpoint is not None:
        folder = checkpoints.newest_of(config.checkpoint)
        if Path(folder).is_dir():
            from mmtune.models.building import build

            note(f"starts from the checkpoint {folder}")
            bundle = build(replace(config, checkpoint=folder), template=recipe.template, meta=True)
            return bundle.model, bundle.tokenizer
        note(f"the checkpoint {config.checkpoint} is not there yet")
    if config.vision is None or config.language is None:
        raise UserError(
            "the recipe takes its model from a checkpoint that is not there",
            config.checkpoint,
            "train the stage before it first, or give model.vision and model.language, too",
        )
    return _from_settings(recipe, config.vision, config.language, note)


def _from_settings(
    recipe: Recipe, vision: VisionConfig, language: LanguageConfig, note: Callable[[str], None]
) -> tuple[VisionLanguageModel, Any]:
    from mmtune.models.language import empty_language, prepare_language
    from mmtune.models.new_tokens import add_tokens
    from mmtune.models.policy import fit_policy
    from mmtune.models.projectors import build_projector
    from mmtune.models.vision import build_vision

    config = replace(recipe.model, checkpoint=None).resolved()
    assert config.projector is not None and config.image_policy is not None
    names = [_settings_of(name, note) for name in vision.source.split(BETWEEN_NAMES)]
    tower = build_vision(vision.located(BETWEEN_NAMES.join(names)), meta=True)
    decoder = empty_language(_settings_of(language.name, note))
    width = decoder.get_input_embeddings().embedding_dim
    projector = build_projector(config.projector, tower.width, width, meta=True)
    policy = fit_policy(config.image_policy, config.images, tower, projector)
    model = VisionLanguageModel(tower, projector, decoder, policy, language.attention)
    tokenizer = _tokenizer(language.name, note)
    if tokenizer is not None:
        prepare_language(decoder, tokenizer, language.name)
        add_tokens(decoder, tokenizer, language.add_tokens)
    return model, tokenizer


def _settings_of(name: str, note: Callable[[str], None]) -> str:
    """Where the settings of a backbone can be read: its own folder or cache, else what ships with mmtune."""
    library, model = split_library(name)
    file = "config.json" if library == TRANSFORMERS else f"{library}_config.json"
    if Path(model).expanduser().is_dir() or _cached(model, file):
        return name
    from mmtune.assets import shipped

    try:
        folder = shipped(f"recipes/configs/{model}")
    except UserError:
        return name  # the hub may answer for it
    note(f"{name} is not on this machine: its settings are taken from {folder}")
    return name.removesuffix(model) + str(folder)


def _cached(name: str, file: str) -> bool:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(name, file), str)
    except HFValidationError:
        return False


def _tokenizer(name: str, note: Callable[[str], None]) -> Any:
    from mmtune.models.language import load_tokenizer

    folder = Path(name).expanduser()
    here = (
        (folder / "tokenizer_config.json").is_file()
        if folder.is_dir()
        else _cached(name, "tokenizer_config.json")
    )
    if not here:
        note(f"the tokenizer of {name} is missing here: template and records are not checked against it")
        return None
    return load_tokenizer(name)


def _memory(recipe: Recipe, model: VisionLanguageModel) -> list[str]:
    text = model.language.config.get_text_config()
    shape = Shape(
        trainable=sum(p.numel() for p in model.parameters() if p.requires_grad),
        frozen=sum(p.numel() for p in model.parameters() if not p.requires_grad),
        largest_layer=max(sum(p.numel() for p in block.parameters()) for block in model.blocks()),
        layers=text.num_hidden_layers,
        width=text.hidden_size,
        vocabulary=text.vocab_size,
        row_tokens=recipe.data.row_capacity,
    )
    activations = activations_gb(shape, recipe.engine)
    precision = "fp32" if recipe.engine.precision == "fp32" else "bf16"
    lines = [f"memory of each GPU, estimated for rows of {shape.row_tokens} tokens in {precision}:"]
    for gpus in GPUS:
        name = recipe.engine.name
        if name == "auto":
            name = "single" if gpus == 1 else "ddp"
        if name == "single" and gpus > 1:
            continue
        weights = weights_gb(shape, recipe.engine, name, gpus)
        lines.append(
            f"  {gpus:>3} x {name}: {weights + activations:6.1f} GB"
            f" ({weights:.1f} weights, gradients and optimiser, {activations:.1f} activations)"
        )
    return lines
