"""SEED-Bench: questions with four options about images and videos."""

from __future__ import annotations

from collections.abc import Sequence

from eval.json_files import read_json
from eval.metrics.choice import parse_letter
from eval.metrics.intervals import Array, Totals, ratio
from eval.metrics.seed import seed_right
from eval.tasks.base import Counts, Item
from eval.tasks.choices import Choice, ChoiceTask, asked, letter_of, truth_choice
from eval.tasks.official_files import check_unique, fields, section
from eval.tasks.published import SEE_PAGE, Published, hub

_OPTIONS = ("choice_a", "choice_b", "choice_c", "choice_d")


class SeedBench(ChoiceTask):
    """``SEED-Bench.json``: question types and questions.

    ``accuracy`` compares the reply with the letter exactly, as the figures for LLaVA were made ("A." is
    wrong), ``accuracy_fixed`` reads the letter out of the reply; ``image_accuracy`` and ``video_accuracy``
    are exact, too. The benchmark itself ranks the options by likelihood, which no answer file tells.

    Source: scripts/convert_seed_for_submission.py of haotian-liu/LLaVA.
    """

    title = "SEED-Bench: four options, images and videos"
    published = Published(
        "CC BY-NC 4.0",
        "19,242 (14,233 about images)",
        "in SEED-Bench-image.zip; videos by their own publishers",
        SEE_PAGE,
        "https://huggingface.co/datasets/AILab-CVC/SEED-Bench",
        (hub("AILab-CVC/SEED-Bench", "SEED-Bench.json"), hub("AILab-CVC/SEED-Bench", "SEED-Bench-image.zip")),
        "annotations={folder}/SEED-Bench.json,images={folder}/SEED-Bench-image",
    )
    answer_texts = ("prediction", "text", "answer")

    def load(self) -> list[Item]:
        path = self.annotations
        file = read_json(path)
        rows = section(file, "questions", path)
        names = {number: name for name, number in file.get("question_type", {}).items()}
        items = []
        for number, row in enumerate(rows, start=1):
            question_id, kind, question = fields(
                row, ("question_id", "question_type_id", "question"), path, number
            )
            options = dict(zip("ABCD", (str(o) for o in fields(row, _OPTIONS, path, number)), strict=True))
            truth = None
            if row.get("answer"):
                truth = Choice(letter_of(row["answer"], options, path, number), options)
            data_type = str(row.get("data_type", "image"))
            kinds = {"question_type": str(names.get(kind, kind)), "data_type": data_type}
            image = str(row.get("data_id", ""))
            items.append(Item(str(question_id), image, asked(question, options), truth, kinds, question_id))
        check_unique(items, path)
        return items

    def value(self, answer: str, item: Item) -> float | None:
        return float(seed_right(answer, truth_choice(item).letter))

    def counts_beside(self, answer: str, item: Item, value: float) -> Counts:
        letter = parse_letter(answer, "ABCD")
        counts = {
            "read_right": float(letter == truth_choice(item).letter),
            "unparsed": float(letter is None),
        }
        for data_type in ("image", "video"):
            counts[f"{data_type}_items"] = float(item.kinds["data_type"] == data_type)
            counts[f"{data_type}_right"] = value * counts[f"{data_type}_items"]
        return counts

    def behind(self, metric: str) -> Sequence[str]:
        named = {f"{kind}_accuracy": (f"{kind}_items",) for kind in ("image", "video")}
        return named.get(metric, ())

    def metrics_beside(self, totals: Totals) -> dict[str, Array]:
        return {
            "accuracy_fixed": ratio(totals["read_right"], totals["items"]),
            "image_accuracy": ratio(totals["image_right"], totals["image_items"]),
            "video_accuracy": ratio(totals["video_right"], totals["video_items"]),
        }
