"""Every program on scenes of miniworld: is each answer verified, each negative sound, each mutation caught?

Three things are counted apart from each other:

- ``verify`` recomputes every record from its scenes;
- an audit that shares no code with the programs counts what the scenes hold, for every answer that is a
  number, a yes or no, or the choice of an image, from the words of the question;
- one answer of every record is mutated (another option, another number, yes for no, another object of the
  scene, a letter less) and ``verify`` must refuse the record.

Run: python benchmarks/programs_verify.py [SCENES [FIRST]]
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data_builders.draws import Draws
from data_builders.miniworld.vocabulary import CLASSES, COLORS, SIZES
from data_builders.miniworld.world import World
from data_builders.programs.asking import Settings
from data_builders.programs.blocks import BLOCK, records_of_block
from data_builders.programs.inputs import with_masks
from data_builders.programs.registry import PROGRAMS
from data_builders.programs.verifying import verify
from data_builders.scenes import Scene
from mmtune.records import ImageRef, Record

STEP = 4 * BLOCK
NUMBERS = ("exists_object", "exists_attribute", "count_object", "count_attribute_object")
PRESENCE = ("negative_object",)
SELECTION = ("has_object", "has_not_object", "has_attributed_object", "has_not_attributed_object")
_OPTIONS = re.compile(r"\n(?=[(A-D])|Options|Choose|Select|Which is right")
EXTREMES = ("has_most_object", "has_least_object", "most_object", "least_object")


@dataclass
class Tally:
    """What was counted."""

    scenes: int = 0
    records: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    unverified: list[str] = field(default_factory=list)
    audited: int = 0
    unsound: list[str] = field(default_factory=list)
    mutated: int = 0
    missed: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count the other one's, too."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def miniworld_scenes(numbers: Iterable[int], seed: int = 0) -> list[Scene]:
    """Scenes with masks, as the programs get them from a miniworld folder."""
    world = World(seed=seed)
    scenes = (world.scene(index) for index in numbers)
    return [with_masks(scene).with_image(ImageRef(f"{scene.id}.png")) for scene in scenes]


def check(scenes: list[Scene], settings: Settings) -> Tally:
    """Run all programs on the scenes and check what they say."""
    tally = Tally(scenes=len(scenes))
    for first in range(0, len(scenes), BLOCK):
        block = scenes[first : first + BLOCK]
        by_id = {scene.id: scene for scene in block}
        for record in records_of_block(block, PROGRAMS.values(), settings):
            record.check()
            tally.records += 1
            tally.answers[record.meta["builder"]] += len(record.turns) // 2
            tally.unverified += [f"{record.id}: {reason}" for reason in verify(record, by_id)]
            _audit(record, [by_id[key] for key in record.meta["evidence"]["scenes"]], tally)
            tally.mutated += 1
            if not verify(mutated(record, by_id, settings.seed), by_id):
                tally.missed.append(record.id)
    return tally


def plain_answer(turn: str, question: str) -> str:
    """The answer without its letter, looked up in the question's options where the letter stands alone."""
    if len(turn) == 1 and turn.isupper():
        options = re.split(r"\(?\b([A-D])[.)] ", question)
        turn = options[options.index(turn) + 1].strip().split("\n")[0].rstrip(",.").rstrip()
        return turn.rstrip(",.")
    return re.sub(r"^\(?[A-D][.)] ", "", turn)


def _audit(record: Record, scenes: list[Scene], tally: Tally) -> None:
    """Count in the scenes what the words of the question ask for, with nothing but loops."""
    name = record.meta["builder"]
    if name not in (*NUMBERS, *PRESENCE, *SELECTION, *EXTREMES):
        return
    for place in range(0, len(record.turns), 2):
        question, said = record.turns[place].text, record.turns[place + 1].text
        asked = _OPTIONS.split(question.replace("<image>\n", ""))[0]
        classes = [cls for cls in CLASSES if re.search(rf"\b{cls}s?\b", asked)]
        values = [value for value in (*COLORS, *SIZES) if re.search(rf"\b{value}\b", asked)]
        answer = plain_answer(said, question)
        tally.audited += 1
        if not _right(name, scenes, classes, values, answer, question):
            tally.unsound.append(f"{record.id}: {question!r} {said!r}")


def _count(scene: Scene, name: str, values: list[str]) -> int:
    total = 0
    for item in scene.objects:
        if item.name == name and all(value in item.attributes for value in values):
            total += 1
    return total


def _right(
    name: str, scenes: list[Scene], classes: list[str], values: list[str], answer: str, question: str
) -> bool:
    if name in ("most_object", "least_object"):
        named = [cls for cls in CLASSES if re.search(rf"\b{cls}\b", question)]
        counts = {cls: _count(scenes[0], cls, []) for cls in named}
        best = (max if name == "most_object" else min)(counts.values())
        return counts[answer] == best and list(counts.values()).count(best) == 1
    if len(classes) != 1 or not all(classes[0] in scene.exhaustive_classes for scene in scenes):
        return False
    counts_here = [_count(scene, classes[0], values) for scene in scenes]
    if name in NUMBERS:
        return answer == str(sum(counts_here))
    if name in PRESENCE:
        return answer == ("Yes" if counts_here[0] else "No")
    chosen = int(answer.removeprefix("image ")) - 1
    rest = [count for place, count in enumerate(counts_here) if place != chosen]
    if name in ("has_object", "has_attributed_object"):
        return counts_here[chosen] > 0 and not any(rest)
    if name in ("has_not_object", "has_not_attributed_object"):
        return counts_here[chosen] == 0 and all(rest)
    if name == "has_most_object":
        return counts_here[chosen] > max(rest)
    return counts_here[chosen] < min(rest)


def mutated(record: Record, scenes: dict[str, Scene], seed: int) -> Record:
    """The record with one answer changed to one that a careless builder could have given."""
    draws = Draws(seed, 99, len(record.id), sum(record.id.encode()))
    place = 2 * draws.below(len(record.turns) // 2) + 1
    answer, question = record.turns[place].text, record.turns[place - 1].text
    scene = scenes[record.meta["evidence"]["scenes"][0]]
    others = [other for other in re.findall(r"\(?[A-D][.)] [^\n,]+", question) if other != answer]
    others += [item.name for item in scene.objects] + [v for item in scene.objects for v in item.attributes]
    others += ["Yes", "No", "image 1", "image 2", answer[:-1] or "?", f"{answer}s", "A", "B", "C"]
    if number := re.search(r"\d+", answer):
        others.append(answer.replace(number.group(), str(int(number.group()) + 1), 1))
    others = [other for other in others if other != answer]
    turns = list(record.turns)
    turns[place] = replace(turns[place], text=draws.choice(others))
    return replace(record, turns=tuple(turns))


def main(count: int = 5000, begin: int = 0) -> None:
    """Print the figures and the first of whatever is wrong."""
    start = time.process_time()
    total = Tally()
    for first in range(begin, begin + count, STEP):
        total.add(check(miniworld_scenes(range(first, min(first + STEP, begin + count))), Settings()))
        print(f"{total.scenes} of {count} scenes", file=sys.stderr)
    print(f"{total.scenes} scenes, {total.records} records, {total.answers.total()} answers")
    print(f"of {len(total.answers)} programs; fewest: {total.answers.most_common()[-6:]}")
    good = 1 - len(total.unverified) / total.records
    print(f"verified: {good:.4%}")
    print(f"audited {total.audited} negatives, numbers and choices: {len(total.unsound)} unsound")
    caught = 1 - len(total.missed) / total.mutated
    print(f"mutated answers caught: {caught:.4%} of {total.mutated}")
    print(f"{time.process_time() - start:.0f} s of processor time for all of it")
    for wrong in (*total.unverified[:5], *total.unsound[:5], *total.missed[:5]):
        print(f"  {wrong}")


if __name__ == "__main__":
    main(*[int(argument) for argument in sys.argv[1:3]])
