"""MME: two questions about each image, one of them to be answered with yes and one with no."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from eval.answer_files import add_answer
from eval.json_files import read_text
from eval.metrics.intervals import Array, Totals, ratio
from eval.metrics.yes_no import MME_COGNITION, MME_PERCEPTION, parse_mme
from eval.tasks.accuracy import AccuracyTask
from eval.tasks.base import Counts, Item
from eval.tasks.official_files import answers_path
from eval.tasks.published import SEE_PAGE, Published
from mmtune.errors import UserError
from mmtune.wording import counted

_TASKS = (*MME_PERCEPTION, *MME_COGNITION)
_TABS = {3: "image, question and label", 4: "image, question, label and reply"}


class MME(AccuracyTask):
    """A folder with a text file for each sub-task: the answer tool's lines of image, question, label (and
    reply), or the benchmark's own folders of images with ``NAME.txt`` (question and label) beside each.

    ``accuracy`` is that of all questions, ``accuracy_plus`` the share of images with both right; the sum of
    the two times 100 is a sub-task's score. ``perception`` (at most 2000) and ``cognition`` (at most 800) are
    sums of the scores, given only where all their sub-tasks are there.

    Source: eval_tool/calculation.py of MME.
    """

    title = "MME: perception and cognition, yes or no"
    published = Published(
        "for research, on application by e-mail",
        "2,374",
        "1,187",
        SEE_PAGE,
        "https://github.com/BradyFU/Awesome-Multimodal-Large-Language-Models/tree/Evaluation",
    )
    primary = "accuracy"
    not_shares = frozenset({"perception", "cognition", *(f"score_{task}" for task in _TASKS)})
    default_max_new_tokens = 16

    def load(self) -> list[Item]:
        folder = self.annotations
        if not folder.is_dir():
            raise UserError("MME is a folder of sub-tasks", str(folder), "give the folder")
        items: list[Item] = []
        for task in _TASKS:
            items += self._of_task(folder, task)
        if not items:
            raise UserError(
                "There is no sub-task of MME in this folder",
                str(folder),
                f"it holds {_TASKS[0]}.txt and others",
            )
        self._questions = Counter(map(self.together, items))
        return items

    def together(self, item: Item) -> str:
        """The image, in its sub-task."""
        return f"{item.kinds['sub_task']}/{item.image}"

    def read_answers(self, path: Path, items: Sequence[Item]) -> dict[str, str]:
        """From a folder of the tool's files; the labels in them must be those of the benchmark."""
        if not path.is_dir():
            return super().read_answers(path, items)
        labels = {item.id: item.truth for item in items}
        answers: dict[str, str] = {}
        for task in _TASKS:
            file = path / f"{task}.txt"
            if file.exists():
                for number, (image, question, label, reply) in enumerate(_lines(file, 4), start=1):
                    identity = _identity(task, image, question)
                    if labels.get(identity, label.strip().lower()) != label.strip().lower():
                        raise UserError(
                            f"Line {number} has the label {label!r}, the benchmark {labels[identity]!r}",
                            str(file),
                        )
                    add_answer(answers, identity, reply, file)
        return answers

    def value(self, answer: str, item: Item) -> float | None:
        said = parse_mme(answer)
        return None if said == "other" else float(said == item.truth)

    def counts_beside(self, answer: str, item: Item, value: float) -> Counts:
        task = item.kinds["sub_task"]
        return {f"right {task}": value, f"items {task}": 1.0}

    def joint(self, answers: Mapping[str, str], items: Sequence[Item]) -> dict[str, Counts]:
        """Both right, added to the first question of each image; an image of which a question is left out is
        left out, since one alone is easier to get right."""
        images: dict[str, list[Item]] = {}
        for item in items:
            images.setdefault(self.together(item), []).append(item)
        found: dict[str, Counts] = {}
        for image, pair in images.items():
            if len(pair) < self._questions[image]:
                continue
            task = pair[0].kinds["sub_task"]
            both = all(item.id in answers and self.value(answers[item.id], item) == 1 for item in pair)
            found[pair[0].id] = {
                "both": float(both),
                "images": 1.0,
                f"both {task}": float(both),
                f"images {task}": 1.0,
            }
        return found

    def metrics_beside(self, totals: Totals) -> dict[str, Array]:
        if "images" not in totals:
            return {}
        metrics = {"accuracy_plus": ratio(totals["both"], totals["images"])}
        scores = {
            task: 100
            * (
                ratio(totals[f"right {task}"], totals[f"items {task}"])
                + ratio(totals[f"both {task}"], totals[f"images {task}"])
            )
            for task in _TASKS
            if {f"items {task}", f"images {task}"} <= set(totals)
        }
        for name, tasks in (("perception", MME_PERCEPTION), ("cognition", MME_COGNITION)):
            if all(task in scores for task in tasks):
                metrics[name] = np.sum([scores[task] for task in tasks], axis=0)
        return metrics | {f"score_{task}": score for task, score in scores.items()}

    def behind(self, metric: str) -> Sequence[str]:
        if metric in ("perception", "cognition"):
            tasks = MME_PERCEPTION if metric == "perception" else MME_COGNITION
            return [f"items {task}" for task in tasks]
        if metric == "accuracy_plus":
            return ("images",)
        return (f"items {metric.removeprefix('score_')}",) if metric.startswith("score_") else ()

    def write_answers(self, folder: Path, items: Sequence[Item], predictions: Mapping[str, str]) -> Path:
        """A folder of the tool's files; a reply stands on one line without tabs."""
        complete = all(item.id in predictions for item in items)
        out = answers_path(folder, self.name, "", complete)
        out.mkdir(exist_ok=True)
        for task in dict.fromkeys(item.kinds["sub_task"] for item in items):
            lines = [
                "\t".join(
                    (Path(i.image).name, i.question, str(i.truth).capitalize(), _flat(predictions[i.id]))
                )
                for i in items
                if i.kinds["sub_task"] == task and i.id in predictions
            ]
            (out / f"{task}.txt").write_text(
                "".join(f"{line}\n" for line in lines), encoding="utf-8", errors="replace"
            )
        return out

    def _of_task(self, folder: Path, task: str) -> Iterator[Item]:
        file, inside = folder / f"{task}.txt", folder / task
        if file.exists():
            for cells in _lines(file, 3, 4):
                yield _item(task, cells[0], cells[1], cells[2], file)
        elif inside.is_dir():
            texts = sorted(inside.glob("**/*.txt"))
            pictures = {
                p.stem: p for p in inside.glob("**/*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")
            }
            for text in texts:
                picture = pictures.get(text.stem)
                for question, label in _lines(text, 2):
                    image = picture.name if picture else f"{text.stem}.jpg"
                    place = str(picture.relative_to(folder)) if picture else f"{task}/{image}"
                    yield _item(task, image, question, label, text, place)


def _item(task: str, image: str, question: str, label: str, path: Path, place: str | None = None) -> Item:
    truth = label.strip().lower()
    if truth not in ("yes", "no"):
        raise UserError(f"The label of {image} is {label!r}, neither yes nor no", str(path), "mend the line")
    identity = _identity(task, image, question)
    return Item(identity, place or f"{task}/{image}", question, truth, {"sub_task": task}, identity)


def _identity(task: str, image: str, question: str) -> str:
    return f"{task}/{image}/{question}"


def _lines(path: Path, *widths: int) -> list[list[str]]:
    """Cells of each line that is not empty."""
    found = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        cells = line.rstrip("\r").split("\t")
        if line.strip():
            if len(cells) not in widths:
                wanted = _TABS.get(widths[-1], "question and label")
                raise UserError(
                    f"Line {number} has {counted(len(cells), 'cell')}, not {widths[-1]}",
                    str(path),
                    f"write {wanted}, with tabs",
                )
            found.append(cells)
    return found


def _flat(text: str) -> str:
    return " ".join(text.split())
