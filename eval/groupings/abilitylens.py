"""AbilityLens: six abilities of perception, each over parts of several benchmarks."""

from __future__ import annotations

from eval.groupings.base import Grouping, Member


def _mme(*kinds: str) -> Member:
    return Member("mme", "accuracy", "sub_task", kinds, 0.5)


def _mmbench(*kinds: str) -> Member:
    return Member("mmbench", "accuracy", "category", kinds, 0.25)


def _seed(*kinds: str) -> Member:
    return Member("seedbench", "accuracy", "question_type", kinds, 0.25)


def _mmstar(*kinds: str) -> Member:
    return Member("mmstar", "accuracy", "l2_category", kinds, 0.25)


ABILITYLENS = Grouping(
    title="AbilityLens: six abilities of perception",
    abilities={
        "counting": [
            _seed("Instance Counting", "Instances Counting"),
            _mme("count"),
            _mmstar("object counting"),
        ],
        "OCR": [_mme("OCR"), Member("ocrbench"), _mmbench("ocr")],
        "attribute recognition": [
            _mmbench("attribute_recognition", "attribute_comparison"),
            _seed("Instance Attributes"),
            _mmstar("cross-instance attribute reasoning", "single-instance reasoning"),
        ],
        "entity extraction": [
            _mmbench("celebrity_recognition", "identity_reasoning"),
            _mme("landmark", "celebrity"),
            _seed("Instance Identity"),
        ],
        "grounding": [
            _seed("Instance Location", "Spatial Relations"),
            _mmbench("spatial_relationship", "object_localization"),
            _mme("position"),
            _mmstar("localization"),
        ],
        "structured data understanding": [
            Member("chartqa", "relaxed"),
            _mmbench("structuralized_imagetext_understanding"),
            _seed("Text Understanding", "Text Recognition"),
            _mmstar("diagram reasoning"),
        ],
    },
    not_here={
        "counting": ("MIRB", "MuirBench"),
        "OCR": ("SynthDoG",),
        "attribute recognition": ("MuirBench",),
        "grounding": ("MuirBench",),
        "structured data understanding": ("AI2D",),
    },
    note="The parts are those that the authors' repository (Chenfeng1271/AbilityLens, a fork of lmms-eval)"
    " takes for each ability, on the whole benchmarks in place of its smaller samples. Stability: it has no"
    " script for it, and this is the paper's idea (spread over sub-benchmarks, each freed of its baseline)"
    " with guessing as the baseline: the standard deviation of (score - chance) / (1 - chance), lower is"
    " steadier. Neither figure is comparable with the paper's.",
)
"""Source: Chen et al., Evaluating and Advancing Multimodal Large Language Models in Perception Ability
Lens."""
