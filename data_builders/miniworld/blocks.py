"""A block of scenes, the unit of parallel and of interrupted work: its images and all its rows."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from data_builders.draws import Draws
from data_builders.miniworld.captions import coco_captions
from data_builders.miniworld.conversations import conversation, quiz
from data_builders.miniworld.formats import coco, vqa
from data_builders.miniworld.formats import visual_genome as vg
from data_builders.miniworld.formats.numbering import file_name, image_id
from data_builders.miniworld.painting import visible_masks
from data_builders.miniworld.questions.balance import Ledger
from data_builders.miniworld.records import align_record, tune_record
from data_builders.miniworld.world import SPLITS, World, WorldSettings
from data_builders.scenes import Scene
from mmtune.records import ImageRef, to_llava

# Answers are balanced inside a block, so that blocks can be made in any order and by any process.
BLOCK = 500

_CAPTIONS, _ALIGN, _TUNE, _QUIZ = 2, 3, 4, 5


@dataclass(frozen=True, slots=True)
class Block:
    """Scenes ``first`` to ``first + count - 1`` of a split, and where they go."""

    split: str
    first: int
    count: int
    seed: int
    settings: WorldSettings
    out: str
    parts: str
    annotated: bool
    """Whether COCO and Visual Genome rows are written, too."""

    @property
    def part(self) -> Path:
        """Where the rows of this block wait for the others."""
        return Path(self.parts) / f"{self.split}-{self.first:08d}.json"


def build_block(block: Block) -> Block:
    """Draw and describe the scenes of a block, unless an earlier, interrupted run has done so."""
    folder = Path(block.out) / "images" / block.split
    indices = range(block.first, block.first + block.count)
    names = {index: file_name(block.split, image_id(block.split, index)) for index in indices}
    # The part is hidden and the images are not: somebody may have removed these between two runs.
    if block.part.exists() and all((folder / name).is_file() for name in names.values()):
        return block
    world = World(block.settings, block.split, block.seed)
    rows: dict[str, list[str]] = {}
    shas, present = [], []
    ledger = Ledger()
    for index, name in names.items():
        scene = world.scene(index)
        shas.append(_save_image(folder / name, world, scene))
        present.append((name, sorted({item.name for item in scene.objects})))
        for kind, found in _rows(scene, block, index, ledger):
            rows.setdefault(kind, []).extend(json.dumps(row) for row in found)
    partial = block.part.with_suffix(".partial")
    partial.write_text(json.dumps({"rows": rows, "image_sha256": shas, "present": present}), encoding="utf-8")
    partial.replace(block.part)
    return block


def _rows(
    scene: Scene, block: Block, index: int, ledger: Ledger
) -> Iterable[tuple[str, list[dict[str, Any]]]]:
    split, number = block.split, image_id(block.split, index)
    name = file_name(split, number)
    image = ImageRef(f"{split}/{name}")

    def draws(purpose: int) -> Draws:
        return Draws(block.seed, purpose, SPLITS.index(split), index)

    if split != "test":
        yield "tune", [to_llava(tune_record(scene, image, conversation(scene, draws(_TUNE), ledger)))]
    if split == "train":
        yield "align", [to_llava(align_record(scene, image, draws(_ALIGN)))]
    if split == "test":
        questions = quiz(scene, draws(_QUIZ), ledger)
        yield "vqa_questions", vqa.question_rows(questions, number)
        yield "vqa_annotations", vqa.annotation_rows(questions, number)
    if not block.annotated:
        return
    yield "coco_images", [coco.image_row(scene, number, name)]
    yield "coco_instances", coco.instance_rows(scene, number, visible_masks(scene))
    yield "coco_captions", coco.caption_rows(coco_captions(scene, draws(_CAPTIONS)), number)
    yield "vg_image_data", [vg.image_row(scene, number, image.path)]
    writers: dict[str, Callable[[Scene, int], dict[str, Any]]] = {
        "scene_graphs": vg.scene_graph_row,
        "attributes": vg.attributes_row,
        "relationships": vg.relationships_row,
        "region_descriptions": vg.regions_row,
    }
    for key, write in writers.items():
        yield f"vg_{key}", [write(scene, number)]


def _save_image(path: Path, world: World, scene: Scene) -> str:
    """Write the picture without loss, compressed lightly.

    Returns:
        The SHA-256 of the file.
    """
    buffer = io.BytesIO()
    Image.fromarray(world.render(scene)).save(buffer, "PNG", compress_level=1)
    content = buffer.getvalue()
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()
