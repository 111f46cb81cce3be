"""Strict readers, prompts in files, and contexts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_builders.frames import Frame
from data_builders.prompted import contexts
from data_builders.prompted.offline import _blocks
from data_builders.prompted.parsing import json_object, number, question_blocks, tagged, text_list, truth
from data_builders.prompted.prompts import SHIPPED, Prompts
from data_builders.readers import read_annotations
from data_builders.scenes import Relation, Scene, SceneObject
from data_builders.teachers.base import UnusableError
from mmtune.errors import UserError

WORDS = (
    st.text(
        st.characters(codec="utf-8", exclude_characters="=\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), min_size=1
    )
    .map(str.strip)
    .filter(lambda text: bool(text) and "Question:" not in text)
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5))
def test_blocks_are_read_back_as_they_were_written(pairs: list[tuple[str, str]]):
    assert question_blocks(_blocks(pairs)) == pairs


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sure! Here are some questions:\n\nQuestion:\na\n===\nAnswer:\nb",
        "Question:\na\n===\nAnswer:\n",
        "Question:\n\n===\nAnswer:\nb",
        "Question: a\n===\nAnswer: b",
        "Question:\na\n===\nAnswer:\nb\n===\n",
        "Question:\na\n===\nAnswer:\nb\n===\nQuestion:\nc",
        "Question:\na\n===\nAnswer:\nb\n===\nAnswer:\nc",
        "Answer:\nb\n===\nQuestion:\na",
    ],
)
def test_other_forms_of_blocks_are_refused(text: str):
    with pytest.raises(UnusableError):
        question_blocks(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"a": 1',
        '```json\n{"a": 1, "b": 2}\n```',
        '{"a": 1}',
        '{"a": 1, "b": 2, "c": 3}',
        "null",
        '{"a": 1, "b": 2, "b": 3}',
        '{"a": {"x": 1, "x": 2}, "b": 2}',
        "[" * 200_000,
    ],
)
def test_other_json_is_refused(text: str):
    with pytest.raises(UnusableError):
        json_object(text, ["a", "b"])


def test_values_are_not_bent_into_shape():
    for wrong in (lambda: truth("yes"), lambda: truth(1), lambda: number(True, 0, 9), lambda: number("3", 0, 9),
                  lambda: number(10, 0, 9), lambda: text_list("a", 1, 3), lambda: text_list(["a", "A"], 1, 3),
                  lambda: text_list(["a", ""], 1, 3), lambda: text_list([], 1, 3)):  # fmt: skip
        with pytest.raises(UnusableError):
            wrong()
    assert text_list([" a ", "b"], 1, 3) == ["a", "b"]


def test_tags_once_each_in_order_and_nothing_outside():
    tags = ("A", "B")
    assert tagged(" <A> one </A>\n<B>two < three</B> ", tags) == {"A": "one", "B": "two < three"}
    for wrong in ("<A>1</A>", "<B>2</B><A>1</A>", "<A>1</A><B>2</B>!", "<A>1</A><A>1</A><B>2</B>", "<A></A><B>2</B>",
                  "<A>1<B>2</B></A>", "<A>1</A><B>2</B><B>3</B>", "<a>1</a><b>2</b>"):  # fmt: skip
        with pytest.raises(UnusableError):
            tagged(wrong, tags)


def test_prompts_of_ones_own_stand_in_for_those_that_ship(tmp_path: Path):
    (tmp_path / "llava_conversation.md").write_text("## system\nBe {{ captions }}.\n## user\nNow.\n")
    own = Prompts(tmp_path)
    assert own.render("llava_conversation", {"captions": "brief"}) == [
        ("system", "Be brief."),
        ("user", "Now."),
    ]
    assert own.sha256 != Prompts().sha256
    assert own.render("llavar", {"first": "a", "second": "b", "about": ""}) == Prompts().render(
        "llavar", {"first": "a", "second": "b", "about": ""}
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("## user\n{{ caption }}", "'caption' is undefined"),
        ("## user\n{% if %}", "cannot be filled in"),
        ("## user\n{{ ''.__class__.__mro__ }}", "cannot be filled in"),
        ("no sections", "no '## user' section"),
        ("## user\na\n## assistant\nb", "does not end with a user section"),
    ],
)
def test_mistakes_in_prompts_are_told_with_their_file(text: str, said: str, tmp_path: Path):
    (tmp_path / "llava_conversation.md").write_text(text)
    with pytest.raises(UserError, match=r"llava_conversation\.md") as error:
        Prompts(tmp_path).render("llava_conversation", {"captions": "a"})
    assert said in str(error.value)


def test_files_that_replace_nothing_are_refused(tmp_path: Path):
    (tmp_path / "llava_conversations.md").touch()
    with pytest.raises(UserError, match=r"did you mean 'llava_conversation\.md'"):
        Prompts(tmp_path)


def test_examples_of_llava_are_as_many_as_in_the_paper():
    """Two for conversations, as the few-shots of the original; examples alternate and end before the question."""
    counts = {path.stem: path.read_text().count("\n## assistant\n") for path in SHIPPED.glob("llava_*.md")}
    assert counts["llava_conversation"] == 2
    for name in ("llava_conversation", "llava_detail", "llava_reasoning", "llavar"):
        facts = {"captions": "x", "boxes": "y", "first": "a", "second": "b", "about": ""}
        roles = [role for role, _ in Prompts().render(name, facts)]
        assert roles == ["system", *["user", "assistant"] * (len(roles) // 2 - 1), "user"]


SCENE = Scene(
    "s", None, 200, 100,
    (
        SceneObject("1", "word", (150, 40, 180, 50), text="9 am"),
        SceneObject("2", "word", (0, 42, 60, 52), text="Monday"),
        SceneObject("3", "word", (50, 0, 100, 10), text="HOURS"),
        SceneObject("4", "dog", (-10, 20, 100, 120), ("brown",)),
    ),
    (Relation("4", "near", "2"),),
    captions=("A  board\nwith hours.", " "),
)  # fmt: skip


def test_contexts_are_written_as_llava_writes_them():
    assert contexts.captions(SCENE) == "A board with hours."
    assert contexts.boxes(SCENE).splitlines()[0] == "word: [0.75, 0.4, 0.9, 0.5]"
    assert contexts.boxes(SCENE).splitlines()[3] == "dog: [0, 0.2, 0.5, 1]"
    assert contexts.text_lines(SCENE) == ["HOURS", "9 am", "Monday"]
    assert contexts.objects(SCENE).splitlines()[-2:] == [
        "dog 4 (brown): [0, 0.2, 0.5, 1]",
        "dog 4 is near word 2",
    ]


def test_boxes_are_shares_of_the_image_whatever_frame_they_are_in(tmp_path: Path):
    image = replace(SCENE, relations=())
    for frame in (Frame(padded=True), Frame(size=(50, 50)), Frame(True, (336, 336))):
        assert contexts.boxes(image.in_frame(frame)) == contexts.boxes(image)
    # LLaVA's own contexts: shares already, and no image at hand to tell their size.
    row = {"id": "a", "image": "a.jpg", "captions": ["A dog."]}
    path = tmp_path / "context.jsonl"
    path.write_text(json.dumps({**row, "instances": [{"category": "dog", "bbox": [0.25, 0, 0.5, 1]}]}))
    (scene,) = read_annotations([path])
    assert contexts.boxes(scene) == "dog: [0.25, 0, 0.5, 1]"
    with pytest.raises(UserError, match="size, which is not known"):
        contexts.boxes(replace(image, width=0, height=0))


def test_writing_without_places_is_read_as_it_is_given():
    """LLaVAR's context, which names the lines and not where they are."""
    lines = Scene("t", None, 0, 0, captions=("A sign.",), texts=("Zoo", "9 am"))
    assert contexts.text_lines(lines) == ["Zoo", "9 am"]
    assert contexts.page(lines) == "Zoo\n9 am"


def test_a_page_keeps_side_by_side_what_stands_so():
    assert contexts.page(SCENE).splitlines() == ["          HOURS", "Monday                        9 am"]


def test_what_is_missing_is_said():
    bare = Scene("b", None, 10, 10)
    for read in (contexts.captions, contexts.boxes, contexts.text_lines, contexts.known, contexts.page):
        with pytest.raises(UserError, match="scene 'b'"):
            read(bare)
    assert contexts.known(bare, seen=True) == ""
