"""Questions with lettered options about images of one colour, and who knows the answers."""

from __future__ import annotations

import json

from eval.asking import Ask
from eval.tasks import TaskConfig
from tests.unit.eval.conftest import NAMES, World


def write_choices(world: World, count: int = 12, options: int = 4) -> TaskConfig:
    """CV-Bench's form: which colour is it, with the truth at every place alike."""
    rows = []
    for number in range(1, count + 1):
        truth = world.colour(number)
        names = list(NAMES[:options]) if truth in NAMES[:options] else [*NAMES[: options - 1], truth]
        names.remove(truth)
        names.insert(number // 4 % options, truth)
        letter = "ABCD"[names.index(truth)]
        rows.append(
            {
                "idx": number,
                "type": "2D",
                "task": "Colour",
                "source": "COCO",
                "question": "What colour is it?",
                "choices": names,
                "answer": f"({letter})",
                "filename": world.file(number),
            }
        )
    path = world.root / "test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return TaskConfig("cvbench", str(path), str(world.root / "images"))


def options_shown(text: str) -> dict[str, str]:
    """Letter → option, as a question's text has them."""
    lines = [line.partition(". ") for line in text.split("\n")]
    return {letter: option for letter, dot, option in lines if dot and len(letter) == 1}


def colour_shown(world: World, ask: Ask) -> str:
    """The colour of the image that an ask is about."""
    return world.colour(int(ask.image.split("_")[-1].split(".")[0]))


def knows(world: World, ask: Ask) -> str:
    """The letter of the colour that the image has."""
    colour = colour_shown(world, ask)
    return next(letter for letter, option in options_shown(ask.text).items() if option == colour)
