"""What a benchmark is here: items from its own files, a prompt, a score each, metrics over sums."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from eval.metrics.intervals import Array, Totals
from mmtune.errors import UserError

PROMPTS: Mapping[str, str] = {
    "bare": "{question}",
    "short": "{question}\nAnswer the question using a single word or phrase.",
}
"""Prompts by name; ``short`` is the line that the LLaVA-1.5 protocol puts under a question."""

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
    """``official`` or ``fixed``, for the tasks whose official script is wrong in places."""


@dataclass(frozen=True)
class Item:
    """One question about one image, with its truth."""

    id: str
    image: str
    """Path relative to the task's image folder."""
    question: str
    truth: Any = None
    """What the score needs; None where the benchmark keeps it to itself."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Breakdowns that the item belongs to, as ``{"question_type": "how many"}``."""
    official_id: int | str | None = None
    """The id with the type that the official answer file needs."""


class Task(ABC):
    """A benchmark over its official files.

    ``score`` gives counts that add up and ``aggregate`` turns sums of them into metrics, so that a
    bootstrap can recompute every metric from resampled sums, ratios of sums (F1, CHAIR) included.
    """

    title: ClassVar[str]
    """One line for tables and ``mmtune eval --list``."""
    primary: ClassVar[str]
    """The metric that the benchmark is known by."""
    lower_is_better: ClassVar[frozenset[str]] = frozenset()
    not_shares: ClassVar[frozenset[str]] = frozenset()
    """Metrics that do not go from 0 to 1."""
    asks_questions: ClassVar[bool] = True
    """Whether items ask different questions, so that a prompt without ``{question}`` in it is a mistake."""
    default_prompt: ClassVar[str] = "bare"
    default_max_new_tokens: ClassVar[int] = 32

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

    def prompt(self, item: Item) -> str:
        """The user's turn, without the image placeholder."""
        return self.template.replace("{question}", item.question)

    @abstractmethod
    def score(self, prediction: str, item: Item) -> Counts:
        """Counts of one answer."""

    @abstractmethod
    def aggregate(self, totals: Totals) -> dict[str, Array]:
        """Metrics from summed counts; both are (resamples,), and NaN where a metric is undefined."""

    @abstractmethod
    def right(self, counts: Counts) -> bool:
        """Whether an answer with these counts goes among the right ones of the contact sheet."""

    @abstractmethod
    def truth_text(self, item: Item) -> str:
        """The truth as a reader wants to see it."""

    @abstractmethod
    def write_answers(self, folder: Path, items: Sequence[Item], predictions: Mapping[str, str]) -> Path:
        """Write the answer file that the benchmark's own server or script takes.

        Args:
            folder: where to write.
            items: in the order of the official files.
            predictions: by item id; items without one make the file's name say ``partial``.
        """
