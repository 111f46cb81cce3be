"""CHAIR: how many of the objects that a description names are not in the image."""

from __future__ import annotations

from collections.abc import Mapping

from eval.metrics.chair import Chair
from eval.metrics.intervals import Array, Totals, ratio
from eval.tasks.base import Counts, Item
from eval.tasks.coco import CocoImage
from eval.tasks.descriptions import DescriptionTask
from eval.tasks.published import COCO_ANNOTATIONS, COCO_LICENCE, COCO_PAGE, COCO_VAL2014, Published

_FIXED = "_fixed"


class ChairTask(DescriptionTask):
    """Hallucinated objects in descriptions; an object is there if an instance or a reference caption says so.

    ``chair_i`` is the share of mentions, ``chair_s`` the share of descriptions, that are hallucinated;
    ``recall`` is the share of the objects in the image that are named. On COCO's categories the figures are
    the official ones, and those ending in ``_fixed`` leave out the mistakes of the official singulariser;
    on other categories only the latter make sense, and they stand under the plain names.

    Source: Rohrbach et al., Object Hallucination in Image Captioning; LisaAnne/Hallucination.
    """

    title = "CHAIR: hallucinated objects in descriptions"
    published = Published(
        COCO_LICENCE,
        "40,504 images (val2014); people draw 500",
        "40,504",
        "6.5 GB",
        COCO_PAGE,
        (COCO_ANNOTATIONS, COCO_VAL2014),
        "annotations={folder}/annotations/instances_val2014.json:{folder}/annotations/captions_val2014.json,"
        "images={folder}/val2014",
    )
    primary = "chair_i"
    lower_is_better = frozenset({"chair_i", "chair_s", "chair_i_fixed", "chair_s_fixed"})
    not_shares = frozenset({"mentions_per_caption", "mentions_per_caption_fixed"})
    default_max_new_tokens = 256
    instruction = "Describe the image in detail."

    def modes(self, coco: bool) -> Mapping[str, str]:
        main = self.config.mode or ("official" if coco else "fixed")
        return {"": main, _FIXED: "fixed"} if main == "official" else {"": main}

    def objects(self, image: CocoImage, finder: Chair) -> set[str]:
        named = {name for caption in image.captions for name in finder.objects(caption)}
        return named | {finder.class_name(name) for name in image.categories}

    def score(self, prediction: str, item: Item) -> Counts:
        counts: Counts = {"captions": 1.0}
        for suffix, finder in self.finders.items():
            there = item.truth.objects[suffix]
            found = finder.score(prediction, there)
            counts |= {
                f"mentions{suffix}": float(len(found["generated"])),
                f"hallucinated{suffix}": float(len(found["hallucinated"])),
                f"bad_captions{suffix}": float(found["chair_s"]),
                f"named{suffix}": float(len(there.intersection(found["generated"]))),
                f"there{suffix}": float(len(there)),
            }
        return counts

    def aggregate(self, totals: Totals) -> dict[str, Array]:
        metrics: dict[str, Array] = {}
        for suffix in ("", _FIXED):
            if f"mentions{suffix}" in totals:
                mentions, captions = totals[f"mentions{suffix}"], totals["captions"]
                metrics |= {
                    f"chair_i{suffix}": ratio(totals[f"hallucinated{suffix}"], mentions),
                    f"chair_s{suffix}": ratio(totals[f"bad_captions{suffix}"], captions),
                    f"recall{suffix}": ratio(totals[f"named{suffix}"], totals[f"there{suffix}"]),
                    f"mentions_per_caption{suffix}": ratio(mentions, captions),
                }
        return metrics

    def right(self, counts: Counts) -> bool:
        """Something is named and nothing of it hallucinated."""
        return counts["bad_captions"] == 0 and counts["mentions"] > 0
