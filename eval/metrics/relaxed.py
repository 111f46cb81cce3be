"""Relaxed accuracy: numbers may be off by five per cent (ChartQA)."""

from __future__ import annotations

from collections.abc import Sequence

_THOUSANDS = str.maketrans("", "", ",")


def relaxed_accuracy(prediction: str, target: str, tolerance: float = 0.05, mode: str = "official") -> bool:
    """Whether an answer is the target, or a number within ``tolerance`` of it.

    Args:
        prediction: the model's answer.
        target: the annotated one.
        tolerance: largest deviation as a share of the target.
        mode: ``official`` keeps the reference's ways: a final ``%`` divides by a hundred, commas are not
            removed, a target of 0 is compared as text, and text is compared without regard to case but
            with its outer space and full stop. ``fixed`` strips both, reads 1,000 as a number, and holds
            0 against any spelling of 0.

    Raises:
        ValueError: if the mode is unknown.

    Source: relaxed_correctness of google-research/pix2struct; Methani et al., PlotQA; Masry et al., ChartQA.
    """
    if mode not in ("official", "fixed"):
        raise ValueError(f"mode must be 'official' or 'fixed', not {mode!r}")
    if mode == "fixed":
        prediction, target = (text.strip().rstrip(".").strip() for text in (prediction, target))
        said, true = (_number(text.translate(_THOUSANDS)) for text in (prediction, target))
        if said is not None and true is not None and true == 0:
            return said == 0
    else:
        said, true = _number(prediction), _number(target)
    if said is not None and true:
        return abs(said - true) / abs(true) <= tolerance
    return prediction.lower() == target.lower()


def relaxed_score(predictions: Sequence[str], targets: Sequence[Sequence[str]]) -> float | None:
    """Relaxed accuracy in per cent over questions with several accepted targets each; None without any.

    Raises:
        ValueError: if there are more of one than of the other.

    Source: aggregate_metrics of google-research/pix2struct.
    """
    if len(predictions) != len(targets):
        raise ValueError(f"{len(predictions)} predictions for {len(targets)} targets")
    right = sum(
        any(relaxed_accuracy(said, true) for true in accepted)
        for said, accepted in zip(predictions, targets, strict=True)
    )
    return 100.0 * right / len(targets) if targets else None


def _number(text: str) -> float | None:
    try:
        return float(text.rstrip("%")) / 100.0 if text.endswith("%") else float(text)
    except ValueError:
        return None
