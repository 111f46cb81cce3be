"""The page draws boxes where they are, names evidence, marks changes, and runs nothing of a stranger's."""

from __future__ import annotations

import html.parser
import json

import pytest
from PIL import Image

from data_builders.browse import differences, write_page
from data_builders.scenes import Scene, SceneObject
from mmtune.errors import UserError
from mmtune.records import ImageRef


class Tags(html.parser.HTMLParser):
    """All tags with their attributes, and the text of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def of_class(self, name):
        return [attrs for _, attrs in self.tags if name in (attrs.get("class") or "").split()]


def row(record_id, question="What is it?", answer="A cat.", **more):
    turns = [{"from": "human", "value": f"<image>\n{question}"}, {"from": "gpt", "value": answer}]
    return {"id": record_id, "image": "a.png", "conversations": turns, **more}


def write(path, rows):
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in rows))
    return path


@pytest.fixture
def folder(tmp_path):
    Image.new("RGB", (200, 100), "teal").save(tmp_path / "a.png")
    return tmp_path


SCENE = Scene(
    "s 1",
    ImageRef("a.png"),
    200,
    100,
    (SceneObject("o 1", "cat", (20, 10, 60, 90)), SceneObject("o2", "dog", (100, 0, 200, 50))),
)


def test_boxes_stand_where_they_are_and_answers_name_them(folder):
    rows = [row("r", evidence={"scenes": ["s 1"], "turns": [["o 1", "gone"]]}, builder="test")]
    write_page(write(folder / "r.jsonl", rows), folder / "page.html", image_root=folder, scenes=[SCENE])
    page = Tags((folder / "page.html").read_text())
    boxes = {box["data-key"]: box["style"] for box in page.of_class("box")}
    assert boxes["s 1/o 1"] == "left: 10.0%; top: 10.0%; width: 20.0%; height: 80.0%"
    assert boxes["s 1/o2"] == "left: 50.0%; top: 0.0%; width: 50.0%; height: 50.0%"
    (line,) = [attrs for _, attrs in page.tags if "data-keys" in attrs]
    assert json.loads(line["data-keys"]) == ["s 1/o 1"]
    assert len(page.of_class("missing")) == 1
    assert any(attrs.get("src", "").startswith("data:image/") for tag, attrs in page.tags if tag == "img")


def test_nothing_is_fetched_and_nothing_of_a_record_runs(folder):
    bad = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'</style>"
    rows = [row(bad, bad, bad, builder=bad, evidence={"scenes": [bad], "turns": [[bad]]})]
    write_page(write(folder / "r.jsonl", rows), folder / "page.html", image_root=folder, heading=bad)
    page = Tags((folder / "page.html").read_text())
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert [tag for tag, _ in page.tags].count("img") == 1
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert not any(
        (attrs.get(name) or "").startswith("http") for _, attrs in page.tags for name in ("src", "href")
    )


def test_changes_from_the_parent_are_marked(folder):
    write(folder / "old.jsonl", [row("p", "What is it?", "A small cat.")])
    write(folder / "new.jsonl", [row("c", "What is it?", "A small grey cat here.", parent="p"), row("x")])
    write_page(folder / "new.jsonl", folder / "page.html", image_root=folder, parents=folder / "old.jsonl")
    text = (folder / "page.html").read_text()
    assert "<ins>grey cat here.</ins>" in text and "<del>cat.</del>" in text
    assert text.count("compared with its parent") == 1
    assert list(differences("a b c", "a c d")) == [("same", "a"), ("gone", "b"), ("same", "c"), ("new", "d")]


def test_bad_rows_and_images_are_told_and_an_empty_part_is_no_page(folder):
    path = write(
        folder / "r.jsonl", [row("a"), "{broken", {**row("b"), "image": "none.png"}, row("c", "\ud83d?")]
    )
    problems = write_page(path, folder / "page.html", image_root=folder)
    assert [problem.row for problem in problems] == [1, 3]
    page = (folder / "page.html").read_text()
    assert "malformed JSON" in page and "does not exist" in page
    with pytest.raises(UserError, match="no row 9"):
        write_page(path, folder / "none.html", image_root=folder, first=9)
    assert not (folder / "none.html").exists()
