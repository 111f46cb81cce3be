"""Hallucinations by program: every statement is true, every edit false, and both are shown again."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_builders.miniworld.world import World
from data_builders.preference.noise import kept_share, noised
from data_builders.preference.povid import Settings, build, pairs_of_scene
from data_builders.preference.verifying import verify
from data_builders.prompted.claims import check_answer
from data_builders.scenes import Scene, write_scenes
from mmtune import cli
from mmtune.errors import UserError
from mmtune.records import ImageRef, Preference, iter_preferences
from tests.unit.data_builders.programs.scenes_by_hand import scene, thing


@pytest.fixture(scope="module")
def worlds() -> list[Scene]:
    world = World(seed=11)
    return [world.scene(index).with_image(ImageRef(f"{index}.png")) for index in range(150)]


@pytest.fixture(scope="module")
def pairs(worlds: list[Scene]) -> list[Preference]:
    return [pair for one in worlds for pair in pairs_of_scene(one, Settings())]


def test_every_pair_is_verified_and_an_independent_check_agrees(worlds: list[Scene], pairs: list[Preference]):
    scenes = {one.id: one for one in worlds}
    kinds = Counter(pair.meta["kind"] for pair in pairs)
    assert set(kinds) == {"object", "count", "attribute", "relation"} and min(kinds.values()) > 100
    for pair in pairs:
        assert verify(pair, scenes) == []
        one = scenes[pair.meta["evidence"]["scenes"][0]]
        assert check_answer("", pair.chosen, one).reasons == ()
        (edit,) = pair.rejected_edits
        assert edit["kind"] == pair.meta["kind"]
        assert pair.chosen.replace(edit["true"], edit["false"], 1) == pair.rejected
        # The claims' own check was written for teachers and knows nothing of statements.
        claim = edit["claim"]
        if claim.get("number") == 1:  # which that check does not read, nor "on"
            assert "only one" in edit["false"] and len(one.of_class(claim["class"])) > 1
        elif claim.get("predicate") == "on":
            assert " is below " in edit["true"] or " is under " in edit["true"]
        else:
            assert check_answer("", edit["false"], one).reasons, edit
        assert pair.margin == 1


def test_the_same_pairs_whatever_else_is_built(worlds: list[Scene], pairs: list[Preference]):
    again = [pair for one in reversed(worlds) for pair in pairs_of_scene(one, Settings())]
    assert sorted(again, key=lambda pair: pair.id) == sorted(pairs, key=lambda pair: pair.id)
    others = [pair for one in worlds for pair in pairs_of_scene(one, Settings(seed=1))]
    assert sum(one.rejected != two.rejected for one, two in zip(pairs, others, strict=False)) > len(pairs) / 2


def test_more_edits_and_fewer_statements(worlds: list[Scene]):
    scenes = {one.id: one for one in worlds}
    found = [pair for one in worlds for pair in pairs_of_scene(one, Settings(edits=2, facts=3))]
    assert max(len(pair.rejected_edits) for pair in found) == 2
    assert max(len(pair.chosen_facts) for pair in found) == 3
    assert all(verify(pair, scenes) == [] for pair in found)


def mutations(pair: Preference) -> list[Preference]:
    """A pair with something wrong in it, each in another place."""
    fact, edit = dict(pair.chosen_facts[0]), dict(pair.rejected_edits[0])
    one = replace(pair, chosen=pair.rejected, rejected=pair.chosen)
    two = replace(pair, chosen_facts=({**fact, "evidence": ["o99"]}, *pair.chosen_facts[1:]))
    three = replace(pair, rejected_edits=({**edit, "false": edit["true"]},))
    true_claim = pair.chosen_facts[edit["place"]]["claim"]
    four = replace(pair, rejected_edits=({**edit, "claim": true_claim},))
    five = replace(pair, rejected=pair.rejected + " It is night.")
    six = replace(pair, meta={**pair.meta, "evidence": {"scenes": ["nowhere"], "turns": [[]]}})
    seven = replace(pair, images=(ImageRef("other.png"),))
    return [one, two, three, four, five, six, seven, replace(pair, meta={}), replace(pair, rejected_edits=())]


def test_a_mutated_pair_is_caught(worlds: list[Scene], pairs: list[Preference]):
    scenes = {one.id: one for one in worlds}
    for pair in pairs[:100]:
        for place, broken in enumerate(mutations(pair)):
            assert verify(broken, scenes), (place, pair)


@pytest.mark.parametrize("name", ["chair", "sofa"])
def test_nothing_is_called_false_that_is_only_not_annotated(name: str):
    two = [thing("a", "chair", (0, 0, 9, 9), "red"), thing("b", "table", (20, 0, 30, 9))]
    bare = scene(*two, relations=[("a", "near", "b")])
    with pytest.raises(UserError, match="nothing that is annotated of the scene can be proven untrue"):
        list(pairs_of_scene(bare, Settings()))
    told = scene(*two, relations=[("a", "near", "b")], exhaustive=[name, "table"])
    kinds = {pair.meta["kind"] for pair in pairs_of_scene(told, Settings())}
    # A chair has no color that excludes others, and "near" no opposite: only things can be absent or counted.
    assert kinds == ({"count"} if name == "chair" else {"object", "count"})


def build_of(worlds: list[Scene], folder: Path, **settings: Any) -> list[Preference]:
    write_scenes(folder / "scenes.jsonl", worlds)
    build(folder / "pairs.jsonl", inputs=[folder / "scenes.jsonl"], **settings)
    return [pair for _, pair in iter_preferences(folder / "pairs.jsonl") if isinstance(pair, Preference)]


def test_the_same_file_in_one_process_and_in_two(
    worlds: list[Scene], pairs: list[Preference], tmp_path: Path
):
    assert build_of(worlds, tmp_path) == pairs
    before = (tmp_path / "pairs.jsonl").read_bytes()
    build_of(worlds, tmp_path, workers=2)
    assert (tmp_path / "pairs.jsonl").read_bytes() == before


def test_scenes_that_give_nothing_are_reported(worlds: list[Scene], tmp_path: Path):
    bare = replace(worlds[0], id="bare", objects=(), relations=())
    unsure = replace(worlds[1], id="unsure", exhaustive_classes=frozenset(), relations=(),
                     exhaustive_attributes=frozenset())  # fmt: skip
    found = build_of([bare, unsure, worlds[2]], tmp_path)
    assert {pair.meta["evidence"]["scenes"][0] for pair in found} == {worlds[2].id}
    rows = [json.loads(line) for line in (tmp_path / "pairs.problems.jsonl").read_text().splitlines()]
    assert {row["row"]: row["reason"] for row in rows} == {
        "scene bare": "the scene has no objects",
        "scene unsure": "nothing that is annotated of the scene can be proven untrue",
    }
    with pytest.raises(UserError, match="not one pair was built"):
        build_of([bare], tmp_path)
    with pytest.raises(UserError, match="1 statement or more"):
        build_of(worlds[:1], tmp_path, edits=0)
    with pytest.raises(UserError, match="unknown rule"):
        build_of(worlds[:1], tmp_path, names="all")


def test_noise_is_the_same_for_the_same_seed_and_grows_with_the_step():
    image = Image.fromarray(np.full((40, 30, 3), 200, dtype=np.uint8))
    one, two = (noised(image, 500, 3, "a.png") for _ in range(2))
    assert one.tobytes() == two.tobytes() and one.size == image.size
    for seed, name in ((4, "a.png"), (3, "b.png")):
        assert noised(image, 500, seed, name).tobytes() != one.tobytes()
    far = [
        np.abs(np.asarray(noised(image, step, 3, "a.png"), float) - 200).mean() for step in (1, 200, 500, 999)
    ]
    assert far == sorted(far) and far[0] < 1 < 20 < far[2]
    assert kept_share(1000) < 0.1 < kept_share(500) < kept_share(1) < 1
    # The noise has the variance that the schedule says: of gray, sqrt(1 - share) on pixels from -1 to 1.
    gray = Image.fromarray(np.full((200, 200, 3), 128, dtype=np.uint8))
    spread = (np.asarray(noised(gray, 300, 0, "x"), float) / 127.5 - 1).std()
    assert spread == pytest.approx(np.sqrt(1 - kept_share(300)), rel=0.02)
    with pytest.raises(UserError, match="1 to 1000"):
        kept_share(0)


def test_noised_copies_lie_beside_the_pairs(captioned: list[Scene], drawn: Path, tmp_path: Path):
    found = build_of(captioned[:3], tmp_path, noise_step=400, image_root=drawn)
    copies = {pair.meta["noised"]["image"] for pair in found}
    assert len(copies) == 3 and {path.name for path in (tmp_path / "pairs-noised").iterdir()} == copies
    assert all(pair.meta["noised"] == {**pair.meta["noised"], "step": 400, "seed": 0} for pair in found)
    with pytest.raises(UserError, match="--image-root"):
        build_of(captioned[:3], tmp_path, noise_step=400)


def test_the_command_builds_and_verifies(
    worlds: list[Scene], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    scenes, out = tmp_path / "scenes.jsonl", tmp_path / "pairs.jsonl"
    write_scenes(scenes, worlds[:8])
    words = ["build", "povid", "--in", str(scenes), "--out", str(out), "--workers", "1", "--edits", "2"]
    assert cli.main(words) == 0
    assert "pairs 3" in capsys.readouterr().out
    assert cli.main(["build", "--verify", str(out), "--in", str(scenes)]) == 0
    assert "all verified" in capsys.readouterr().out
    rows = out.read_text().splitlines()
    lie = json.loads(rows[1])
    lie["rejected"] += " It rains."
    given = json.loads(rows[0]) | {"licence": "GPL-3.0"}
    out.write_text("\n".join([json.dumps(given), json.dumps(lie), *rows[2:], '{"id":']))
    assert cli.main(["build", "--verify", str(out), "--in", str(scenes)]) == 2
    assert "3 wrong: row 0" in capsys.readouterr().out
    listed = (tmp_path / "pairs.verify-problems.jsonl").read_text().splitlines()
    assert {json.loads(line)["row"] for line in listed} == {0, 1, len(rows)}
    assert "'GPL-3.0'" in listed[0]
