"""How many question-answer pairs a second one core makes from graphs of the size of Visual Genome's.

A graph has 35 objects, 26 attributes and 22 relations on average, with names that are as uneven as people's.
It is made by chance, so that nothing has to be downloaded; ``--in`` takes real annotations instead. Nothing
is exhaustively annotated in Visual Genome, so that by default no negative and no number is asked; the second
table lets a class that is annotated once be called by its name alone, as other builders do.

``--other`` times another generator beside it: a command that reads the graphs (``{graphs}``, JSON in
ProVision's layout) and writes one question-answer pair a line.

Run: python benchmarks/programs_rate.py [--graphs 64] [--other "python their_script.py {graphs}"]
"""

from __future__ import annotations

import argparse
import gc
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data_builders.draws import Draws
from data_builders.programs.asking import Settings
from data_builders.programs.blocks import records_of_block
from data_builders.programs.registry import PROGRAMS
from data_builders.scenes import Relation, Scene, SceneObject
from mmtune.records import ImageRef

BLOCK = 4
"""Graphs that are timed together."""
NAMES = [
    "man",
    "tree",
    "shirt",
    "window",
    "wall",
    "woman",
    "building",
    "sky",
    "person",
    "sign",
    "grass",
    "table",
    "hair",
    "leg",
    "head",
    "car",
    "pole",
    "fence",
    "hand",
    "leaf",
    "shoe",
    "cloud",
    "plate",
    "street",
    "jacket",
    "hat",
    "door",
    "flower",
    "chair",
    "dog",
    "bag",
    "glass",
    "road",
    "train",
    "line",
    "light",
    "helmet",
    "bus",
    "roof",
    "boat",
    "cup",
    "pillow",
    "lamp",
    "horse",
    "bench",
    "tire",
    "field",
    "water",
    "clock",
    "bowl",
    "umbrella",
    "banana",
    "book",
    "shelf",
    "cat",
]
ATTRIBUTES = [
    "white",
    "black",
    "blue",
    "green",
    "red",
    "brown",
    "yellow",
    "large",
    "small",
    "gray",
    "tall",
    "wooden",
    "long",
    "silver",
    "round",
    "metal",
    "dark",
    "orange",
    "old",
    "pink",
    "young",
    "wet",
    "open",
    "empty",
    "striped",
    "plastic",
    "standing",
    "sitting",
    "short",
    "brick",
    "clear",
    "bright",
    "parked",
]
PREDICATES = [
    "on",
    "has",
    "in",
    "of",
    "wearing",
    "near",
    "behind",
    "with",
    "next to",
    "above",
    "holding",
    "under",
    "in front of",
    "to the left of",
    "sitting on",
    "standing on",
    "on top of",
    "wears",
    "over",
    "to the right of",
    "riding",
    "below",
    "beside",
    "attached to",
    "hanging on",
    "along",
]


def graph(number: int) -> dict[str, Any]:
    """One graph in ProVision's layout; names, attributes and predicates by Zipf's law."""
    draws = Draws(7, number)
    width, height = 800, 600

    def zipf(items: list[str]) -> str:
        return items[min(int(len(items) ** draws.uniform()) - 1, len(items) - 1)]

    labels, boxes = [], []
    for _ in range(draws.between(20, 50)):
        labels.append(zipf(NAMES))
        x, y = draws.between(0, width - 60), draws.between(0, height - 60)
        boxes.append([x, y, draws.between(x + 10, width), draws.between(y + 10, height)])
    attributes: list[list[str]] = [[] for _ in labels]
    for _ in range(draws.between(16, 36)):
        found, value = attributes[draws.below(len(labels))], zipf(ATTRIBUTES)
        if value not in found:
            found.append(value)
    relations = []
    for _ in range(draws.between(14, 30)):
        one, two = draws.below(len(labels)), draws.below(len(labels))
        if one != two:
            relations.append([one, zipf(PREDICATES), two])
    annotation = {"width": width, "height": height, "labels": labels, "bboxes": boxes}
    return {
        "data_path": f"{number}.jpg",
        "annotation": annotation | {"attributes": attributes, "relations": relations},
    }


def scene_of(name: str, row: dict[str, Any]) -> Scene:
    """The scene of a graph."""
    found = row["annotation"]
    objects = tuple(
        SceneObject(f"o{place}", label, tuple(box), tuple(values))
        for place, (label, box, values) in enumerate(
            zip(found["labels"], found["bboxes"], found["attributes"], strict=True)
        )
    )
    relations = tuple(Relation(f"o{one}", predicate, f"o{two}") for one, predicate, two in found["relations"])
    image = ImageRef(row["data_path"])
    return Scene(name, image, found["width"], found["height"], objects, relations, licence="CC-BY-4.0")


def measure(title: str, scenes: list[Scene], settings: Settings, rounds: int) -> None:
    """Print the rate of all programs together, of processor time.

    Others may use the machine, and a process that has to wait finds its caches emptied. So the time of each
    few graphs is also taken as that of their fastest round: what they cost where nobody comes between.
    """
    blocks = [scenes[first : first + BLOCK] for first in range(0, len(scenes), BLOCK)]
    fastest = [float("inf")] * len(blocks)
    whole: list[float] = []
    for _ in range(rounds):
        pairs: Counter[str] = Counter()
        spent = 0.0
        for place, block in enumerate(blocks):
            start = time.process_time()
            for record in records_of_block(block, PROGRAMS.values(), settings):
                pairs[record.meta["builder"]] += len(record.turns) // 2
            took = time.process_time() - start
            fastest[place] = min(fastest[place], took)
            spent += took
        whole.append(spent)
    total = pairs.total()
    print(f"{title}: {total} pairs of {len(pairs)} programs, {total / len(scenes):.0f} a graph")
    print(
        f"  {total / min(whole):,.0f} pairs/s in the best of {rounds} rounds,"
        f" {total / sum(fastest):,.0f} with the fastest round of each {BLOCK} graphs"
    )


def main() -> None:
    """Measure all programs, and another generator if there is one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--graphs", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--turns", type=int, default=16, help="most questions of a program about a graph")
    parser.add_argument("--other", help="a command that reads {graphs} and writes one pair a line")
    args = parser.parse_args()
    graphs = {str(number): graph(number) for number in range(args.graphs)}
    scenes = [scene_of(name, row) for name, row in graphs.items()]
    sizes = [len(s.objects) for s in scenes], [len(s.relations) for s in scenes]
    attributes = sum(len(item.attributes) for s in scenes for item in s.objects) / len(scenes)
    print(
        f"{len(scenes)} graphs of {sum(sizes[0]) / len(scenes):.0f} objects, {attributes:.0f} attributes,"
        f" {sum(sizes[1]) / len(scenes):.0f} relations"
    )
    gc.freeze()  # all graphs are in memory here, which a build that streams does not have to go through
    measure("sound by annotation alone", scenes, Settings(turns=args.turns), args.rounds)
    settings = Settings(turns=args.turns, names="annotated")
    measure("a class annotated once is called by its name", scenes, settings, args.rounds)
    if args.other:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "graphs.json"
            path.write_text(json.dumps(graphs), encoding="utf-8")
            words = [word.replace("{graphs}", str(path)) for word in shlex.split(args.other)]
            start = time.perf_counter()
            lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout.count("\n")
            wall = time.perf_counter() - start
            print(f"{words[0]} ...: {lines} pairs, {lines / wall:,.0f} pairs/s by wall clock")


if __name__ == "__main__":
    main()
