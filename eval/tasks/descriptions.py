"""What CHAIR and the caption task share: descriptions of images in COCO's instance and caption files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from eval.json_files import write_rows
from eval.metrics.chair import Chair
from eval.metrics.coco_objects import COCO_OBJECTS
from eval.tasks.base import Counts, Item, Task
from eval.tasks.coco import CocoImage, read_coco
from eval.tasks.official_files import answers_path
from mmtune.errors import UserError


@dataclass(frozen=True)
class Shown:
    """What an image shows."""

    objects: Mapping[str, frozenset[str]]
    """By object finder (see ``DescriptionTask.finders``): the classes in the image."""
    captions: tuple[str, ...]


class DescriptionTask(Task):
    """Descriptions, checked for the object classes that they name.

    Where the categories are COCO's, our own synonym table is used unless ``synonyms`` names another; where
    they are others, each category goes by its own name. The question is the task's instruction; a
    ``prompt`` without ``{question}`` in it takes its place.
    """

    takes = ("synonyms", "mode")
    asks_questions = False
    answer_ids = ("image_id", "question_id", "id")
    answer_texts = ("caption", "answer", "prediction", "text")
    instruction: ClassVar[str]

    def load(self) -> list[Item]:
        images, categories = read_coco([Path(path) for path in str(self.annotations).split(":")])
        try:
            self.finders = self._finders(categories)
        except (ValueError, OSError) as error:
            raise UserError(f"The synonym table cannot be used: {error}", self.config.synonyms) from error
        return [
            Item(str(image.id), image.file_name, self.instruction, self._shown(image), {}, image.id)
            for image in images.values()
        ]

    def unanswered(self, item: Item) -> Counts:
        """A description that was never written has no wrong objects in it, so it cannot count as wrong."""
        raise UserError(
            f"Image {item.id} has no description, and none cannot count as a wrong one",
            fix="leave it out with --missing skip",
        )

    def truth_text(self, item: Item) -> str:
        return ", ".join(sorted(item.truth.objects[""])) or "none of the classes"

    def write_answers(self, folder: Path, items: Sequence[Item], predictions: Mapping[str, str]) -> Path:
        """JSON Lines of {image_id, caption}."""
        given = [item for item in items if item.id in predictions]
        path = answers_path(folder, self.name, ".jsonl", complete=len(given) == len(items))
        write_rows(path, ({"image_id": i.official_id, "caption": predictions[i.id]} for i in given))
        return path

    @abstractmethod
    def modes(self, coco: bool) -> Mapping[str, str]:
        """Mode of each object finder by its name; "" is the main one.

        Args:
            coco: whether the categories are COCO's.
        """

    @abstractmethod
    def objects(self, image: CocoImage, finder: Chair) -> set[str]:
        """Classes that the annotations put in the image."""

    def _finders(self, categories: Sequence[str]) -> dict[str, Chair]:
        synonyms: Mapping[str, Sequence[str]] | str | None = self.config.synonyms
        coco = set(categories) <= set(COCO_OBJECTS)
        if synonyms is None and not coco:
            synonyms = dict.fromkeys(categories, ())
        return {name: Chair(synonyms, mode) for name, mode in self.modes(coco).items()}

    def _shown(self, image: CocoImage) -> Shown:
        objects = {name: frozenset(self.objects(image, finder)) for name, finder in self.finders.items()}
        return Shown(objects, tuple(image.captions))
