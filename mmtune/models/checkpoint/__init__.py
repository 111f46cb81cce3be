"""Checkpoints: one self-describing folder with safetensors, written whole or not at all.

``mmtune.json`` says everything that is needed to rebuild the model; folder names are never looked at. Each
part has a folder of its own (``vision``, ``projector``, ``language``); ``language`` is also a folder that
transformers loads by itself, with the tokenizer. A frozen part may be left out: the checkpoint then refers to
where it came from.
"""

from __future__ import annotations

from mmtune.models.checkpoint.loading import load, start_from
from mmtune.models.checkpoint.manifest import FORMAT, MANIFEST, read_manifest
from mmtune.models.checkpoint.saving import save

__all__ = ["FORMAT", "MANIFEST", "load", "read_manifest", "save", "start_from"]
