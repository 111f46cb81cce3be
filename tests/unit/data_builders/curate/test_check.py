"""Each bad row with its number, id and reason; the good ones as they were."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from data_builders.curate.check import CheckSettings, check_rows
from data_builders.engines import get_engine


def line(record_id, answer="A cat.", image=None, question="What is it?"):
    row = {
        "id": record_id,
        "conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": answer}],
    }
    if image is not None:
        row["image"] = image
        row["conversations"][0]["value"] = "<image>\n" + question
    return json.dumps(row).encode()


@pytest.fixture
def folder(tmp_path):
    Image.effect_noise((40, 40), 50).save(tmp_path / "red.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "red.png").read_bytes()[:400])
    lines = [
        line("good", image="red.png"),
        line("good"),
        line("with.dots/and/slashes"),
        line("caption", answer="  "),
        line("climbs", image="../red.png"),
        line("absent", image="gone.png"),
        line("cut", image="cut.png"),
        b'{"id": "bytes", "x": "\xff"}',
        b"",
        b'{"id": "half", "conversations": [',
        b"[1, 2]",
        line("last", image="red.png"),
    ]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(lines))
    return tmp_path


def reasons(folder, engine="local", workers=1, **settings):
    checked = check_rows(folder / "rows.jsonl", CheckSettings(**settings), get_engine(engine, workers))
    return {
        (one.row.number, (one.problem or one.warning).id, one.problem is not None): (
            one.problem or one.warning
        ).reason
        for one in checked
        if one.problem or one.warning
    }


def test_every_bad_row_has_its_number_id_and_reason(folder):
    found = reasons(folder, image_root=folder, decode=True)
    says = {
        (1, "good", False): "row 0 has the same id",
        (3, "caption", True): "an answer is empty",
        (4, "climbs", True): "climbs out",
        (5, "absent", True): "does not exist",
        (6, "cut", True): "damaged or cut short",
        (7, "bytes", True): "not UTF-8",
        (8, "half", True): "malformed JSON",
        (9, "?", True): "list, not an object",
    }
    assert found.keys() == says.keys()
    for key, reason in says.items():
        assert reason in found[key], key


def test_paths_are_looked_at_without_a_root_and_ids_may_be_demanded_unique(folder):
    found = reasons(folder, unique_ids=True)
    assert (4, "climbs", True) in found
    assert (5, "absent", True) not in found
    assert (1, "good", True) in found


def test_an_image_that_was_mended_is_looked_at_again(folder):
    assert (5, "absent", True) in reasons(folder, image_root=folder)
    (folder / "gone.png").write_bytes((folder / "red.png").read_bytes())
    assert (5, "absent", True) not in reasons(folder, image_root=folder)


def test_two_processes_find_the_same(folder):
    assert reasons(folder, "processes", 2, image_root=folder) == reasons(folder, image_root=folder)
