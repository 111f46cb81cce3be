"""Robustness: the same items asked again under other conditions; a new check is a file and a line here."""

from __future__ import annotations

from collections.abc import Iterable

from eval.robustness.base import Kind
from mmtune.errors import UserError
from mmtune.registry import Registry

KINDS: Registry[type[Kind]] = Registry(
    "robustness check",
    "eval.robustness",
    {
        "paraphrase": "paraphrase:Paraphrase",
        "permute": "permute:Permute",
        "inject": "inject:Inject",
        "blur": "blur:Blur",
        "jpeg": "jpeg:Jpeg",
        "crop": "crop:Crop",
        "noise": "noise:Noise",
        "no-image": "no_image:NoImage",
    },
)
"""Name → the file and class; a file is imported once its check is asked for."""


def parse_kinds(texts: Iterable[str], seed: int = 0) -> list[Kind]:
    """The checks of ``NAME`` or ``NAME:SETTING`` each, as ``jpeg`` or ``blur:1+3``.

    Raises:
        UserError: for a check that does not exist, is named twice, or has no such setting.
    """
    found: dict[str, Kind] = {}
    for text in texts:
        name, _, setting = text.strip().partition(":")
        kind = KINDS.find(name, "--robust")
        if name in found:
            raise UserError(f"The robustness check {name} is named twice", "--robust", "name it once")
        found[name] = kind(setting, seed)
    return list(found.values())


__all__ = ["KINDS", "Kind", "parse_kinds"]
