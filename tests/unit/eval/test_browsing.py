"""Samples for the page: compact, bounded, nothing left out in silence; and the charts above them."""

from __future__ import annotations

import base64
import gzip
import json
import re
import xml.etree.ElementTree as ElementTree

import pytest

from eval.report.browsing import (
    CUT,
    FAILED,
    RIGHT,
    UNPARSED,
    UNSCORED,
    Limits,
    Reply,
    Sample,
    pack,
    reply_of,
    samples_of_rows,
)
from eval.report.overview import kind_bars, run_radar, share_axis
from eval.report.shapes import Bar, Outline, bars, differences, radar


def unpacked(browse):
    return json.loads(gzip.decompress(base64.b64decode(browse.samples)))


def sample(number=0, image="", text="yes", flags=RIGHT, **changes):
    values = {"kinds": (), "replies": ((Reply(text, flags),),), **changes}
    return Sample("pope", str(number), image, f"Is it {number}?", "yes", **values)


def test_rows_of_a_run_become_samples():
    row = {"task": "vqav2", "id": "7", "blind": False, "image": "a.png", "question": "What?"}
    answered = {
        "prediction": " Two.\n",
        "submitted": "2",
        "truth": "2",
        "right": True,
        "counts": {"accuracy": 1.0},
        "kinds": {"answer_type": "number"},
    }
    found = list(
        samples_of_rows(
            [
                row | answered,
                row | {"blind": True} | answered,
                row | {"id": "8", "error": "the image is damaged"},
            ]
        )
    )
    assert [one.id for one in found] == ["7", "8"], "the blind baseline is left out"
    assert found[0].replies == ((Reply(" Two.\n", RIGHT, "2"),),)
    assert found[0].kinds == ("answer_type: number",)
    assert found[1].replies == ((Reply("the image is damaged", FAILED),),)


@pytest.mark.parametrize(
    ("counts", "right", "flags"),
    [
        ({"tp": 1.0, "neither": 0.0}, True, RIGHT),
        ({"tp": 1.0, "neither": 1.0}, True, RIGHT | UNPARSED),
        ({"right": 0.0, "items": 1.0, "unparsed": 1.0}, False, UNPARSED),
        ({"items": 1.0}, False, UNSCORED),
        ({}, False, UNSCORED),
        (None, False, FAILED),
    ],
)
def test_what_a_reply_is(counts, right, flags):
    assert reply_of(counts, "x", right=right).flags == flags


def test_everything_is_there_and_verbatim():
    texts = ["</script><b>", "\u2028 ünïcödé 中", "", "a\n\tb"]
    value = unpacked(pack([sample(i, text=text) for i, text in enumerate(texts)], ["m"], {}))
    assert [row[6][0][0][0] for row in value["rows"]] == texts
    assert [row[1] for row in value["rows"]] == ["0", "1", "2", "3"]


def test_the_page_holds_no_markup_of_a_model():
    browse = pack([sample(text="</script><script>alert(1)</script>")], ["</script>"], {})
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", browse.samples)
    assert browse.thumbnails == "[]"


def test_long_texts_are_cut_and_it_is_said():
    browse = pack([sample(text="x" * 50), sample(1)], ["m"], {}, Limits(text=20))
    first, second = unpacked(browse)["rows"]
    assert first[6][0][0] == ["x" * 20, RIGHT | CUT]
    assert second[6][0][0] == ["yes", RIGHT]
    assert browse.cut == 20
    assert pack([sample()], ["m"], {}).cut == 0


def test_too_many_samples_are_drawn_and_it_is_said():
    import random

    draw = random.Random(0)
    many = [sample(i, text="".join(draw.choices("abcdefgh", k=100))) for i in range(2000)]
    browse = pack(many, ["m"], {}, Limits(samples_bytes=20_000))
    value = unpacked(browse)
    assert len(base64.b64decode(browse.samples)) <= 20_000
    assert browse.total == 2000 and browse.shown == len(value["rows"])
    assert 200 < browse.shown < 2000
    ids = [int(row[1]) for row in value["rows"]]
    assert ids == sorted(ids) and max(ids) > 1500, "from everywhere, in order"
    assert pack(many, ["m"], {}, Limits(samples_bytes=20_000)) == browse


def test_thumbnails_are_bounded_and_go_to_wrong_answers_first(world):
    folder = {"pope": str(world.root / "images")}
    samples = [sample(i, image=world.file(i), flags=0 if i > 9 else RIGHT) for i in range(1, 13)]
    browse = pack(samples, ["m"], folder, Limits(images=5))
    value = unpacked(browse)
    shown = {name for name, place in value["images"] if place >= 0}
    assert {world.file(i) for i in (10, 11, 12)} <= shown and len(shown) == 5
    assert (browse.images_shown, browse.images) == (5, 12)
    assert all(url.startswith("image/jpeg;base64,") for url in json.loads(browse.thumbnails))
    small = pack(samples, ["m"], folder, Limits(images_bytes=2500))
    assert len(small.thumbnails) < 2700 and 0 < small.images_shown < 12


def test_images_that_are_gone_are_named_and_not_shown(tmp_path):
    browse = pack(
        [sample(image="gone.png"), sample(1, image="../../etc/passwd")], ["m"], {"pope": str(tmp_path)}
    )
    assert browse.images_shown == 0 and browse.images == 2
    assert unpacked(browse)["images"] == [["gone.png", -1], ["../../etc/passwd", -1]]


def test_tens_of_thousands_of_samples_fit_whole():
    """60,000 answers as POPE and VQAv2 have them, in far less than 20 MB."""
    import random

    draw = random.Random(1)
    words = ["red", "green", "dog", "tree", "two", "a", "the", "left", "of", "umbrella", "table", "cat"]
    many = [
        sample(
            i,
            image=f"COCO_val2014_{i // 6:012d}.jpg",
            text=" ".join(draw.choices(words, k=4)),
            kinds=(f"type: {i % 65}",),
        )
        for i in range(60_000)
    ]
    browse = pack(many, ["m"], {})
    assert browse.shown == 60_000
    assert len(browse.samples) < 4_000_000


def task(value, primary="accuracy", blind=None, **changes):
    metric = {"value": value, "low": None, "high": None, "n": 5}
    base = None if blind is None else {primary: {**metric, "value": blind}}
    return {
        "primary": primary,
        "metrics": {primary: metric},
        "lower_is_better": [],
        "not_shares": [],
        "blind": base,
    } | changes


def test_the_radar_turns_what_should_be_low_and_leaves_out_what_is_no_share():
    tasks = {
        "one": task(0.8, blind=0.2),
        "two": task(0.5, blind=0.5),
        "chair": task(0.1, "chair_i", blind=0.4, lower_is_better=["chair_i"]),
        "mme": task(1500.0, "perception", not_shares=["perception"]),
        "none": task(None),
    }
    svg = run_radar({"tasks": tasks})
    assert "chair, 1 − CHAIR-i 0.900" in svg.replace("CHAIR, 1", "chair, 1")
    assert "blind: one, accuracy 0.200" in svg
    assert "mme" not in svg and "none" not in svg
    assert len(ElementTree.fromstring(svg).findall("text")) == 3
    assert run_radar({"tasks": dict(list(tasks.items())[:2])}) == "", "two axes are no radar"
    assert share_axis("mme", tasks["mme"]) is None


def test_charts_are_well_formed_and_say_their_numbers():
    rows = [Bar("a < b & c", 0.5, 0.4, 0.6, 0.1), Bar("long " * 20, 12.0, None, None)]
    for svg in (
        bars("<title>", rows),
        differences("d", [Bar("a", -0.02, -0.05, 0.01, verdict="worse"), Bar("b", 0.0, None, None)]),
        radar(
            "r",
            ["a", "b", "<c>"],
            [Outline("m", (0.1, 0.2, 1.4)), Outline("blind", (0.0, 0.0, 0.0), blind=True)],
        ),
    ):
        root = ElementTree.fromstring(svg)
        assert root.get("role") == "img" and root.get("aria-label")
        assert "nan" not in svg
    assert "a < b & c 0.500 (0.400 to 0.600), blind 0.100" in ElementTree.fromstring(bars("t", rows)).get(
        "aria-label"
    )
    assert bars("t", []) == differences("t", []) == kind_bars("t", []) == ""
