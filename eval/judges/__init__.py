"""Judges: models that mark answers to open questions; a benchmark's rubric is one file and a line here."""

from __future__ import annotations

from eval.judges.base import Rubric
from mmtune.registry import Registry

RUBRICS: Registry[type[Rubric]] = Registry(
    "benchmark with a judge",
    "eval.judges",
    {
        "mmvet": "mmvet:MMVetRubric",
        "llavabench": "llavabench:LLaVABenchRubric",
        "mmhal": "mmhal:MMHalRubric",
        "hallusionbench": "hallusionbench:HallusionBenchRubric",
    },
)
"""Task → how a judge marks its answers; a file is imported once its task is judged."""

__all__ = ["RUBRICS", "Rubric"]
