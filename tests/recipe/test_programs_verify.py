"""Every program on miniworld: verified, sound by an audit of its own, and every mutation caught."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_builders.programs.asking import Settings
from data_builders.programs.blocks import records_of_block
from data_builders.programs.drawn.registry import DRAWINGS
from data_builders.programs.registry import PROGRAMS
from data_builders.programs.verifying import verify
from mmtune.records import parse_llava, to_llava

_PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "programs_verify.py"
_DRAWN = {name for drawing in DRAWINGS.values() for name in drawing.programs} - {
    "ocr_reading",
    "text_in_box",
    "text_where",
}


def _benchmark():
    spec = importlib.util.spec_from_file_location("programs_verify", _PATH)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def records(worlds):
    """All records of all programs about the shared scenes."""
    return list(records_of_block(worlds, PROGRAMS.values(), Settings()))


def test_every_program_is_verified_sound_and_guarded(worlds):
    tally = _benchmark().check(worlds, Settings(seed=5))
    assert set(tally.answers) == set(PROGRAMS) - _DRAWN - {"expression_box", "region_phrase"}
    assert tally.audited > 1500
    assert (tally.unverified, tally.unsound, tally.missed) == ([], [], [])


def test_the_audit_can_fail(worlds, records):
    """A wrong number is unsound to the audit, too, which shares no code with the programs."""
    benchmark = _benchmark()
    record = next(r for r in records if r.meta["builder"] == "exists_object")
    scene = next(s for s in worlds if s.id == record.meta["evidence"]["scenes"][0])
    tally = benchmark.Tally()
    turns = (record.turns[0], replace(record.turns[1], text="17"))
    benchmark._audit(replace(record, turns=turns), [scene], tally)
    assert len(tally.unsound) == 1


def test_records_survive_their_file(worlds, records):
    by_id = {scene.id: scene for scene in worlds}
    for row, record in enumerate(records[::37]):
        again = parse_llava(json.loads(json.dumps(to_llava(record))), row)
        assert again == record
        assert verify(again, by_id) == []


def test_what_is_changed_is_caught(worlds, records):
    """Evidence, options, question and arguments are checked as the answer is."""
    by_id = {scene.id: scene for scene in worlds}
    caught = Counter()
    for record in records[::11]:
        plain = json.loads(json.dumps(record.meta))
        plain["evidence"]["turns"][0] = [*plain["evidence"]["turns"][0], "o99"]
        assert verify(replace(record, meta=plain), by_id)
        turns = (replace(record.turns[0], text=record.turns[0].text + " "), *record.turns[1:])
        assert verify(replace(record, turns=turns), by_id)
        plain = json.loads(json.dumps(record.meta))
        options = plain["arguments"]["turns"][0].get("options")
        if options:
            options[0], options[1] = options[1], options[0]
            assert verify(replace(record, meta=plain), by_id)
            options[:] = ["an invention", *options[1:]]
            assert verify(replace(record, meta=plain), by_id)
            caught["options"] += 1
        if len(record.images) > 1:
            moved = (*record.images[1:], record.images[0])
            assert verify(replace(record, images=moved), by_id)
            caught["images"] += 1
    assert min(caught.values()) > 10


def test_a_changed_scene_is_noticed(worlds, records):
    """Records of a scene whose objects lose their colors are refused where they speak of them."""
    record = next(r for r in records if r.meta["builder"] == "typed_attribute_box")
    scene = next(s for s in worlds if s.id == record.meta["evidence"]["scenes"][0])
    blank = replace(scene, objects=tuple(replace(item, attributes=()) for item in scene.objects))
    assert verify(record, [scene]) == []
    assert "cannot be answered" in verify(record, [blank])[0]
    assert "no scene" in verify(record, [])[0]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=4),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)))  # fmt: skip
def test_verify_refuses_any_arguments_without_falling_over(worlds, records, junk):
    record = records[len(str(junk)) % len(records)]
    by_id = {scene.id: scene for scene in worlds}
    plain = json.loads(json.dumps(record.meta))
    rows = plain["arguments"]["turns"]
    rows[0] = junk if not isinstance(junk, dict) else {**rows[0], **junk, "phrasing": "x"}
    assert verify(replace(record, meta=plain), by_id)
    assert verify(
        replace(record, meta={"builder": junk if isinstance(junk, str) else "exists_object"}), by_id
    )


def test_options_are_balanced(worlds, records):
    """The right option stands at each place equally often, and yes is as frequent as no."""
    places: dict[int, Counter[int]] = defaultdict(Counter)
    answers = Counter()
    for record in records:
        for number, row in enumerate(record.meta["arguments"]["turns"]):
            answer = record.turns[2 * number + 1].text
            if "options" in row:
                letter = answer.lstrip("(")[0]
                places[len(row["options"])][ord(letter) - ord("A")] += 1
            elif record.meta["builder"] == "negative_object":
                answers[answer] += 1
    for count in (2, 3, 4):
        total = places[count].total()
        assert total > 200
        for place in range(count):
            assert abs(places[count][place] / total - 1 / count) < 0.08, (count, places[count])
    assert abs(answers["Yes"] / answers.total() - 0.5) < 0.12


def test_order_and_processes_change_nothing(worlds):
    """A block's records are the same bytes for any order of its scenes, and another seed gives others."""
    block = worlds[:32]
    rows = [json.dumps(to_llava(r)) for r in records_of_block(block, PROGRAMS.values(), Settings())]
    shuffled = [json.dumps(to_llava(r)) for r in records_of_block(block[::-1], PROGRAMS.values(), Settings())]
    other = [json.dumps(to_llava(r)) for r in records_of_block(block, PROGRAMS.values(), Settings(seed=1))]
    assert sorted(rows) == sorted(shuffled)
    assert len(set(rows) & set(other)) < len(rows) / 20
    # What is asked about one image does not depend on which others there are.
    alone = [json.dumps(to_llava(r)) for r in records_of_block(block[:1], PROGRAMS.values(), Settings())]
    assert set(alone) <= set(rows)


def test_there_are_many_phrasings():
    single = [program for program in PROGRAMS.values() if program.images == (1, 1)]
    assert len(PROGRAMS) - len(single) == 14
    for program in PROGRAMS.values():
        for form, texts in program.phrasings.items():
            assert len(texts) >= 4, (program.name, form, len(texts))
            assert len(set(texts)) == len(texts)
            for text in texts:
                assert text[0].isupper() or text[0] in '{"', text
                assert "  " not in text and " ?" not in text and "|" not in text
    assert sum(len(texts) for p in PROGRAMS.values() for texts in p.phrasings.values()) > 1000
