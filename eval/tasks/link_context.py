"""Link-context learning: images of concepts with invented names, then an image of one of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.json_files import read_rows
from eval.options import How, Options
from eval.tasks.accuracy import AccuracyTask
from eval.tasks.base import Item
from eval.tasks.official_files import check_unique, fields
from eval.tasks.published import SEE_PAGE, Published
from mmtune.errors import UserError
from mmtune.records import IMAGE_PLACEHOLDER

_QUESTION = "What is in the image?"


@dataclass(frozen=True)
class Truth:
    """The name of what the last image shows, and all names that were shown."""

    name: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


class LinkContext(AccuracyTask):
    """Rows of {id, image, answer, demonstrations: [{image, answer, question?}, …], question?, negatives?}.

    Each demonstration is an earlier turn, an image with its question and the name of what it shows; the last
    turn asks the same about a new image. A reply is right where it has the true name in it, and none of the
    other names that were shown (or that ``negatives`` lists); one without any name is ``unparsed``. Nothing
    of this can be known from training where the names are invented, as in ISEKAI. Results stand apart by the
    number of demonstrations (``shots``). The published evaluation files belong to the authors' code, so this
    is its protocol and our form.

    Source: Tai et al., Link-Context Learning for Multimodal LLMs (ISEKAI).
    """

    title = "Link-context (ISEKAI): concepts shown in the prompt, then asked"
    published = Published(
        SEE_PAGE,
        "as many as your file has",
        "of 10 or 20 invented concepts (ISEKAI-10, ISEKAI-pair)",
        SEE_PAGE,
        "https://github.com/isekai-portal/Link-Context-Learning",
    )
    default_prompt = "bare"
    default_max_new_tokens = 32
    answer_ids = ("id", "question_id")

    def load(self) -> list[Item]:
        path = self.annotations
        items = []
        for number, row in enumerate(read_rows(path), start=1):
            identity, image, name, shown = fields(
                row, ("id", "image", "answer", "demonstrations"), path, number
            )
            if not isinstance(shown, list) or not shown:
                raise UserError(f"Row {number} has no list of demonstrations", str(path), "give some")
            images, history = [], []
            for each in shown:
                picture, answer = fields(each, ("image", "answer"), path, number)
                images.append(str(picture))
                history.append((_placed(each), str(answer)))
            names = dict.fromkeys((str(name), *(answer for _, answer in history), *_others(row)))
            items.append(
                Item(
                    str(identity),
                    images[0],
                    _placed(row),
                    Truth(str(name), tuple(names)),
                    {"shots": str(len(shown)), "concept": str(name)},
                    identity,
                    (*images, str(image)),
                    tuple(history),
                )
            )
        check_unique(items, path)
        return items

    def value(self, answer: str, item: Item) -> float | None:
        said = {name for name in item.truth.names if _has(answer, name)}
        # A longer name that is said has said the shorter one inside it, too.
        said = {name for name in said if not any(name != other and _has(other, name) for other in said)}
        return float(said == {item.truth.name}) if said else None

    def options(self, item: Item, how: How) -> Options:
        """The names that were shown, for answering by choice."""
        del how
        return Options({name: name for name in item.truth.names})

    def answer_row(self, item: Item, answer: str) -> dict[str, Any]:
        return {"id": item.official_id, "answer": answer}


def _placed(row: Mapping[str, Any]) -> str:
    question = str(row.get("question") or _QUESTION)
    return question if IMAGE_PLACEHOLDER in question else f"{IMAGE_PLACEHOLDER}\n{question}"


def _others(row: Mapping[str, Any]) -> Sequence[str]:
    return [str(name) for name in row.get("negatives") or ()]


def _has(text: str, name: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(name.strip())}(?!\w)", text, re.IGNORECASE))
