"""How well image and text agree, by any open_clip model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_builders.curate.scores import answers_of
from mmtune.errors import UserError
from mmtune.images.loading import load_image
from mmtune.records import Record

_BATCH = 64


class ImageText:
    """An open_clip model that looks at records.

    Args:
        name: as open_clip has it: an architecture with ``pretrained``, ``hf-hub:…``, or the folder of one.
        pretrained: name or file of the weights, for an architecture.
        device: where it runs.

    Raises:
        UserError: the model cannot be loaded.
    """

    def __init__(self, name: str, pretrained: str | None = None, device: str = "cpu") -> None:
        import open_clip

        name = f"local-dir:{Path(name).resolve()}" if Path(name).is_dir() else name
        try:
            model, _, transform = open_clip.create_model_and_transforms(name, pretrained, device=device)
            self._tokenizer = open_clip.get_tokenizer(name)
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            raise UserError(
                f"open_clip cannot load the model: {error}", name, "name one that is on this machine"
            ) from error
        self._model: Any = model.eval()
        self._transform = transform
        self._device = device

    def look(self, records: Sequence[Record], root: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Vectors and agreement of records.

        Args:
            records: each is seen by its first image and read by its answers.
            root: folder of the images.

        Returns:
            (records, 2 * width) float32: image and text vectors of length 1 side by side, zeros for no image;
            and (records,) their cosine, NaN for no image.

        Raises:
            ImageError: an image cannot be used.
        """
        vectors, cosines = [], []
        for start in range(0, len(records), _BATCH):
            found, agreement = self._batch(records[start : start + _BATCH], root)
            vectors.append(found)
            cosines.append(agreement)
        return np.concatenate(vectors), np.concatenate(cosines)

    def _batch(
        self, records: Sequence[Record], root: Path
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        import torch

        with torch.inference_mode():
            tokens = self._tokenizer([" ".join(answers_of(record)) for record in records]).to(self._device)
            texts = self._model.encode_text(tokens, normalize=True).float().cpu()
            images = torch.zeros_like(texts)
            seen = [place for place, record in enumerate(records) if record.images]
            if seen:
                pixels = [self._transform(load_image(root, records[place].images[0])) for place in seen]
                stacked = torch.stack(pixels).to(self._device)
                images[seen] = self._model.encode_image(stacked, normalize=True).float().cpu()
        cosines = (images * texts).sum(dim=1).double().numpy()
        cosines[[not record.images for record in records]] = np.nan
        return torch.cat([images, texts], dim=1).numpy(), cosines
