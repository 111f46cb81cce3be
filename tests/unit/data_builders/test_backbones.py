"""The embedded backbones: what is stored, how it is made, and the pictures that it is made of."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch

from data_builders.draws import Draws
from data_builders.miniworld import World
from data_builders.miniworld.backbones import BACKBONES
from data_builders.miniworld.backbones.captions import contrastive_caption
from data_builders.miniworld.backbones.corpus import NOTHING as NOTHING_TOLD
from data_builders.miniworld.backbones.corpus import PHASES, documents, drill, told_scene
from data_builders.miniworld.backbones.grounding import IGNORED, NOTHING, TEXTS, Heads, targets
from data_builders.miniworld.backbones.image_text import contrastive_loss
from data_builders.miniworld.backbones.language_model import collate, embed, length_batches, positions
from data_builders.miniworld.backbones.optimiser import Muon, Optimiser, orthogonal
from data_builders.miniworld.backbones.variants import CrowdedWorld, variants, with_fewer
from data_builders.miniworld.vocabulary import CLASSES, COLORS
from mmtune.templates.segments import ImageSegment, TextSegment

MEGABYTE = 1_000_000


@pytest.mark.parametrize("part", ["image_text", "language"])
def test_stored_weights_are_those_of_the_log(part: str) -> None:
    build = json.loads((BACKBONES / part / "build.json").read_text())
    for name, digest in build["sha256"].items():
        assert hashlib.sha256((BACKBONES / part / name).read_bytes()).hexdigest() == digest
    curve = [json.loads(line) for line in (BACKBONES / part / "training.jsonl").read_text().splitlines()]
    assert curve[-1]["step"] == build["steps"]


def test_backbones_are_small() -> None:
    assert sum(file.stat().st_size for file in BACKBONES.rglob("*") if file.is_file()) <= 12 * MEGABYTE


def test_stored_image_text_model_tells_a_picture_from_its_variant() -> None:
    import open_clip

    name = f"local-dir:{BACKBONES / 'image_text'}"
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    tokenizer = open_clip.get_tokenizer(name)
    from PIL import Image

    world, rng = World(split="test"), np.random.default_rng(0)
    right = total = 0
    for index in range(40):
        pair = variants(with_fewer(world.scene(index), 2, rng), 2, rng, split="test")
        pixels = torch.stack([preprocess(Image.fromarray(world.render(scene))) for scene in pair])
        ids = tokenizer([contrastive_caption(scene, rng) for scene in pair])
        with torch.inference_mode():
            image = model.eval().encode_image(pixels, normalize=True)
            text = model.encode_text(ids, normalize=True)
        right += int(((image @ text.T).argmax(1) == torch.arange(2)).sum())
        total += 2
    assert right / total > 0.75  # chance is 0.5


def test_variants_differ_from_their_scene_in_what_a_caption_tells() -> None:
    world, rng = World(), np.random.default_rng(0)
    for index in range(60):
        scene = world.scene(index)
        first, *others = variants(scene, 4, rng)
        assert first == scene
        for other in others:
            told = [contrastive_caption(s, np.random.default_rng(1)) for s in (scene, other)]
            assert told[0] != told[1] or scene.objects != other.objects
            for item in other.objects:
                left, top, right, bottom = item.box_xyxy
                assert left >= 0 and top >= 0 and right <= scene.width and bottom <= scene.height
            assert (world.render(other) != world.render(scene)).any()


def test_fewer_objects_keep_their_relations() -> None:
    scene = World().scene(3)
    small = with_fewer(scene, 2, np.random.default_rng(0))
    assert len(small.objects) == 2
    assert {r.subject for r in small.relations} | {r.object for r in small.relations} <= {
        item.id for item in small.objects
    }


def test_crowded_pictures_are_full_and_have_much_to_read() -> None:
    world = CrowdedWorld(seed=3)
    objects = [item for index in range(80) for item in world.scene(index).objects]
    assert len(objects) > 80 * 3.8
    assert sum(item.text is not None for item in objects) > 0.3 * len(objects)


def test_targets_stand_at_the_patch_of_the_centre() -> None:
    scene = CrowdedWorld(seed=3).scene(1)
    labels = targets([scene], 6)
    assert int((labels[0, :, 0] != NOTHING).sum()) == len(scene.objects)
    for item in scene.objects:
        x, y = item.center
        name, color, _, text, column, line = labels[0, int(y // 16) * 6 + int(x // 16)].tolist()
        assert CLASSES[name - 1] == item.name and list(COLORS)[color] == item.attributes[0]
        assert (text == IGNORED) if item.text is None else (TEXTS[text] == item.text)
        assert column <= 9 * x / 96 < column + 1 and line <= 9 * y / 96 < line + 1


def test_heads_learn_what_the_patches_tell() -> None:
    labels = targets([CrowdedWorld(seed=3).scene(index) for index in range(8)], 6)
    torch.manual_seed(0)
    patches, heads = torch.randn(8, 36, 64), Heads(64)
    optimiser = torch.optim.Adam(heads.parameters(), lr=0.05)
    first, _ = heads(patches, labels)
    for _ in range(150):
        loss, shares = heads(patches, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.3 * float(first.detach())
    assert set(shares) == {"class", "color", "size", "text", "column", "line"} and min(shares.values()) > 0.9


@pytest.mark.parametrize("shape", [(8, 24), (24, 8), (16, 16)])
def test_orthogonal_brings_singular_values_near_one(shape: tuple[int, int]) -> None:
    found = torch.linalg.svdvals(orthogonal(torch.randn(shape, generator=torch.manual_seed(0))))
    assert float(found.min()) > 0.5 and float(found.max()) < 1.3


def test_muon_takes_the_matrices_of_the_blocks_and_adamw_the_rest() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Embedding(5, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 3))
    optimiser = Optimiser([model[1]], model.parameters(), lr=0.1, weight_decay=0.0)
    muon, adamw = optimiser._parts
    assert isinstance(muon, Muon)
    assert [p is model[1].weight for group in muon.param_groups for p in group["params"]] == [True]
    assert sum(len(group["params"]) for group in adamw.param_groups) == 4
    before = model[1].weight.detach().clone()
    model(torch.tensor([1])).sum().backward()
    optimiser.step(0.1)
    change = model[1].weight.detach() - before
    # The gradient of one sample has rank one; its update keeps the direction at AdamW's usual size.
    assert 0.5 < float(torch.linalg.svdvals(change)[0]) / (0.1 * 0.2 * 8**0.5) < 1.3
    assert all(p.grad is None for p in model.parameters())


def test_contrastive_loss_is_clips() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(6, 8, generator=torch.manual_seed(0)), dim=-1)
    loss, accuracy = contrastive_loss(vectors, vectors, torch.tensor(50.0))
    logits = 50.0 * vectors @ vectors.T
    assert torch.allclose(loss, torch.nn.functional.cross_entropy(logits, torch.arange(6)))
    assert accuracy == 1.0


def test_a_told_scene_settles_where_things_stand() -> None:
    world, told_scenes = World(seed=9), 0
    for index in range(60):
        scene = world.scene(index)
        told = told_scene(scene, 6)
        if told is None:
            continue
        told_scenes += 1
        assert len(told) == 36 and sum(words != NOTHING_TOLD for words in told) == len(scene.objects)
        squares = {}
        for item in scene.objects:
            (x, y), side = item.center, scene.width
            column, line, *words = told[int(6 * y / side) * 6 + int(6 * x / side)].split()
            assert (column, line) == ("ABCDEFGHI"[int(9 * x / side)], "JKLMNOPQR"[int(9 * y / side)])
            assert words[-1] == item.name and item.attributes[0] in words
            squares[item.id] = (column, line)
        for relation in scene.relations:
            one, two = squares[relation.subject], squares[relation.object]
            if relation.predicate == "left of":
                assert one[0] < two[0]
            if relation.predicate == "above":
                assert one[1] < two[1]
    assert told_scenes > 40


def test_words_of_a_patch_share_one_position() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(BACKBONES / "language")
    for document in documents(World(seed=9), 10, PHASES[-1]):
        bags, supervised = positions(document, tokenizer)
        plain = tokenizer.decode([bag[0] for bag, answer in zip(bags, supervised, strict=True) if answer])
        assert plain == "".join(s.text for s in document.segments if getattr(s, "supervised", False))
        start = next(n for n in range(len(bags)) if tokenizer.decode(bags[n]) == f" {document.told[0]}")
        told = tuple(tokenizer.decode(bag).strip() for bag in bags[start : start + 36])
        assert told == document.told


def test_bags_are_embedded_as_the_sum_of_their_tokens() -> None:
    table = torch.randn(6, 4, generator=torch.manual_seed(0))
    found = embed([[2], [0, 3, 3], [5, 1]], table)
    assert torch.allclose(found, torch.stack([table[2], table[0] + 2 * table[3], table[5] + table[1]]))


def test_batches_of_like_length_hold_every_document_once() -> None:
    texts = [([[1]] * n, [True] * n) for n in (3, 9, 4, 8, 2, 7)]
    batches = length_batches(texts, tokens=16, seed=0)
    assert sorted(i for batch in batches for i in batch) == list(range(6))
    bags, ids, weights = collate([([[1], [2, 3], [4]], [False, False, True]), ([[5], [6]], [False, True])], 0)
    assert bags == [[1], [2, 3], [4], [5], [6], [0]]
    assert ids.tolist() == [[2, 4], [6, 0]]
    assert weights.tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_drills_tell_the_truth() -> None:
    world, checked = World(seed=9), 0
    for index in range(60):
        scene = world.scene(index)
        segments = drill(scene, Draws(1, index))
        for key, value in zip(segments[0::3], segments[1::3], strict=True):
            assert value.supervised and not key.supervised
            words = key.text.split()
            if words[0] == "any":
                assert value.text.strip() == ("yes" if scene.of_class(words[1]) else "no")
            elif words[0].endswith("s") and words[0][:-1] in CLASSES:
                assert int(value.text) == len(scene.of_class(words[0][:-1]))
            elif words[0] == "more":
                one, two = (len(scene.of_class(name[:-1])) for name in words[1:])
                assert value.text.strip() == ("yes" if one > two else "no")
            elif words[0] in ("larger", "smaller") and len(words) == 3:
                sizes = {name: scene.of_class(name)[0].attributes[1] for name in words[1:]}
                assert sizes[value.text.strip()] == {"larger": "large", "smaller": "small"}[words[0]]
            elif len(words) == 3 and words[0] in ("side", "left", "right") and {*words[1:]} <= {*CLASSES}:
                one, two = (scene.of_class(name)[0].center[0] for name in words[1:])
                side = "left" if one < two else "right"
                told = side if words[0] == "side" else ("yes" if side == words[0] else "no")
                assert value.text.strip() == told
            elif len(words) == 2 and words[0] in ("color", "text"):
                (item,) = scene.of_class(words[1])
                assert value.text.strip() == (item.attributes[0] if words[0] == "color" else item.text)
            else:
                continue
            checked += 1
    assert checked > 400


def test_later_phases_have_fuller_scenes() -> None:
    most = []
    for phase in PHASES:
        told = [document.told for document in documents(World(seed=9), 60, phase)]
        most.append(max(sum(words != NOTHING_TOLD for words in patches) for patches in told))
        assert most[-1] <= phase.objects
    assert most == sorted(most)
    assert sum(phase.steps for phase in PHASES) == pytest.approx(1)


def test_documents_have_one_told_scene_and_something_to_learn() -> None:
    for document in documents(World(seed=9), 30, PHASES[-1]):
        assert sum(isinstance(segment, ImageSegment) for segment in document.segments) == 1
        assert any(segment.supervised for segment in document.segments if isinstance(segment, TextSegment))
