"""A build of preferences that is killed again and again ends with the pairs of one that never was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from data_builders.miniworld.world import World
from data_builders.scenes import write_scenes
from mmtune.records import ImageRef, Preference, iter_preferences
from tests.endpoints import Server, digest, serve
from tests.killed_builds import kill_and_go_on, start

SCENES = 20


def write(body: dict[str, Any]) -> str:
    """A writer, one that divides, and a labeller, all told apart by what they are asked."""
    asked = body["messages"][-1]["content"]
    if "claims" in body["messages"][0]["content"]:
        return json.dumps(
            {"claims": [part.strip() for part in asked.split("Answer: ")[1].split(".") if part]}
        )
    if "Is this right for the picture?" in asked:
        return "yes" if int(digest(body)[-1], 16) % 2 else "no"
    return f"Sign {digest(body)[-6:]} of {body['seed']}. Sign {digest(body)[-9:]}."


def test_killed_builds_of_pairs_lose_and_double_nothing(tmp_path: Path) -> None:
    whole, broken, scenes = tmp_path / "whole", tmp_path / "broken", tmp_path / "scenes.jsonl"
    world = World(seed=2)
    write_scenes(scenes, [world.scene(n).with_image(ImageRef(f"{n}.png")) for n in range(SCENES)])
    with serve(Server(write=write, delay_s=0.01)) as server:
        assert start(server.url, whole, scenes).wait() == 0
        requests = len(server.bodies)
        assert requests >= SCENES * (4 + 4 + 4)
        struck, _ = kill_and_go_on(
            server.url, broken, 3, lambda: len(server.bodies), requests, seed=5, scenes=[scenes]
        )
    assert struck == 3
    for name in ("records.jsonl", "rejected.jsonl", "failures.jsonl", "balanced.jsonl", "lengths.json"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    pairs = [pair for _, pair in iter_preferences(broken / "records.jsonl")]
    assert len({pair.id for pair in pairs if isinstance(pair, Preference)}) == len(pairs) > SCENES
