"""COCO captions and others in its format: likeness to people's captions by BLEU, ROUGE-L and CIDEr-D."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from eval.json_files import read_json, write_json
from eval.metrics.bleu import ORDERS, bleu, bleu_counts
from eval.metrics.cider import CiderD
from eval.metrics.intervals import Array, Totals, ratio
from eval.metrics.ptb import caption_words
from eval.metrics.rouge import rouge_l
from eval.tasks.base import Counts, Item, Task
from eval.tasks.official_files import answers_path, fields, section
from eval.tasks.published import COCO_ANNOTATIONS, COCO_LICENCE, COCO_PAGE, COCO_VAL2014, Published
from mmtune.errors import UserError
from mmtune.wording import counted


class CocoCaptions(Task):
    """``captions_val2014.json`` (Karpathy's test images as ``split=test`` of ``dataset_coco.json``), NoCaps,
    or Flickr30k's ``dataset_flickr30k.json``; answers are [{image_id, caption}].

    The counts of how rare an n-gram is come from the references of the images that are scored, as in the
    original: a score over a part of the images is another score. METEOR and SPICE are Java programs and are
    not computed; the results name them as missing.

    Source: pycocoevalcap (coco-caption), with a tokeniser of our own for its Java one.
    """

    takes = ("split",)
    title = (
        "COCO, NoCaps, Flickr30k captions: BLEU, ROUGE-L, CIDEr-D (METEOR and SPICE need Java: not computed)"
    )
    published = Published(
        COCO_LICENCE,
        "40,504 images (val2014); Karpathy's test has 5,000, NoCaps val 4,500, Flickr30k test 1,000",
        "40,504",
        "6.5 GB",
        COCO_PAGE,
        (COCO_ANNOTATIONS, COCO_VAL2014),
        "annotations={folder}/annotations/captions_val2014.json,images={folder}/val2014",
    )
    primary = "cider"
    not_shares = frozenset({"cider"})
    asks_questions = False
    default_prompt = "Provide a one-sentence caption for the provided image."
    default_max_new_tokens = 64
    answer_ids = ("image_id", "question_id", "id")
    answer_texts = ("caption", "answer", "prediction", "text")

    def load(self) -> list[Item]:
        path = self.annotations
        file = read_json(path)
        rows = section(file, "images", path)
        items = self._karpathy(rows, path) if rows and "sentences" in rows[0] else self._coco(file, path)
        lacking = [item for item in items if not item.truth]
        if lacking:
            raise UserError(
                f"{counted(len(lacking), 'image has', 'images have')} no caption, as {lacking[0].id}",
                str(path),
                "give the split with captions",
            )
        stream = [caption for item in items for caption in item.truth]
        following = iter([*stream[1:], ""])
        self._references = {
            item.id: [caption_words(caption, next(following)) for caption in item.truth] for item in items
        }
        return items

    def score(self, prediction: str, item: Item) -> Counts:
        words, references = caption_words(prediction), self._references[item.id]
        counts: Counts = {name: float(value) for name, value in bleu_counts(words, references).items()}
        return {"captions": 1.0, "rouge_l": rouge_l(words, references), **counts}

    def joint(self, answers: Mapping[str, str], items: Sequence[Item]) -> dict[str, Counts]:
        """CIDEr-D, whose weights come from the references of all images that are scored."""
        scorer = CiderD(self._references[item.id] for item in items)
        return {
            item.id: {"cider": scorer.score(caption_words(answers[item.id]), self._references[item.id])}
            for item in items
            if item.id in answers
        }

    def unanswered(self, item: Item) -> Counts:
        """An empty caption."""
        return self.score("", item)

    def aggregate(self, totals: Totals) -> dict[str, Array]:
        metrics: dict[str, Array] = {}
        if "cider" in totals:
            metrics["cider"] = ratio(totals["cider"], totals["captions"])
        orders = range(1, ORDERS + 1)
        rows = [
            bleu(
                float(totals["length"][draw]),
                float(totals["reference"][draw]),
                [float(totals[f"guess_{order}"][draw]) for order in orders],
                [float(totals[f"match_{order}"][draw]) for order in orders],
            )
            for draw in range(len(totals["length"]))
        ]
        metrics |= {f"bleu_{order}": np.array([row[order - 1] for row in rows]) for order in orders}
        return metrics | {"rouge_l": ratio(totals["rouge_l"], totals["captions"])}

    def whole(self, answers: Mapping[str, str], items: Sequence[Item]) -> dict[str, float | None]:
        """What is not computed, so that nobody takes it for forgotten."""
        return {"meteor": None, "spice": None}

    def right(self, counts: Counts) -> bool:
        return counts["match_2"] > 0

    def truth_text(self, item: Item) -> str:
        return str(item.truth[0])

    def write_answers(self, folder: Path, items: Sequence[Item], predictions: Mapping[str, str]) -> Path:
        """A JSON list of {image_id, caption}."""
        given = [item for item in items if item.id in predictions]
        path = answers_path(folder, self.name, ".json", complete=len(given) == len(items))
        write_json(path, [{"image_id": i.official_id, "caption": predictions[i.id]} for i in given])
        return path

    def _coco(self, file: dict[str, list[dict[str, object]]], path: Path) -> list[Item]:
        captions: dict[object, list[str]] = {}
        for number, row in enumerate(section(file, "annotations", path), start=1):
            image_id, caption = fields(row, ("image_id", "caption"), path, number)
            captions.setdefault(image_id, []).append(caption)
        items = []
        for number, row in enumerate(file["images"], start=1):
            (identity,) = fields(row, ("id",), path, number)
            name = str(row.get("file_name") or row.get("coco_url") or identity)
            kinds = {"domain": str(row["domain"])} if row.get("domain") else {}
            items.append(Item(str(identity), name, "", captions.get(identity, []), kinds, identity))
        return items

    def _karpathy(self, rows: list[dict[str, object]], path: Path) -> list[Item]:
        split = self.config.split or "test"
        items = []
        for number, row in enumerate(rows, start=1):
            if row.get("split") == split:
                name, sentences = fields(row, ("filename", "sentences"), path, number)
                identity = str(row.get("cocoid", row.get("imgid", number - 1)))
                image = f"{row['filepath']}/{name}" if row.get("filepath") else str(name)
                items.append(Item(identity, image, "", [s["raw"] for s in sentences], {}, _number(identity)))
        if not items:
            raise UserError(f"No image is of the split {split!r}", str(path), "name another with split=")
        return items


def _number(identity: str) -> int | str:
    """An id as official answer files write it."""
    return int(identity) if identity.isdigit() else identity
