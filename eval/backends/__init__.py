"""Models that can be evaluated, one file a kind; adding one is a new file and a line here."""

from __future__ import annotations

from eval.backends.base import Answer, Backend, BackendClass, Opening
from mmtune.errors import UserError
from mmtune.registry import Registry

BACKENDS: Registry[BackendClass] = Registry(
    "model back end",
    "eval.backends",
    {
        "mmtune": "checkpoint:Checkpoint",
        "hf": "hub:HubModel",
        "openai": "endpoint:Endpoint",
    },
)


def open_backend(model: str, opening: Opening) -> Backend:
    """The model behind ``KIND:PLACE``, as ``hf:llava-hf/llava-1.5-7b-hf``; without a kind, a checkpoint.

    Args:
        model: ``FOLDER`` or ``mmtune:FOLDER`` for a checkpoint of mmtune, ``hf:FOLDER-OR-NAME`` for any
            image-text-to-text model of transformers, ``openai:URL#MODEL`` for an endpoint.
        opening: how to open it.

    Raises:
        UserError: if there is no such kind, the model cannot be opened, or the batch size is below 1.
    """
    if opening.batch_size < 1:
        raise UserError(f"the batch size is {opening.batch_size}", fix="give at least 1")
    kind, colon, place = model.partition(":")
    if not colon or "/" in kind or "\\" in kind or len(kind) == 1:  # a path, on Windows one with a drive
        kind, place = "mmtune", model
    return BACKENDS.find(kind, model).open(place, opening)


__all__ = ["BACKENDS", "Answer", "Backend", "Opening", "open_backend"]
