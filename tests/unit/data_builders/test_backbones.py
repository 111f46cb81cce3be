"""The embedded backbones: what is stored, how it is made, and the pictures that it is made of."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from data_builders.miniworld import World
from data_builders.miniworld.backbones import BACKBONES
from data_builders.miniworld.backbones.__main__ import main, objects_at
from data_builders.miniworld.backbones.captions import contrastive_caption
from data_builders.miniworld.backbones.corpus import documents
from data_builders.miniworld.backbones.image_text import caption_loss, contrastive_loss, curriculum
from data_builders.miniworld.backbones.language_model import collate, length_batches
from data_builders.miniworld.backbones.variants import variants, with_fewer

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


def test_curriculum_begins_with_single_objects_and_ends_with_all() -> None:
    assert curriculum(0.0, 1000) == 150
    assert curriculum(1.0, 1000) == 1000
    assert [objects_at(place) for place in (0.0, 0.2, 0.4, 0.9)] == [1, 2, 3, 5]


def test_contrastive_loss_is_clips() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(6, 8, generator=torch.manual_seed(0)), dim=-1)
    loss, accuracy = contrastive_loss(vectors, vectors, torch.tensor(50.0))
    logits = 50.0 * vectors @ vectors.T
    assert torch.allclose(loss, torch.nn.functional.cross_entropy(logits, torch.arange(6)))
    assert accuracy == 1.0


def test_caption_loss_counts_the_end_and_nothing_behind_it() -> None:
    from data_builders.miniworld.backbones.image_text import build_decoder

    torch.manual_seed(0)
    decoder = build_decoder(20, 16)
    patches = torch.randn(1, 3, 16)
    ids = torch.tensor([[4, 5, 19, 1, 1]])
    other = torch.tensor([[4, 5, 19, 7, 8]])
    assert torch.equal(caption_loss(decoder, patches, ids, 19), caption_loss(decoder, patches, other, 19))
    words = decoder.get_input_embeddings()(ids[:, :2])
    logits = decoder(inputs_embeds=torch.cat([patches, words], dim=1)).logits[0, 2:]
    assert torch.allclose(
        caption_loss(decoder, patches, ids, 19), torch.nn.functional.cross_entropy(logits, ids[0, :3])
    )


def test_batches_of_like_length_hold_every_document_once() -> None:
    texts = [([1] * n, [True] * n) for n in (3, 9, 4, 8, 2, 7)]
    batches = length_batches(texts, tokens=16, seed=0)
    assert sorted(i for batch in batches for i in batch) == list(range(6))
    ids, weights = collate([texts[0], texts[1]], pad=0)
    assert ids.shape == (2, 9) and weights.shape == (2, 8)
    assert float(weights[0].sum()) == 2.0


def test_documents_hold_no_image_and_something_to_learn() -> None:
    from mmtune.templates.segments import TextSegment

    for segments in documents(World(seed=9), 30):
        assert all(isinstance(segment, TextSegment) for segment in segments)
        assert any(segment.supervised for segment in segments)


def test_building_twice_gives_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_builders.miniworld.backbones.__main__.TOKENIZER_DOCUMENTS", 50)
    small = ["--groups", "430", "--image-text-steps", "2", "--documents", "40", "--language-steps", "2"]
    digests = []
    for name in ("one", "two"):
        main([*small, "--out", str(tmp_path / name)])
        builds = [
            json.loads((tmp_path / name / p / "build.json").read_text()) for p in ("image_text", "language")
        ]
        digests.append([build["sha256"] for build in builds])
    assert digests[0] == digests[1]
