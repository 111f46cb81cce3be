"""Images of requests: what tells them apart, how they are opened, what the language model sees of them."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from mmtune.decode.requests import Clip, ImageSource, Request
from mmtune.errors import UserError


class Instructed(NamedTuple):
    """Key of an image whose visual tokens depend on what is asked.

    Two questions about one image have two keys then, and so neither its visual tokens nor the KV cache of
    the prompt's start is shared between them. Later turns of a chat keep the key of the turn with the image.
    """

    image: Hashable
    instruction: tuple[int, ...]


def image_keys(request: Request, known: dict[int, Hashable]) -> tuple[Hashable, ...]:
    """What tells the images of a request apart.

    Args:
        request: its own keys are used where it has some.
        known: keys by ``id`` of the image objects seen so far, which the caller keeps alive; added to.

    Raises:
        UserError: if there is not one key for each image, or one that needs a key cannot be decoded.
    """
    if request.keys is not None:
        if len(request.keys) != len(request.images):
            raise UserError(
                f"a request has {len(request.images)} image(s) and {len(request.keys)} key(s)",
                request.id or None,
                "give one key for each image",
            )
        return request.keys
    for image in request.images:
        if id(image) not in known:
            known[id(image)] = _content_key(image)
    return tuple(known[id(image)] for image in request.images)


def _content_key(image: ImageSource) -> Hashable:
    if isinstance(image, Clip):
        return tuple(_content_key(frame) for frame in image.frames)
    if not isinstance(image, Image.Image):
        return image
    # Of what the model will see: the bytes of a palette image say nothing without its palette.
    digest = hashlib.blake2b(_rgb(image).tobytes(), digest_size=16).digest()
    return (image.size, digest)


def open_image(source: ImageSource) -> Image.Image | Clip:
    """The RGB image behind a source, or the frames of a video.

    Raises:
        UserError: if it cannot be opened or decoded.
    """
    try:
        opened = source if isinstance(source, (Image.Image, Clip)) else source()
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"the image cannot be decoded: {error}", fix="replace the image") from error
    if isinstance(opened, Clip):
        if not opened.frames:
            raise UserError("a video of no frames was given", fix="give at least one frame")
        return Clip(tuple(_rgb(frame) for frame in opened.frames))
    return _rgb(opened)


def _rgb(image: Image.Image) -> Image.Image:
    try:
        image.load()  # a lazily opened file shows its damage only now
        return image if image.mode == "RGB" else image.convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"the image cannot be decoded: {error}", fix="replace the image") from error


@torch.inference_mode()
def encode_images(
    model: Any, images: Sequence[Image.Image | Clip], instructions: Sequence[Sequence[int]] | None = None
) -> list[Tensor]:
    """Visual tokens of images in the language model's space.

    Args:
        model: a ``VisionLanguageModel``.
        images: RGB images, or the frames of a video.
        instructions: ids of the instruction of each image, where the model's projector reads them.

    Returns:
        For each image or video (tokens, language width).
    """
    parameter = next(model.vision.parameters())
    shown = [image.frames if isinstance(image, Clip) else (image,) for image in images]
    views, sizes = [], []
    for image, frames in zip(images, shown, strict=True):
        views += [model.policy.views(frame, frame=isinstance(image, Clip)) for frame in frames]
        sizes += [frame.size for frame in frames]
    pixels = model.policy.normalise(torch.cat(views).to(parameter.device))
    arguments: list[Any] = [[len(view) for view in views], sizes]
    if instructions is not None:
        instructions = [one for one, frames in zip(instructions, shown, strict=True) for _ in frames]
        ids = torch.tensor([token for one in instructions for token in one], dtype=torch.int64)
        arguments.append(model.read_instructions(ids.to(pixels.device), [len(one) for one in instructions]))
    tokens = iter(model.encode_images(pixels.to(parameter.dtype), *arguments))
    return [torch.cat(list(islice(tokens, len(frames)))) for frames in shown]
