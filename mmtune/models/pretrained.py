"""Loading weights through transformers, with its reports turned into one sentence."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmtune.errors import UserError
from mmtune.models.differences import check_finite, check_shapes, is_harmless, shapes_of
from mmtune.models.files import weight_files
from mmtune.models.reading import refusal

_SILENT_BYTES = 1_000_000_000
"""Weights smaller than this load in a moment and need no progress bar."""

_BESIDE_VISION = (
    "text_model.",
    "text_projection.",
    "visual_projection.",
    "logit_scale",
    "logit_bias",
    "classifier.",
)
"""Starts of names that stand beside a vision tower: the text half of a CLIP, a classifier on a DINOv2."""


def load_pretrained(model_class: Any, name: str, part: str, **arguments: Any) -> Any:
    """A transformers model with all of its weights.

    Args:
        model_class: a model class or one of the Auto classes.
        name: folder or hub name.
        part: what it is to the user, for messages.
        arguments: handed to ``from_pretrained``.

    Raises:
        UserError: if the weights are not there, damaged, unsafe to read, not finite, or not just those that
            the configuration asks for.
    """
    from safetensors import SafetensorError

    try:
        with _quiet(name):
            model, info = model_class.from_pretrained(
                os.path.expanduser(name),
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # told below, with all others that differ
                **arguments,
            )
    except pickle.UnpicklingError as error:
        raise refusal(error, name) from error
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise UserError(
            f"the {part} cannot be loaded: {first_line(error)}",
            name,
            "check that its weights are there and whole",
        ) from error
    _compare(model, info, part, name)
    check_finite(part, dict(model.named_parameters()), name)
    return model


def _compare(model: Any, info: dict[str, Any], part: str, name: str) -> None:
    """Refuse what transformers only reports: weights that are missing, too many, or of another shape."""
    lost = set(info["missing_keys"])
    expected = shapes_of(model.state_dict())
    found = {n: shape for n, shape in expected.items() if n not in lost}
    found |= {n: tuple(saved) for n, saved, *_ in info["mismatched_keys"]}
    extra = [n for n in sorted(info["unexpected_keys"]) if not is_harmless(n)]
    if part == "vision tower":
        extra = [n for n in extra if not n.startswith(_BESIDE_VISION)]
    check_shapes(part, expected, found, name, unknown=extra)


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Keep transformers from listing the text weights of a CLIP, and from drawing bars for small ones."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if sum(file.stat().st_size for file in weight_files(name)) < _SILENT_BYTES:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def first_line(error: Exception) -> str:
    """The first line of an exception's message, for one sentence."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
