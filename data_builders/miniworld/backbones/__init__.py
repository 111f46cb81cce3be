"""The embedded backbones, trained from scratch on miniworld: an open_clip model and a small Llama."""

from pathlib import Path

BACKBONES = Path(__file__).parent / "weights"
"""Folder that holds ``image_text`` (open_clip's layout) and ``language`` (transformers' layout)."""
