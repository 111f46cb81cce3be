"""Formats of trainers: the exact rows, and back again without loss of what a format keeps."""

from __future__ import annotations

import io
import json
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data_builders.preference.exporting import export, read_format
from data_builders.preference.formats import FORMATS
from mmtune import cli
from mmtune.commands.data.export_preferences import FORMATS as OFFERED
from mmtune.errors import RecordError, UserError
from mmtune.records import ImageRef, Preference, Turn, iter_llava, parse_llava, write_preferences
from tests.unit.test_preferences import pairs

PAIR = Preference(
    "p",
    (Turn("user", "<image>\nWhat is it?"),),
    "There is a cat. It is grey.",
    "There is a dog. It is grey.",
    (ImageRef("a/b.png"),),
    {"builder": "povid", "kind": "object", "licence": "CC-BY-4.0", "source": "mine"},
    ({"text": "There is a cat."}, {"text": "It is grey."}),
    ({"kind": "object", "true": "There is a cat.", "false": "There is a dog."},),
    1.0,
)
HUMAN = {"from": "human", "value": "<image>\nWhat is it?"}
CHOSEN, REJECTED = ({"from": "gpt", "value": text} for text in (PAIR.chosen, PAIR.rejected))
ROWS: dict[str, dict[str, Any]] = {
    "trl": {
        "images": ["a/b.png"],
        "prompt": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}],
        "chosen": [{"role": "assistant", "content": [{"type": "text", "text": PAIR.chosen}]}],
        "rejected": [{"role": "assistant", "content": [{"type": "text", "text": PAIR.rejected}]}],
    },
    "rlaifv": {
        "ds_name": "povid",
        "image": "a/b.png",
        "question": "What is it?",
        "chosen": PAIR.chosen,
        "rejected": PAIR.rejected,
        "origin_dataset": "mine",
        "origin_split": '{"id": "p", "type": "object", "margin": 1.0, "licence": "CC-BY-4.0"}',
        "idx": "4",
        "image_path": "a/b.png",
    },
    "rlaifv_pairs": {
        "image_id": "b.png",
        "image_path": "a/b.png",
        "ds_question_id": "p",
        "question": "What is it?",
        "chosen": PAIR.chosen,
        "rejected": PAIR.rejected,
        "org_infos": {
            "ds_question_id": "p",
            "reference": "",
            "origin_file": "mine",
            "chosen_infos": {"facts": ["There is a cat.", "It is grey."]},
            "rejected_infos": {"facts": ["It is grey.", "There is a dog."]},
            "scores": {
                "chosen": {"judge": {"There is a cat.": "1", "It is grey.": "1"}, "score": "0"},
                "rejected": {"judge": {"It is grey.": "1", "There is a dog.": "0"}, "score": "-1"},
            },
        },
    },
    "povid": {
        "id": "p",
        "image": "a/b.png",
        "conversations": [HUMAN, CHOSEN],
        "rejected_conversations": [HUMAN, REJECTED],
    },
    "llava_hound": {
        "id": "p",
        "prompt": "What is it?",
        "chosen": PAIR.chosen,
        "rejected": PAIR.rejected,
        "frame": "a/b.png",
        "image_path": "a/b.png",
        "image_name": "b.png",
    },
    "mllm_dpo": {"question": HUMAN, "chosen": CHOSEN, "rejected": REJECTED, "image": "a/b.png"},
    "llava": {"id": "p", "image": "a/b.png", "conversations": [HUMAN, CHOSEN], **PAIR.meta},
}


@pytest.mark.parametrize("name", ROWS)
def test_the_rows_are_exactly_these(name: str):
    row = FORMATS[name].write(PAIR, 4)
    assert row == ROWS[name]
    assert list(row) == list(ROWS[name])
    if FORMATS[name].read is not None:
        back = FORMATS[name].read(row, 0)
        assert said(back) == said(PAIR)
    assert set(OFFERED) == set(FORMATS) == {*ROWS, "mmtune"}


def said(pair: Preference) -> tuple[Any, ...]:
    return pair.prompt, pair.chosen, pair.rejected, pair.images


_STILL = st.builds(ImageRef, st.text("abc/", min_size=1).map(lambda name: f"x{name}.png"))
ANY, ONE = pairs(_STILL), pairs(_STILL, 1, 1).filter(lambda pair: len(pair.images) == 1)


def through(name: str, pair: Preference) -> Preference:
    form = FORMATS[name]
    assert form.read is not None
    return form.read(json.loads(json.dumps(form.write(pair, 0))), 0)


@given(ANY)
@settings(deadline=None, derandomize=True, max_examples=40)
def test_trl_keeps_what_is_said_and_shown(pair: Preference):
    assert said(through("trl", pair)) == said(pair)


@given(st.lists(st.sampled_from(["<image>", " and ", "see", "\n", "<image>\n"]), min_size=1, max_size=8))
@settings(deadline=None, derandomize=True, max_examples=80)
def test_trl_keeps_the_place_of_every_image_in_the_text(pieces: list[str]):
    text = "".join(pieces) + "?"
    refs = tuple(ImageRef(f"{n}.png") for n in range(text.count("<image>")))
    pair = Preference("p", (Turn("user", text),), "a", "b", refs)
    back = through("trl", pair)
    # Images at the very front may gain the line breaks that others have there; nothing else changes.
    assert without_front(back.prompt[0].text) == without_front(text)
    assert said(through("trl", back)) == said(back)


def without_front(text: str) -> tuple[int, str]:
    """How many images stand at the very front, and the rest without line breaks before it."""
    found = re.match(r"(?:<image>\n*)*", text)
    assert found is not None
    return found[0].count("<image>"), text[found.end() :].lstrip("\n")


@given(pairs(_STILL, most=1))
@settings(deadline=None, derandomize=True, max_examples=40)
def test_povid_and_mllm_dpo_keep_what_is_said_and_shown(pair: Preference):
    for name in ("povid", "mllm_dpo"):
        if pair.prompt[0].role == "system":
            with pytest.raises(RecordError, match="no place for a system turn"):
                through(name, pair)
        else:
            assert said(through(name, pair)) == said(pair)
    if pair.prompt[0].role != "system":
        assert through("povid", pair).id == pair.id


@given(ONE)
@settings(deadline=None, derandomize=True, max_examples=40)
def test_formats_of_one_question_keep_it_but_for_space_around_it(pair: Preference):
    for name in ("rlaifv", "rlaifv_pairs", "llava_hound"):
        back = through(name, pair)
        assert (back.chosen, back.rejected, back.images, back.id) == (*said(pair)[1:], pair.id)
        assert (
            back.prompt[0].text == f"<image>\n{pair.prompt[0].text.removeprefix('<image>' + chr(10)).strip()}"
        )
    assert through("rlaifv", pair).margin == pair.margin


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("trl", {"images": (ImageRef("v.mp4", video=True),)}, "no place for videos"),
        ("rlaifv", {"images": (), "prompt": (Turn("user", "Hi"),)}, "exactly one image"),
        (
            "rlaifv",
            {"prompt": (Turn("user", "<image>\na"), Turn("assistant", "b"), Turn("user", "c"))},
            "single",
        ),
        ("povid", {"images": (ImageRef("a"), ImageRef("b"))}, "exactly one image"),
        ("llava_hound", {"images": ()}, "images or a whole video"),
        ("llava_hound", {"images": (ImageRef("a", video=True), ImageRef("b"))}, "one video alone"),
    ],
)
def test_what_a_format_has_no_place_for_is_refused(name: str, changed: dict[str, Any], said: str):
    with pytest.raises(RecordError, match=said):
        FORMATS[name].write(replace(PAIR, **changed), 0)


def test_hound_has_videos_and_frames():
    video = replace(PAIR, images=(ImageRef("v.mp4", video=True),))
    assert FORMATS["llava_hound"].write(video, 0)["video"] == "v.mp4"
    assert through("llava_hound", video).images == video.images
    frames = replace(
        PAIR, prompt=(Turn("user", "<image>\n<image>\nWhat?"),), images=(ImageRef("1.png"), ImageRef("2.png"))
    )
    assert FORMATS["llava_hound"].write(frames, 0)["frames"] == ["1.png", "2.png"]
    assert said(through("llava_hound", frames)) == said(frames)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("trl", []),
        ("trl", {**ROWS["trl"], "chosen": []}),
        ("trl", {**ROWS["trl"], "images": []}),
        ("trl", {**ROWS["trl"], "prompt": [{"role": "user", "content": [{"type": "audio"}]}]}),
        ("rlaifv", {**ROWS["rlaifv"], "image_path": None}),
        ("rlaifv_pairs", {**ROWS["rlaifv_pairs"], "question": 3}),
        ("povid", {**ROWS["povid"], "rejected_conversations": None}),
        (
            "povid",
            {**ROWS["povid"], "rejected_conversations": [{**HUMAN, "value": "<image>\nWho?"}, REJECTED]},
        ),
        ("povid", {**ROWS["povid"], "rejected_conversations": [HUMAN, CHOSEN]}),
        ("llava_hound", {"prompt": "a", "chosen": "b", "rejected": "c"}),
        ("mllm_dpo", {**ROWS["mllm_dpo"], "question": "__import__('os')"}),
        ("mllm_dpo", {**ROWS["mllm_dpo"], "chosen": None}),
    ],
)
def test_rows_of_others_that_cannot_be_used_are_refused(name: str, row: Any):
    with pytest.raises(RecordError) as caught:
        FORMATS[name].read(row, 6)  # type: ignore[misc]
    assert caught.value.row == 6


def test_other_ways_in_which_others_write(tmp_path: Path):
    plain = {
        "image": "a/b.png",
        "prompt": [{"role": "user", "content": "What is it?"}],
        "chosen": [{"role": "assistant", "content": PAIR.chosen}],
        "rejected": [{"role": "assistant", "content": PAIR.rejected}],
    }
    filled = json.loads(json.dumps(ROWS["trl"]))
    filled["prompt"][0]["content"][0]["text"] = None  # as a table of Arrow gives it back
    for row in (plain, filled):
        assert said(FORMATS["trl"].read(row, 0)) == said(PAIR)  # type: ignore[misc]
    text = {**ROWS["mllm_dpo"], "question": str(HUMAN)}
    assert said(FORMATS["mllm_dpo"].read(text, 0)) == said(PAIR)  # type: ignore[misc]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    Image.new("RGB", (5, 4), (9, 8, 7)).save(tmp_path / "one.png")
    good = replace(PAIR, images=(ImageRef("one.png"),))
    lost = replace(PAIR, id="lost", images=(ImageRef("gone.png"),))
    several = replace(PAIR, id="two", prompt=(Turn("user", "<image><image>"),), images=good.images * 2)
    write_preferences(tmp_path / "pairs.jsonl", [good, lost, several])
    with (tmp_path / "pairs.jsonl").open("a") as out:
        out.write('{"id": "half"}\n')
    return tmp_path / "pairs.jsonl"


def test_a_parquet_file_has_the_images_and_gives_them_back(file: Path):
    pytest.importorskip("pyarrow")
    from pyarrow.parquet import read_schema, read_table

    out = file.with_name("out.parquet")
    done = export(file, out, "rlaifv", image_root=file.parent)
    assert done.counts == {"pairs": 1}
    rows = [json.loads(line) for line in out.with_name("out.problems.jsonl").read_text().splitlines()]
    assert [(row["row"], row["id"]) for row in rows] == [(1, "lost"), (2, "two"), (3, "half")]
    assert "gone.png" in rows[0]["reason"] and "exactly one image" in rows[1]["reason"]
    (row,) = read_table(out).to_pylist()
    assert list(row) == list(ROWS["rlaifv"])
    assert Image.open(io.BytesIO(row["image"]["bytes"])).getpixel((0, 0)) == (9, 8, 7)
    features = json.loads(read_schema(out).metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features["idx"] == {"dtype": "string", "_type": "Value"}
    ((_, plain),) = read_format(out, "rlaifv")
    assert isinstance(plain, Preference) and plain.images == (ImageRef("one.png"),)
    ((_, pair),) = read_format(out, "rlaifv", file.parent / "unpacked")
    assert isinstance(pair, Preference)
    (image,) = (file.parent / "unpacked").iterdir()
    assert (pair.images[0].path, image.read_bytes()) == (image.name, (file.parent / "one.png").read_bytes())
    trl = file.with_name("trl.parquet")
    assert export(file, trl, "trl", image_root=file.parent).counts == {"pairs": 2}
    first, second = read_table(trl).to_pylist()
    assert first["images"][0]["bytes"] == image.read_bytes() and len(second["images"]) == 2
    assert first["prompt"][0]["content"][0] == {"type": "image", "text": None}
    (_, again), _ = read_format(trl, "trl")
    assert isinstance(again, Preference) and again.prompt == PAIR.prompt


def test_without_pyarrow_it_says_what_to_install(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"pip install 'mmtune\[parquet\]'"):
        export(file, file.with_name("out.parquet"), "rlaifv", image_root=file.parent)
    assert export(file, file.with_name("out.jsonl"), "trl").counts == {"pairs": 3}


def test_mistakes_of_the_caller(file: Path):
    for out, to, fix in (
        ("out.jsonl", "rlaifv", r"\.parquet"),
        ("out.parquet", "rlaifv", "--image-root"),
        ("pairs.jsonl", "trl", "the output is the input"),
        ("out.jsonl", "tlr", "did you mean 'trl'"),
    ):
        with pytest.raises(UserError, match=fix):
            export(file, file.with_name(out), to)
    with pytest.raises(UserError, match="cannot be read"):
        export(file, file.with_name("out.jsonl"), "mmtune", source="llava")
    file.write_text('{"id": 1}\n')
    with pytest.raises(UserError, match="not one pair"):
        export(file, file.with_name("out.jsonl"), "trl")
    assert not file.with_name("out.jsonl").exists()
    file.with_name("no.parquet").write_text("no")
    with pytest.raises(UserError, match="parquet file cannot be read"):
        export(file.with_name("no.parquet"), file.with_name("out.jsonl"), "mmtune", source="rlaifv")


@pytest.mark.parametrize("to", ["trl", "povid", "mllm_dpo", "mmtune", "llava"])
def test_paths_that_leave_the_images_and_ids_that_come_again_are_told(file: Path, to: str):
    good = replace(PAIR, images=(ImageRef("one.png"),))
    outside = [replace(good, id=path, images=(ImageRef(path),)) for path in ("../one.png", "/one.png")]
    lost = replace(good, id="lost", images=(ImageRef("gone.png"),))
    write_preferences(file, [good, *outside, good, lost])
    out = file.with_name("out.json")
    done = export(file, out, to)
    assert done.counts == {"pairs": 3}
    assert [(one.row, one.id) for one in done.repeated] == [(3, PAIR.id)]
    rows = [json.loads(line) for line in file.with_name("out.problems.jsonl").read_text().splitlines()]
    assert [(row["row"], row["id"]) for row in rows] == [(1, "../one.png"), (2, "/one.png")]
    assert "climbs out" in rows[0]["reason"] and "absolute" in rows[1]["reason"]
    assert export(file, out, to, image_root=file.parent).counts == {"pairs": 2}
    with pytest.raises(UserError, match="no such folder of images"):
        export(file, out, to, image_root=file.with_name("none"))


def test_the_command_converts_there_and_back(capsys: pytest.CaptureFixture[str]):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_preferences(folder / "pairs.jsonl", [PAIR, replace(PAIR, id="q")])

        def go(*words: str) -> int:
            return cli.main(["data", "export-preferences", *words])

        assert go(f"{folder}/pairs.jsonl", "--format", "povid", "--out", f"{folder}/povid.json") == 0
        assert "pairs 2" in capsys.readouterr().out
        assert json.loads((folder / "povid.json").read_text())[0] == ROWS["povid"]
        words = ["--from", "povid", "--format", "mmtune", "--out", f"{folder}/back.jsonl"]
        assert go(f"{folder}/povid.json", *words) == 0
        assert [said(pair) for _, pair in read_format(folder / "back.jsonl", "mmtune")] == [said(PAIR)] * 2  # type: ignore[arg-type]
        assert go(f"{folder}/pairs.jsonl", "--format", "llava", "--out", f"{folder}/sft.jsonl") == 0
        assert next(record for _, record in iter_llava(folder / "sft.jsonl")) == parse_llava(ROWS["llava"], 0)
        with (folder / "pairs.jsonl").open("a") as out:
            out.write("{}\n")
        assert go(f"{folder}/pairs.jsonl", "--format", "trl", "--out", f"{folder}/trl.jsonl") == 2
        assert "1 left out" in capsys.readouterr().out
