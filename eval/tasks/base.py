"""What a benchmark is here: items from its own files, a prompt, a score each, metrics over sums."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from eval.metrics.intervals import Array, Totals
from eval.tasks.published import Published
from mmtune.errors import UserError

_SHORT = "Answer the question using a single word or phrase."
PROMPTS: Mapping[str, str] = {
    "bare": "{question}",
    "short": f"{{question}}\n{_SHORT}",
    "letter": "{question}\nAnswer with the option's letter from the given choices directly.",
    "letter_cn": "{question}\n请直接回答选项字母。",
    "answerable": (
        f"{{question}}\nWhen the provided information is insufficient, respond with 'Unanswerable'.\n{_SHORT}"
    ),
    "box": "Please provide the bounding box coordinate of the region this sentence describes: {question}",
}
"""Prompts by name; ``short``, ``letter`` and the others have the lines that the LLaVA-1.5 protocol puts under
a question."""

COMMON = ("images", "name", "prompt", "max_new_tokens", "limit")
"""Settings that every task takes."""

Counts = dict[str, float]
"""Numbers of one item that add up over items, as ``{"right": 1, "items": 1}``."""


@dataclass(frozen=True)
class TaskConfig:
    """A benchmark, named together with its files.

    On the command line it reads ``pope:annotations=FILE,images=FOLDER,prompt=bare``; see ``parse_task``.
    """

    task: str
    """Name in ``eval.tasks.TASKS``."""
    annotations: str | None = None
    """The benchmark's own annotation file, or a folder of them where the task reads several."""
    images: str | None = None
    """Folder that the image paths are relative to; by default that of the annotations."""
    questions: str | None = None
    """The question file, for benchmarks that keep it apart from the answers (VQAv2)."""
    name: str | None = None
    """Name in results; by default the task's, with the split where the file name tells it."""
    prompt: str | None = None
    """A name in ``PROMPTS`` or a text with ``{question}`` in it; by default as the protocol has it."""
    max_new_tokens: int | None = None
    """Longest answer; by default the task's."""
    limit: int | None = None
    """Use only this many items, drawn with a fixed seed; the results say so."""
    synonyms: str | None = None
    """Table of object classes and their words, for the tasks that look for objects in descriptions."""
    mode: str | None = None
    """``official`` or ``fixed``, for the tasks whose official script is wrong in places; other tasks name
    their own."""
    split: str | None = None
    """Which split, for the benchmarks whose file holds several."""
    choices: str | None = None
    """GQA's file of valid and plausible answers."""
    ocr: str | None = None
    """File of the texts that a reader found in the images (TextVQA's Rosetta tokens)."""
    truth: str | None = None
    """Files of the truth, where it stands apart from the questions (Object HalBench: COCO's annotations)."""
    replies: str | None = None
    """File of what a language model replied about the answers (Object HalBench: the objects in them)."""


@dataclass(frozen=True)
class Item:
    """One question about an image, several or none, with its truth."""

    id: str
    image: str
    """Path relative to the task's image folder, of the first where there are several; empty where the
    question has none. Intervals draw the items of one image together."""
    question: str
    """May hold ``<image>`` where an image stands; see ``eval.conversations``."""
    truth: Any = None
    """What the score needs; None where the benchmark keeps it to itself."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Breakdowns that the item belongs to, as ``{"question_type": "how many"}``."""
    official_id: int | str | None = None
    """The id with the type that the official answer file needs."""
    images: tuple[str, ...] = ()
    """All images in the order of their places; by default ``image`` alone, or none."""
    history: tuple[tuple[str, str], ...] = ()
    """Earlier turns, each what the user said and what was answered."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", all_images(self.image, self.images))


def all_images(image: str, images: tuple[str, ...]) -> tuple[str, ...]:
    """The images of a question: those given, or its one image.

    Raises:
        ValueError: if ``image`` is not the first of those given.
    """
    if images and images[0] != image:
        raise ValueError(f"the image {image!r} is not the first of {images}")
    return images or ((image,) if image else ())


class Task(ABC):
    """A benchmark over its official files.

    ``score`` gives counts that add up and ``aggregate`` turns sums of them into metrics, so that a
    bootstrap can recompute every metric from resampled sums, ratios of sums (F1, CHAIR) included.
    """

    title: ClassVar[str]
    """One line for tables and ``mmtune eval --list``."""
    published: ClassVar[Published]
    """Licence, size and source of the benchmark."""
    primary: ClassVar[str]
    """The metric that the benchmark is known by."""
    lower_is_better: ClassVar[frozenset[str]] = frozenset()
    not_shares: ClassVar[frozenset[str]] = frozenset()
    """Metrics that do not go from 0 to 1."""
    asks_questions: ClassVar[bool] = True
    """Whether items ask different questions, so that a prompt without ``{question}`` in it is a mistake."""
    needs_judge: ClassVar[bool] = False
    """Whether the score comes from a judge's replies about the answers."""
    default_prompt: ClassVar[str] = "bare"
    default_max_new_tokens: ClassVar[int] = 32
    answer_ids: ClassVar[tuple[str, ...]] = ("question_id", "questionId", "id")
    """Names under which answer files hold the id, the likeliest first."""
    answer_texts: ClassVar[tuple[str, ...]] = ("answer", "prediction", "text", "response")
    """Names under which answer files hold the answer."""

    needs: ClassVar[tuple[str, ...]] = ("annotations",)
    """Settings that asking cannot do without."""
    takes: ClassVar[tuple[str, ...]] = ()
    """Further settings, beside those that every task takes (``COMMON``)."""

    def __init__(self, config: TaskConfig) -> None:
        self.config = config
        self.name = config.name or config.task
        for setting in ("limit", "max_new_tokens"):
            number = getattr(config, setting)
            if number is not None and number < 1:
                raise UserError(f"{setting} of task {self.name} is {number}", fix="give at least 1")
        self.max_new_tokens = config.max_new_tokens or self.default_max_new_tokens
        chosen = config.prompt or self.default_prompt
        self.template = PROMPTS.get(chosen, chosen)
        if "{question}" not in self.template and self.asks_questions:
            raise UserError(
                f"The prompt {chosen!r} of task {self.name} has no place for the question",
                fix=f"write a text with {{question}} in it, or one of {', '.join(PROMPTS)}",
            )

    @property
    def images(self) -> Path:
        """The folder that image paths are relative to."""
        if self.config.images:
            return Path(self.config.images)
        annotations = self.annotations
        return annotations if annotations.is_dir() else annotations.parent

    def use_images(self, folder: Path) -> None:
        """Read images from a folder, as if it had been given with ``images=``."""
        self.config = replace(self.config, images=str(folder))

    @property
    def annotations(self) -> Path:
        """The annotation file or folder.

        Raises:
            UserError: if none was given.
        """
        if not self.config.annotations:
            raise UserError(f"Task {self.name} has no annotation file", fix="give it with annotations=FILE")
        return Path(self.config.annotations)

    @abstractmethod
    def load(self) -> list[Item]:
        """Read the official files.

        Raises:
            UserError: for a file that is missing, malformed, or holds an id twice.
        """

    def load_truth(self) -> list[Item]:
        """Items for answers that exist already: as ``load``, but without the files that only asking needs.

        Raises:
            UserError: as ``load``.
        """
        return self.load()

    def prompt(self, item: Item) -> str:
        """The user's turn, without the image placeholder."""
        return self.template.replace("{question}", item.question)

    @abstractmethod
    def score(self, prediction: str, item: Item) -> Counts:
        """Counts of one answer."""

    def submitted(self, prediction: str) -> str:
        """A generated answer as ``write_answers`` puts it into the answer file."""
        return prediction

    def score_submitted(self, answer: str, item: Item) -> Counts:
        """Counts of an answer that stands in an answer file, where that is not what was generated (see
        ``submitted``)."""
        return self.score(answer, item)

    def unanswered(self, item: Item) -> Counts:
        """Counts of an item without an answer, where that is to count as wrong.

        Raises:
            UserError: if the benchmark has no wrong answer, as for descriptions.
        """
        return self.score_submitted("", item)

    def together(self, item: Item) -> str:
        """What an item shares with those that count together with it (rotations, pairs): a limit draws all of
        them or none."""
        return item.id

    def joint(self, answers: Mapping[str, str], items: Sequence[Item]) -> Mapping[str, Counts]:
        """Counts that depend on the answers to several items (pairs, rotations), by the id of the item that
        each is added to.

        Args:
            answers: by item id, as they stand in an answer file.
            items: those that are scored.
        """
        del answers, items
        return {}

    def whole(self, answers: Mapping[str, str], items: Sequence[Item]) -> Mapping[str, float | None]:
        """Metrics that are not a function of summed counts; they have no interval.

        Args:
            answers: as for ``joint``.
            items: as for ``joint``.
        """
        del answers, items
        return {}

    @abstractmethod
    def aggregate(self, totals: Totals) -> dict[str, Array]:
        """Metrics from summed counts; both are (resamples,), and NaN where a metric is undefined."""

    def behind(self, metric: str) -> Sequence[str]:
        """Names of the counts that tell how many items are behind a metric; none where it is all of them."""
        del metric
        return ()

    @abstractmethod
    def right(self, counts: Counts) -> bool:
        """Whether an answer with these counts goes among the right ones of the contact sheet."""

    @abstractmethod
    def truth_text(self, item: Item) -> str:
        """The truth as a reader wants to see it."""

    def read_answers(self, path: Path, items: Sequence[Item]) -> dict[str, str]:
        """Answers by item id from a file in the form that the benchmark's own server or script takes.

        Args:
            path: the file, or a folder where the benchmark has one.
            items: the benchmark's, for forms that name items otherwise than by their ids.

        Raises:
            UserError: for a file that cannot be read, an id that stands in it twice, or an answer that is not
                text.
        """
        from eval.answer_files import read_answers

        return read_answers(path, self.answer_ids, self.answer_texts, self.name)

    @abstractmethod
    def write_answers(self, folder: Path, items: Sequence[Item], predictions: Mapping[str, str]) -> Path:
        """Write the answer file that the benchmark's own server or script takes.

        Args:
            folder: where to write.
            items: in the order of the official files.
            predictions: by item id; items without one make the file's name say ``partial``.
        """
