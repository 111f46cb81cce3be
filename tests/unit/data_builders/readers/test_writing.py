"""OCR lines, documents, and LLaVAR's text without places."""

from __future__ import annotations

import json

from PIL import Image

from data_builders.readers import detect

LINES = [
    {
        "box": [84, 109, 136, 119],
        "text": "COMPOUND",
        "label": "question",
        "words": [{"box": [84, 109, 136, 119], "text": "COMPOUND"}],
        "linking": [[0, 37]],
        "id": 0,
    },
    {"box": [85, 110, 145, 120], "text": "", "label": "other", "words": [], "linking": [], "id": 24},
    {"box": [426, 113, 406, 134], "text": "turned", "label": "other", "words": [], "linking": [], "id": 25},
    {"box": [1, 2, 30, 40], "text": "Fax:\n  5", "label": "answer", "words": [], "linking": [], "id": 1},
]


def test_pages_of_funsd_and_of_documents(put, read, tmp_path) -> None:
    put("annotations/00040534.json", {"form": LINES})
    layout = [
        {"box": [0, 0, 100, 50], "class": "Title"},
        {"box": [0, 0, 0, 0], "class": "text"},
        {"box": [0, 0, 9, 9]},
    ]
    put("annotations/page2.json", {"form": LINES[:1], "layout_info": layout, "image": "page2.png"})
    put("annotations/page3.json", LINES[:1])
    put("annotations/page4.json", [])
    (tmp_path / "images").mkdir()
    for name in ("00040534", "page2", "page3"):
        Image.new("RGB", (500, 400)).save(tmp_path / f"images/{name}.png")
    assert detect([tmp_path / "annotations"]) == "ocr"
    found, problems = read(tmp_path / "annotations", images=tmp_path / "images")
    assert [scene.image.path for scene in found] == ["00040534.png", "page2.png", "page3.png"]
    form, page, bare = found
    assert (form.width, form.height) == (500, 400)
    assert [(item.id, item.name, item.text, item.box_xyxy) for item in form.objects] == [
        ("t0", "line", "COMPOUND", (84, 109, 136, 119)),
        ("t3", "line", "Fax: 5", (1, 2, 30, 40)),
    ]
    assert form.objects[0].source["words"] == LINES[0]["words"]
    assert [(item.id, item.name, item.text) for item in page.objects] == [
        ("t0", "line", "COMPOUND"),
        ("r0", "title", None),
    ]
    assert [item.text for item in bare.objects] == ["COMPOUND"]
    assert [(problem.row, problem.reason.split(":")[0]) for problem in problems] == [
        ("page 00040534, line 24", "the text is empty"),
        ("page 00040534, line 25", "the box is inverted"),
        ("page page2, layout box number 1", "the box has no area"),
        ("page page2, layout box number 2", "there is no class"),
        ("page page4", "there is nothing in its file"),
    ]


def test_documents_of_xfund(put, read) -> None:
    document = {
        "id": "zh_train_0",
        "document": LINES[:1],
        "img": {"fname": "zh_train_0.jpg", "width": 2480, "height": 3508},
    }
    path = put(
        "zh.train.json",
        {"lang": "zh", "version": "0.1", "split": "train", "documents": [document, {"id": "x"}]},
    )
    (scene,), problems = read(path)
    assert (scene.id, scene.image.path, scene.width) == ("zh_train_0", "zh_train_0.jpg", 2480)
    assert [problem.row for problem in problems] == ["document x"]


def test_rows_of_lines_with_four_corners(put, read) -> None:
    corners = [[10, 20], [30, 21], [29, 40], [9, 39]]
    rows = [{"image": "a.png", "width": 90, "height": 80, "ocr": [{"box": corners, "text": "STOP"}]}]
    (scene,), problems = read(put("ocr.jsonl", rows))
    assert problems == []
    assert [(item.text, item.box_xyxy) for item in scene.objects] == [("STOP", (9, 20, 30, 40))]


def test_llavars_context_has_text_without_places(put, read) -> None:
    rows = [
        {"id": "1", "image": "a.jpg", "captions": "A book cover.\n\nMOBY\nDICK\n\n Melville "},
        {"id": "2", "image": "b.jpg", "captions": " \n\n "},
        {"id": "3", "image": "c.jpg", "captions": "Nothing is written here."},
    ]
    path = put("context.jsonl", rows)
    assert detect([path]) == "ocr"
    found, problems = read(path)
    assert [(scene.id, scene.captions, scene.texts) for scene in found] == [
        ("1", ("A book cover.",), ("MOBY", "DICK", "Melville")),
        ("3", ("Nothing is written here.",), ()),
    ]
    assert [problem.row for problem in problems] == ["line 2, page 2"]


def test_writing_that_is_not_utf8_is_reported_and_not_guessed(put, read) -> None:
    """Latin-1 of an old OCR engine: its one bad line is left out, whatever holds the lines."""
    good, bad = ({"box": [84, 109, 136, 119], "text": text, "words": []} for text in ("TOTAL", "Stra\xdfe"))
    lines = json.dumps([good, bad], ensure_ascii=False)
    for name, content in {
        "form.json": f'{{"form": {lines}}}',
        "bare.json": lines,
        "pages.json": f'[{{"id": "p", "image": "p.png", "lines": [{json.dumps(good)}]}}, '
        f'{{"id": "q", "image": "q.png", "lines": {lines}}}]',
    }.items():
        found, problems = read(put(name, content.encode("latin-1")))
        assert [[item.text for item in scene.objects] for scene in found] == [["TOTAL"]], name
        assert [problem.reason.split(":")[0] for problem in problems] == ["the text is not UTF-8"], name
