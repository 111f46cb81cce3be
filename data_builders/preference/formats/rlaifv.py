"""RLAIF-V's parquet rows, which its trainer loads, and the pairs of its pipeline."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

from data_builders.preference.formats.base import (
    Format,
    asked,
    id_of,
    only_image,
    only_question,
    sound,
    text_at,
)
from mmtune.errors import RecordError
from mmtune.records import ImageRef, Preference

NAME = "RLAIF-V"


def write(pair: Preference, index: int) -> dict[str, Any]:
    """A row of the parquet file, all texts but the image.

    ``origin_split`` is a JSON text, with what the format has no column for.

    Source: the features that the card of RLAIF-V-Dataset states, in their order.
    """
    image = only_image(pair, NAME)
    builder = str(pair.meta.get("builder", "mmtune"))
    more = {"id": pair.id, "type": str(pair.meta.get("kind", builder)), "margin": pair.margin}
    return {
        "ds_name": builder,
        "image": image.path,
        "question": only_question(pair, NAME),
        "chosen": pair.chosen,
        "rejected": pair.rejected,
        "origin_dataset": _source(pair),
        "origin_split": json.dumps(
            {**more, "licence": pair.meta.get("licence", "unknown")}, ensure_ascii=False
        ),
        "idx": str(index),
        "image_path": image.path,
    }


def read(row: Any, index: int) -> Preference:
    """A pair of the parquet file; the image is that of ``image_path``, unless it was unpacked."""
    question, chosen, rejected = (text_at(row, key, index) for key in ("question", "chosen", "rejected"))
    image = row.get("image")
    path = image.get("path") if isinstance(image, dict) and image.get("unpacked") else row.get("image_path")
    if not isinstance(path, str) or not path:
        raise RecordError("there is no image path", str(row.get("idx", index)), index)
    try:
        more = json.loads(row.get("origin_split") or "{}")
    except (TypeError, ValueError):
        more = {}
    more = more if isinstance(more, dict) else {}
    margin = more.get("margin")
    meta = {"source": str(row.get("origin_dataset", "")), "origin_split": row.get("origin_split")}
    if isinstance(more.get("licence"), str):
        meta["licence"] = more["licence"]
    pair_id = str(more.get("id") or row.get("idx") or index)
    pair = Preference(
        pair_id,
        asked(question, 1),
        chosen,
        rejected,
        (ImageRef(path),),
        meta,
        margin=float(margin) if isinstance(margin, int | float) and not isinstance(margin, bool) else None,
    )
    return sound(pair, index)


def write_pair(pair: Preference, index: int) -> dict[str, Any]:
    """A line of the pipeline's pairs, with facts and scores of both sides.

    Source: RLAIF-V's utils/get_preference_pairs.py, whose judgements and scores are texts.
    """
    image = only_image(pair, NAME)
    judged = judgements(pair)
    infos = {
        "ds_question_id": pair.id,
        "reference": "",
        "origin_file": _source(pair),
        "chosen_infos": {"facts": list(judged["chosen"])},
        "rejected_infos": {"facts": list(judged["rejected"])},
        "scores": {
            side: {"judge": labels, "score": str(sum(map(int, labels.values())) - len(labels))}
            for side, labels in judged.items()
        },
    }
    return {
        "image_id": PurePosixPath(image.path).name,
        "image_path": image.path,
        "ds_question_id": pair.id,
        "question": only_question(pair, NAME),
        "chosen": pair.chosen,
        "rejected": pair.rejected,
        "org_infos": infos,
    }


def judgements(pair: Preference) -> dict[str, dict[str, str]]:
    """For both sides, each claim with "1" (right) or "0" (wrong).

    As the labeller said, where there was one; else the statements of the chosen answer are right, and of
    the rejected those that were edited are wrong.
    """
    scores = pair.meta.get("scores")
    if isinstance(scores, dict) and all(
        isinstance(scores.get(side), dict) for side in ("chosen", "rejected")
    ):
        return {side: dict(scores[side].get("judge", {})) for side in ("chosen", "rejected")}
    chosen = {str(fact["text"]): str(fact.get("label", "1")) for fact in pair.chosen_facts}
    rejected = dict(chosen)
    for edit in pair.rejected_edits:
        rejected.pop(str(edit.get("true")), None)
        if "false" in edit:
            rejected[str(edit["false"])] = "0"
    return {"chosen": chosen, "rejected": rejected}


def read_pair(row: Any, index: int) -> Preference:
    """A line of the pipeline's pairs; what the labeller denied becomes the rejected answer's edits."""
    question, chosen, rejected, path = (
        text_at(row, key, index) for key in ("question", "chosen", "rejected", "image_path")
    )
    found = row.get("org_infos")
    infos: dict[str, Any] = found if isinstance(found, dict) else {}
    judged = {side: _labels(infos.get("scores"), side) for side in ("chosen", "rejected")}
    better, worse = (
        sum(map(_one, judged[side].values())) - len(judged[side]) for side in ("chosen", "rejected")
    )
    pair = Preference(
        str(row.get("ds_question_id") or id_of(row, index)),
        asked(question, 1),
        chosen,
        rejected,
        (ImageRef(path),),
        {"source": str(infos.get("origin_file", ""))},
        tuple({"text": claim, "label": label} for claim, label in judged["chosen"].items()),
        tuple(
            {"kind": "claim", "false": claim} for claim, label in judged["rejected"].items() if label == "0"
        ),
        float(better - worse),
    )
    return sound(pair, index)


def _labels(scores: Any, side: str) -> dict[str, str]:
    """Claim -> label of one side, as far as the row has them."""
    judged = scores.get(side) if isinstance(scores, dict) else None
    labels = judged.get("judge") if isinstance(judged, dict) else None
    return {str(claim): str(label) for claim, label in labels.items()} if isinstance(labels, dict) else {}


def _one(label: str) -> int:
    return int(label == "1")


def _source(pair: Preference) -> str:
    source = pair.meta.get("source", "")
    return source if isinstance(source, str) else json.dumps(source, ensure_ascii=False, sort_keys=True)


FORMAT = Format("rlaifv", "RLAIF-V's trainer", write, read, (".parquet",), ("image",))
PAIRS = Format("rlaifv_pairs", "RLAIF-V's pipeline, with facts and scores", write_pair, read_pair)
