"""CHAIR and object recall: which objects a description names, and which of them are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from eval.metrics.chair import Chair
from eval.metrics.coco_objects import COCO_OBJECTS
from eval.metrics.intervals import Array, Totals, ratio
from eval.tasks.base import Counts, Item, Task
from eval.tasks.coco import CocoImage, read_coco
from eval.tasks.official_files import answers_path, write_rows


class ChairTask(Task):
    """Hallucinated objects in descriptions, over COCO's instance and caption files.

    An object is in the image if an instance or a reference caption says so. Where the categories are
    COCO's, our own synonym table is used unless ``synonyms`` names another; where they are others, each
    category's own name.

    ``chair_i`` is the share of mentions, ``chair_s`` the share of descriptions, that are hallucinated;
    ``recall`` is the share of the objects in the image that are named. In official mode the ``_fixed``
    figures stand beside, without the mistakes of the official singulariser.

    Source: Rohrbach et al., Object Hallucination in Image Captioning; LisaAnne/Hallucination.
    """

    title = "CHAIR: hallucinated objects in descriptions (lower is better)"
    primary = "chair_i"
    lower_is_better = frozenset({"chair_i", "chair_s", "chair_i_fixed", "chair_s_fixed"})
    default_max_new_tokens = 256
    instruction: ClassVar[str] = "Describe this image in detail."

    def load(self) -> list[Item]:
        images, categories = read_coco([Path(p) for p in str(self.annotations).split(":")])
        self._charts = self._tables(categories)
        return [
            Item(str(image.id), image.file_name, self.instruction, self._truth(image), {}, image.id)
            for image in images.values()
        ]

    def score(self, prediction: str, item: Item) -> Counts:
        counts: Counts = {"captions": 1.0}
        for suffix, chair in self._charts.items():
            found = chair.score(prediction, item.truth[suffix])
            named = set(found["generated"])
            counts |= {
                f"mentions{suffix}": float(len(found["generated"])),
                f"hallucinated{suffix}": float(len(found["hallucinated"])),
                f"bad_captions{suffix}": float(found["chair_s"]),
                f"named{suffix}": float(len(named & item.truth[suffix])),
                f"there{suffix}": float(len(item.truth[suffix])),
            }
        return counts

    def aggregate(self, totals: Totals) -> dict[str, Array]:
        metrics: dict[str, Array] = {}
        for suffix in ("", "_fixed"):
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
        return counts["bad_captions"] == 0 and counts["mentions"] > 0

    def truth_text(self, item: Item) -> str:
        return ", ".join(sorted(item.truth[""])) or "none of the classes"

    def write_answers(self, folder: Path, items: Sequence[Item], predictions: Mapping[str, str]) -> Path:
        """JSON Lines of {image_id, caption}."""
        given = [item for item in items if item.id in predictions]
        path = answers_path(folder, self.name, ".jsonl", complete=len(given) == len(items))
        write_rows(path, ({"image_id": i.official_id, "caption": predictions[i.id]} for i in given))
        return path

    def _tables(self, categories: Sequence[str]) -> dict[str, Chair]:
        """The main table under "", and beside an official one the fixed one."""
        synonyms: Mapping[str, Sequence[str]] | str | None = self.config.synonyms
        coco = set(categories) <= set(COCO_OBJECTS)
        if synonyms is None and not coco:
            synonyms = dict.fromkeys(categories, ())
        mode = self.config.mode or ("official" if coco else "fixed")
        tables = {"": Chair(synonyms, mode)}
        if mode == "official":
            tables["_fixed"] = Chair(synonyms, "fixed")
        return tables

    def _truth(self, image: CocoImage) -> dict[str, set[str]]:
        return {
            suffix: {chair.class_name(name) for name in image.categories}
            | {name for caption in image.captions for name in chair.objects(caption)}
            for suffix, chair in self._charts.items()
        }


class ObjectRecall(ChairTask):
    """Short descriptions: the share of the classes in the image that are named, over COCO's files.

    Unlike in CHAIR only instances say what is there, and a class counts once. ``object_precision`` is the
    share of the named classes that are there, ``object_f1`` balances the two.
    """

    title = "Object recall: classes named in short descriptions"
    primary = "object_recall"
    lower_is_better = frozenset()
    default_max_new_tokens = 64
    instruction = "Describe this image briefly."

    def aggregate(self, totals: Totals) -> dict[str, Array]:
        suffix = "_fixed" if "mentions_fixed" in totals else ""
        recall = ratio(totals[f"named{suffix}"], totals[f"there{suffix}"])
        precision = ratio(totals[f"named{suffix}"], totals[f"classes{suffix}"])
        return {
            "object_recall": recall,
            "object_precision": precision,
            "object_f1": ratio(2 * precision * recall, precision + recall),
        }

    def score(self, prediction: str, item: Item) -> Counts:
        counts = super().score(prediction, item)
        for suffix, chair in self._charts.items():
            counts[f"classes{suffix}"] = float(len(set(chair.objects(prediction))))
        return counts

    def right(self, counts: Counts) -> bool:
        suffix = "_fixed" if "mentions_fixed" in counts else ""
        return counts[f"named{suffix}"] == counts[f"there{suffix}"] == counts[f"classes{suffix}"]

    def _truth(self, image: CocoImage) -> dict[str, set[str]]:
        return {
            suffix: {chair.class_name(name) for name in image.categories}
            for suffix, chair in self._charts.items()
        }
