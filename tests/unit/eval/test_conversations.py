"""Questions with several images, earlier turns or no image at all, for every kind of model."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.answered import Answered
from eval.asking import Ask, derange, plan_asks, strangers
from eval.backends import Answer, Opening, open_backend
from eval.backends.checkpoint import request
from eval.conversations import check, conversation, without_images
from eval.runner import evaluate
from eval.tasks import Item, TaskConfig, build_tasks
from mmtune.errors import UserError
from tests.endpoints import Server, serve
from tests.tiny_checkpoint import tiny_checkpoint
from tests.unit.eval.conftest import write_world

TWO = ("a.png", "b.png")
HISTORY = (("What is it?", "A cup."),)


def ask(text="So?", images=(), history=(), root="r", **settings):
    return Ask(root, next(iter(images), ""), text, 3, images=images, history=history, **settings)


def texts(asked):
    return [turn.text for turn in request(asked).turns]


def test_an_item_has_its_image_or_several_of_which_it_is_the_first():
    assert Item("1", "a.png", "So?").images == ("a.png",)
    assert Item("1", "", "So?").images == () == ask().images
    assert Item("1", "a.png", "So?", images=TWO).images == TWO
    for kind in (lambda: Item("1", "b.png", "So?", images=TWO), lambda: Ask("r", "", "So?", 3, images=TWO)):
        with pytest.raises(ValueError, match="not the first"):
            kind()


@pytest.mark.parametrize(
    ("asked", "turns"),
    [
        (ask(), ["So?"]),
        (ask(images=("a.png",)), ["<image>\nSo?"]),
        (ask(images=TWO), ["<image>\n<image>\nSo?"]),
        (ask("Is <image> or <image>?", TWO), ["Is <image> or <image>?"]),
        (ask(images=("a.png",), history=HISTORY), ["<image>\nWhat is it?", "A cup.", "So?"]),
        (ask("And <image>?", ("a.png",), HISTORY), ["What is it?", "A cup.", "And <image>?"]),
        (ask("Why?", TWO, (("<image> and <image>", "Yes"),)), ["<image> and <image>", "Yes", "Why?"]),
    ],
)
def test_images_stand_where_they_are_placed_and_first_where_they_are_not(asked, turns):
    assert texts(asked) == turns
    check(asked, conversation(asked))
    assert len(request(asked).images) == len(request(asked).keys) == len(asked.images)
    assert sum(said.pieces().count(None) for said in conversation(asked)) == len(asked.images)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(["Is it?", " <image>", "\n", "<image", "<image>"]), max_size=6),
    st.integers(0, 3),
)
def test_every_kind_of_model_is_told_the_same_texts_and_images(words, number):
    text = "".join(words)
    asked = ask(text, tuple(f"{n}.png" for n in range(number)), HISTORY)
    turns = conversation(asked)
    places = text.count("<image>")
    assert sum(said.images for said in turns) == (places or number)
    for said, turn in zip(turns, request(asked).turns, strict=True):
        pieces = said.pieces()
        assert pieces.count(None) == said.images == turn.text.count("<image>")
        told = "".join(piece or "" for piece in pieces)
        assert "".join(told.split()) == "".join(said.text.replace("<image>", "").split())


def test_what_a_model_said_before_places_no_image():
    asked = ask(images=("a.png",), history=(("Write it.", "<image>"),))
    assert texts(asked) == ["<image>\nWrite it.", "<image>", "So?"]


def test_a_question_without_its_image_has_no_place_for_one():
    item = Item("1", "a.png", "<image>\nIs <image> red?", images=TWO, history=(("<image>\nHello", "Hi"),))
    blind = without_images(item)
    assert (blind.image, blind.images, blind.history) == ("", (), (("Hello", "Hi"),))
    assert blind.question == "Is  red?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from mmtune.cli import main

    folder = tmp_path_factory.mktemp("conversations")
    tiny_checkpoint(folder)
    write_world(folder / "world", images=3)
    assert main(["export", str(folder / "checkpoint"), "--naming", "hub", "--out", str(folder / "hub")]) == 0
    return folder


def many(folder):
    root = str(folder / "world" / "images")
    names = tuple(f"COCO_val2014_{number:012d}.png" for number in (1, 2, 3))
    return [
        ask("What colour?", names[:2], root=root),
        ask("What colour is the image?", names[:1], root=root, history=(("Is there a cup?", "Yes"),)),
        ask("What colour is it?", names, (("Is it red?", "No"),), root=root),
        ask("<image>", names[:2], root=root),
        ask("Is it?", ("none.png", names[1]), root=root),
        ask("Is there a very large cup?", (), (("Is there a cup?", "Yes"),)),
    ]


def test_checkpoints_and_models_of_transformers_answer_alike(folder):
    said = []
    for place in (str(folder / "checkpoint"), f"hf:{folder / 'hub'}"):
        found = dict(open_backend(place, Opening("cpu", batch_size=4)).ask(many(folder)))
        assert [isinstance(found[n], Answer) for n in range(6)] == [True, True, True, False, False, True]
        assert "1 <image> placeholder and 2 images" in str(found[3])
        said.append([" ".join(found[n].text.split()) for n in (0, 1, 2, 5)])
    assert said[0] == said[1]


def test_an_endpoint_gets_every_image_in_its_place_and_every_turn(folder):
    root = str(folder / "world" / "images")
    names = tuple(f"COCO_val2014_{number:012d}.png" for number in (1, 2))
    asks = [ask("Is <image> like <image>?", names, HISTORY, root=root), ask("<image>", names, root=root)]
    with serve(Server()) as server:
        found = dict(open_backend(f"openai:{server.url}#tiny", Opening(batch_size=1)).ask(asks))
    assert isinstance(found[0], Answer) and isinstance(found[1], UserError)
    (body,) = server.bodies
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert [message["content"] for message in body["messages"][:2]] == ["What is it?", "A cup."]
    parts = body["messages"][2]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url", "text", "image_url", "text"]
    assert [part["text"] for part in parts if part["type"] == "text"] == ["Is ", " like ", "?"]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    assert len(set(urls)) == 2


def test_answers_are_known_by_all_images_and_turns(folder):
    root = str(folder / "world" / "images")
    one, two, three = (f"COCO_val2014_{number:012d}.png" for number in (1, 2, 3))
    asks = [
        ask(images=images, history=history, root=root)
        for images in ((), (one,), (one, two), (two, one), (one, three))
        for history in ((), HISTORY)
    ]
    with Answered(folder, {"weights": "w"}) as answered:
        for number, asked in enumerate(asks):
            answered.put(asked, Answer(str(number), "stop"))
        answered.put(ask(images=(one, "none.png"), root=root), Answer("lost", "stop"))
    again = Answered(folder, {"weights": "w"})
    again.read()
    assert [again.get(asked).text for asked in asks] == [str(number) for number in range(len(asks))]
    assert again.get(ask(images=(one, "none.png"), root=root)) is None


def test_the_blind_baseline_shows_other_images_in_every_place(world):
    (task,) = build_tasks([world.configs["pope"]]).values()
    names = [world.file(number) for number in range(1, 9)]
    items = [
        Item(str(n), names[2 * n], "So?", images=tuple(names[2 * n : 2 * n + 2]), history=HISTORY)
        for n in range(4)
    ]
    asks = plan_asks({"pope": task}, {"pope": items}, blind=True, seed=0)
    assert len(asks) == 8
    for asked, waiting in asks.items():
        (one,) = waiting
        assert asked.images == one.shown and asked.history == HISTORY
        assert all((a != b) == one.blind for a, b in zip(asked.images, one.item.images, strict=True))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(st.lists(st.sampled_from("abcdefg"), max_size=4), max_size=6),
    st.integers(0, 5),
)
def test_the_blind_baseline_shows_none_of_an_items_own_images_in_any_place(items, seed):
    """With one cycle through all images, an item's second image often follows on its first."""
    every = [image for item in items for image in item]
    other = derange(every, seed)
    for item in items:
        shown = strangers(item, other)
        if item and len(set(every)) >= 2 * len(set(item)):
            assert len(shown) == len(item)
        assert not set(shown) & set(item)
        assert len(set(shown)) == len(set(item)) or not shown


def test_rows_tell_all_images_and_turns_and_text_alone_needs_no_folder(world, seeing, tmp_path):
    (task,) = build_tasks([TaskConfig("pope", world.configs["pope"].annotations, "nowhere")]).values()
    items = [Item(str(n), "", "Is there a cup?", "yes", history=HISTORY) for n in range(3)]
    found = evaluate(seeing, {task.name: task}, tmp_path, items={task.name: items}, resamples=10)
    assert found["tasks"][task.name]["n"] == 3
    rows = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert [row["history"] for row in rows] == [[["What is it?", "A cup."]]] * 3
    assert all(row["image"] == "" and "images" not in row for row in rows)
