"""Captions: do short descriptions name what is there, and say what people say of the image?"""

from __future__ import annotations

from collections.abc import Mapping

from eval.metrics.chair import Chair
from eval.metrics.cider import CiderD
from eval.metrics.intervals import Array, Totals, ratio
from eval.metrics.ptb import caption_words
from eval.tasks.base import Counts, Item
from eval.tasks.coco import CocoImage
from eval.tasks.descriptions import DescriptionTask
from eval.tasks.published import COCO_ANNOTATIONS, COCO_LICENCE, COCO_PAGE, COCO_VAL2014, Published


class Captions(DescriptionTask):
    """Short descriptions of COCO's images, or others in its format.

    ``object_recall`` is the share of the annotated classes that are named (each counts once an image),
    ``object_precision`` the share of the named classes that are annotated. ``cider_d`` follows COCO's
    script but for the tokeniser, which is ours and needs no Java; it is there where every image has a
    reference caption.

    Source: Vedantam et al., CIDEr; the object figures are ours.
    """

    title = "Captions: objects named and likeness to people's captions"
    published = Published(
        COCO_LICENCE,
        "40,504 images (val2014)",
        "40,504",
        "6.5 GB",
        COCO_PAGE,
        (COCO_ANNOTATIONS, COCO_VAL2014),
        "annotations={folder}/annotations/instances_val2014.json:{folder}/annotations/captions_val2014.json,"
        "images={folder}/val2014",
    )
    primary = "object_recall"
    not_shares = frozenset({"cider_d"})
    default_max_new_tokens = 64
    instruction = "Describe the image briefly."

    def load(self) -> list[Item]:
        items = super().load()
        references = {item.id: [caption_words(c) for c in item.truth.captions] for item in items}
        self._references = references if all(references.values()) else {}
        self._cider = CiderD(self._references.values())
        return items

    def modes(self, coco: bool) -> Mapping[str, str]:
        return {"": self.config.mode or "fixed"}

    def objects(self, image: CocoImage, finder: Chair) -> set[str]:
        return {finder.class_name(name) for name in image.categories}

    def score(self, prediction: str, item: Item) -> Counts:
        there, named = item.truth.objects[""], set(self.finders[""].objects(prediction))
        counts: Counts = {
            "captions": 1.0,
            "there": float(len(there)),
            "named": float(len(named)),
            "right": float(len(named & there)),
        }
        if self._references:
            counts["cider_d"] = self._cider.score(caption_words(prediction), self._references[item.id])
        return counts

    def aggregate(self, totals: Totals) -> dict[str, Array]:
        recall = ratio(totals["right"], totals["there"])
        precision = ratio(totals["right"], totals["named"])
        metrics = {
            "object_recall": recall,
            "object_precision": precision,
            "object_f1": ratio(2 * totals["right"], totals["there"] + totals["named"]),
        }
        if "cider_d" in totals:
            metrics["cider_d"] = ratio(totals["cider_d"], totals["captions"])
        return metrics

    def right(self, counts: Counts) -> bool:
        """Every class that is there is named, and no other."""
        return counts["right"] == counts["there"] == counts["named"]

    def truth_text(self, item: Item) -> str:
        """A reference caption, where there is one."""
        return item.truth.captions[0] if item.truth.captions else super().truth_text(item)
