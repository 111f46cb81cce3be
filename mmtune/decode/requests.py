"""What goes into the engine and what comes out: values without behaviour."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from mmtune.errors import UserError
from mmtune.records import Turn


@dataclass(frozen=True)
class Clip:
    """Frames of a video, which stand one behind the other at one placeholder."""

    frames: tuple[Image.Image, ...]


ImageSource = Image.Image | Clip | Callable[[], "Image.Image | Clip"]
"""An RGB image or the frames of a video, or a function that opens it only when its turn has come."""


@dataclass(frozen=True)
class Request:
    """One answer to be generated: the conversation so far, which ends with a user turn, and its images."""

    images: Sequence[ImageSource]
    """In the order of the ``<image>`` placeholders in ``turns``."""
    turns: tuple[Turn, ...]
    keys: tuple[Hashable, ...] | None = None
    """Names of the images; requests with equal keys share the vision features and the KV cache of their
    common prefix. Without keys images are compared by content, functions by identity."""
    id: str = ""
    """For messages only."""
    max_new_tokens: int | None = None
    """Longest answer to this request, where it is shorter than what the settings allow."""


@dataclass(frozen=True)
class Settings:
    """How answers are generated; the defaults are greedy.

    Raises:
        UserError: at construction, for a value out of its range.
    """

    max_new_tokens: int = 64
    temperature: float = 0.0
    """0 takes the likeliest token; higher values sample more evenly."""
    top_p: float = 1.0
    """Sample from the smallest set of tokens with at least this much probability."""
    seed: int = 0
    logprobs: bool = False
    """Also return the log-probability that the model itself (temperature 1) gave each token."""
    strategy: str | None = None
    """Name in ``STRATEGIES``; by default greedy at temperature 0, sampling above."""

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise UserError(f"max_new_tokens is {self.max_new_tokens}", fix="give at least 1")
        if not 0.0 <= self.temperature < float("inf"):
            raise UserError(f"temperature is {self.temperature}", fix="give 0 (greedy) or a positive number")
        if not 0.0 < self.top_p <= 1.0:
            raise UserError(f"top_p is {self.top_p}", fix="give a number above 0 and at most 1")


@dataclass(frozen=True)
class Completion:
    """One generated answer."""

    text: str
    """Without special tokens and stop strings, stripped."""
    ids: tuple[int, ...]
    """All that was generated, the stop token included."""
    stopped: Literal["stop", "length", "failed"]
    """By a stop token or string; by the limit on tokens; ``failed`` if no answer could be generated."""
    logprobs: tuple[float, ...] | None = None
    """One for each of ``ids``, where the settings ask for them."""
    prompt_tokens: int = 0
    """Positions of the prompt, visual tokens included."""
