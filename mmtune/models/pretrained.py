"""Loading weights through transformers, with its reports turned into one sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmtune.errors import UserError
from mmtune.models.files import weight_files

_SILENT_BYTES = 1_000_000_000
"""Weights smaller than this load in a moment and need no progress bar."""


def load_pretrained(model_class: Any, name: str, part: str, **arguments: Any) -> Any:
    """A transformers model with all of its weights.

    Args:
        model_class: a model class or one of the Auto classes.
        name: folder or hub name.
        part: what it is to the user, for messages.
        arguments: handed to ``from_pretrained``.

    Raises:
        UserError: if the weights are not there, damaged, misshapen or incomplete.
    """
    from safetensors import SafetensorError

    try:
        with _quiet(name):
            model, info = model_class.from_pretrained(
                os.path.expanduser(name), output_loading_info=True, **arguments
            )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise UserError(
            f"the {part} cannot be loaded: {first_line(error)}",
            name,
            "check that its weights are there and whole",
        ) from error
    if missing := sorted(info["missing_keys"]):
        raise UserError(
            f"the {part} lacks {len(missing)} weights, the first is {missing[0]}",
            name,
            "give a checkpoint that holds them",
        )
    return model


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
