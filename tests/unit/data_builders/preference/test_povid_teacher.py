"""Falsehoods that a teacher puts into true answers: only false ones, exactly where it says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from data_builders.preference.verifying import verify
from data_builders.prompted.base import Source
from data_builders.teachers.rules import Rule
from mmtune.errors import UserError
from mmtune.records import Record, Turn
from tests.unit.data_builders.preference.building import built, rows_of


def test_what_is_taken_for_the_truth_must_not_be_untrue(sources: list[Source], tmp_path: Path, drawn: Path):
    source = sources[0]
    absent = sorted(source.scene.exhaustive_classes - {item.name for item in source.scene.objects})[0]
    lie = replace(
        source.the_record(),
        turns=(Turn("user", "<image>\nWhat?"), Turn("assistant", f"There is a {absent}.")),
    )
    with pytest.raises(UserError, match="answers were rejected"):
        built("povid_teacher", [Source(source.scene, lie)], tmp_path, drawn)
    assert "what is to be the truth is untrue" in rows_of(tmp_path, "rejected")[0]["reason"]


def edits(*found: tuple[str, str, str]) -> Rule:
    return lambda request: json.dumps({"edits": [{"kind": k, "true": t, "false": f} for k, t, f in found]})


def test_edits_of_a_teacher_are_put_in_exactly_and_only_false_ones(
    sources: list[Source], tmp_path: Path, drawn: Path
):
    scene = sources[0].scene
    name, absent = (
        scene.objects[0].name,
        sorted(scene.exhaustive_classes - {item.name for item in scene.objects}),
    )
    text = f"There is a {name}, and it is a sunny day."
    record = Record("r", (Turn("user", "<image>\nWhat?"), Turn("assistant", text)), (scene.image,))  # type: ignore[arg-type]
    one = [Source(scene, record)]
    rule = edits(("object", name, absent[0]), ("attribute", "sunny", "rainy"))
    (pair,), rejected, _ = built("povid_teacher", one, tmp_path / "scene", drawn, {"povid_teacher": rule})
    assert pair.rejected == text.replace(name, absent[0])
    assert [(edit["true"], edit["shown_by"]) for edit in pair.rejected_edits] == [(name, "scene")]
    assert [row["text"] for row in rejected] == ["sunny -> rainy"]
    judge: dict[str, Rule] = {"povid_teacher": rule, "povid_judge": lambda request: '{"false": true}'}
    (pair,), rejected, _ = built("povid_teacher", one, tmp_path / "judge", drawn, judge)
    assert [edit["shown_by"] for edit in pair.rejected_edits] == ["scene", "labeller"] and rejected == []
    assert pair.rejected == text.replace(name, absent[0]).replace("sunny", "rainy")
    assert verify(pair, {scene.id: scene}) == []
    for place, (wrong, said) in enumerate(
        {
            ("object", "giraffe", "zebra"): "stands 0 times",
            ("object", "a", "the"): "stands 2 times",
            ("object", name, name.upper()): "not replaced by other words",
            ("sound", name, absent[0]): "an edit has not kind",
        }.items()
    ):
        folder = tmp_path / f"wrong{place}"
        with pytest.raises(UserError, match=said):
            built("povid_teacher", one, folder, drawn, {"povid_teacher": edits(wrong)})
    overlap = edits(("object", f"a {name}", f"an {absent[0]}"), ("object", name, absent[0]))
    with pytest.raises(UserError, match="overlaps"):
        built("povid_teacher", one, tmp_path / "overlap", drawn, {"povid_teacher": overlap})
