"""Planted leaks: crops, new encodings, and questions in other case and punctuation."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from data_builders.curate.benchmark_items import BenchmarkItem
from data_builders.curate.decontaminate import RULES, DecontaminationSettings, find_leaks
from data_builders.engines import get_engine
from mmtune.errors import UserError
from tests.planted import plant

LOCAL = get_engine("local")
ANSWER = {"from": "gpt", "value": "It."}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return plant(tmp_path_factory.mktemp("planted") / "data", 40)


def items(planted):
    return [BenchmarkItem("bench", name, image, planted.root, asked) for name, image, asked in planted.items]


@pytest.fixture(scope="module")
def leaks(planted):
    """What is found with the settings as they are."""
    return find_leaks(planted.file, items(planted), DecontaminationSettings(planted.root), LOCAL)


def test_recall_and_precision_of_planted_leaks(planted, leaks):
    found = leaks
    assert found.rows == len(planted.rows)
    hits = found.dropped & planted.leaks
    assert len(hits) >= 0.98 * len(planted.leaks)
    assert len(hits) >= 0.98 * len(found.dropped)
    for leak in found.leaks:
        if leak.dropped and leak.row in planted.leaks:
            assert leak.item == f"i{leak.row // 4}"
            assert leak.turn == 0
            assert leak.difference is not None and leak.window is not None


def test_rules_say_what_is_dropped_and_the_list_says_all(planted, leaks):
    image_alone = DecontaminationSettings(planted.root, "image")
    by_rule = {"both": leaks, "image": find_leaks(planted.file, items(planted), image_alone, LOCAL)}
    kinds = [[leak.kind for leak in found.leaks] for found in by_rule.values()]
    assert kinds[0] == kinds[1]
    both, image = (by_rule[rule].dropped for rule in ("both", "image"))
    assert both < image
    question = {leak.row for leak in by_rule["both"].leaks if leak.kind in RULES["question"]}
    assert both < question
    found = {leak.row for leak in by_rule["both"].leaks if leak.kind in RULES["either"]}
    assert found == image | question
    # Rows 4n + 2 show an item's picture and ask something else.
    assert len([row for row in image - both if row % 4 == 2]) >= 0.98 * 40


def test_an_image_that_many_benchmarks_share_is_found_for_each(tmp_path):
    picture = Image.effect_noise((64, 64), 80).resize((200, 200)).convert("RGB")
    roots = [tmp_path / f"bench{number}" for number in range(12)]
    for root in roots:
        root.mkdir()
        picture.save(root / "1.png")
    turns = [{"from": "human", "value": "<image>\nWhat is 11?"}, ANSWER]
    (roots[0] / "rows.jsonl").write_text(json.dumps({"id": "a", "image": "1.png", "conversations": turns}))
    shared = [BenchmarkItem(f"b{n}", "i", "1.png", root, f"What is {n}?") for n, root in enumerate(roots)]
    found = find_leaks(roots[0] / "rows.jsonl", shared, DecontaminationSettings(roots[0]), LOCAL)
    assert found.dropped == {0}
    assert [leak.benchmark for leak in found.leaks] == [item.benchmark for item in shared]


def test_captions_of_held_out_images_are_leaks(tmp_path):
    for name in ("1.png", "2.png"):
        Image.effect_noise((64, 64), 80).resize((200, 200)).convert("RGB").save(tmp_path / name)
    rows = [
        {"id": name, "image": image, "conversations": [{"from": "human", "value": asks}, ANSWER]}
        for name, image, asks in (
            ("same", "1.png", "<image>"),
            ("asks", "1.png", "<image>\nWhat is it?"),
            ("other", "2.png", "<image>"),
        )
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    for asked in ("", "<image>"):
        held_out = [BenchmarkItem("captions", "i", "1.png", tmp_path, asked)]
        found = find_leaks(tmp_path / "rows.jsonl", held_out, DecontaminationSettings(tmp_path), LOCAL)
        assert [(leak.id, leak.kind, leak.dropped) for leak in found.leaks] == [
            ("same", "image and question", True),
            ("asks", "image", False),
        ]


def test_two_processes_find_the_same_leaks(planted):
    settings = DecontaminationSettings(planted.root)
    some = items(planted)[:8]
    alone = find_leaks(planted.file, some, settings, LOCAL)
    assert find_leaks(planted.file, some, settings, get_engine("processes", 2)) == alone


def test_items_without_an_image_and_images_that_are_gone(planted, tmp_path):
    row = {
        "id": "t",
        "conversations": [{"from": "human", "value": "Who painted it?"}, {"from": "gpt", "value": "I."}],
    }
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps({**row, "id": "u", "image": "gone.png"}) + "\n")
    bench = [
        BenchmarkItem("text", "1", None, tmp_path, "who PAINTED it"),
        BenchmarkItem("lost", "2", "lost.png", tmp_path, "Where?"),
    ]
    with pytest.raises(UserError, match=r"not one of the 1 images of lost can be read; .*'lost.png'"):
        find_leaks(path, bench, DecontaminationSettings(tmp_path), LOCAL)
    assert find_leaks(path, bench, DecontaminationSettings(tmp_path, "question"), LOCAL).benchmark_problems
    Image.new("RGB", (20, 20)).save(tmp_path / "there.png")
    bench.append(BenchmarkItem("lost", "3", "there.png", tmp_path, "Why?"))
    found = find_leaks(path, bench, DecontaminationSettings(tmp_path), LOCAL)
    assert [(leak.id, leak.item, leak.kind) for leak in found.leaks] == [("t", "1", "image and question")]
    assert [problem.id for problem in found.problems] == ["u"]
    assert [one.place for one in found.benchmark_problems] == ["lost, image lost.png"]
    assert found.benchmark_images == {"lost": 2}
    with pytest.raises(UserError, match="no items"):
        find_leaks(path, [], DecontaminationSettings(tmp_path), LOCAL)


def test_similar_questions_count_where_it_is_asked_for(planted, tmp_path):
    asked = "What is the colour of the small car beside the old house?"
    row = {"id": "t", "conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": "I."}]}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    bench = [BenchmarkItem("text", "1", None, tmp_path, asked.replace("the old", "that old"))]
    assert find_leaks(path, bench, DecontaminationSettings(tmp_path), LOCAL).leaks == []
    near = DecontaminationSettings(tmp_path, similarity=0.7)
    assert len(find_leaks(path, bench, near, LOCAL).leaks) == 1
