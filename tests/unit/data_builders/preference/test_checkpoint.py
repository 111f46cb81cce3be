"""A checkpoint of mmtune writes the candidates, and the scene labels them."""

from __future__ import annotations

import json
from pathlib import Path

from data_builders.preference import PREFERENCE
from data_builders.preference.asking import PROMPTS
from data_builders.preference.noise import NoisedPicture
from data_builders.prompted.base import Kit, Source
from data_builders.prompted.prompts import Prompts
from data_builders.prompted.run import run
from data_builders.scenes import Scene
from data_builders.teachers.base import Message, Request, Settings
from data_builders.teachers.local import LocalModel
from data_builders.teachers.pictures import Picture
from data_builders.teachers.routed import Routed
from data_builders.teachers.rules import Rules
from mmtune.decode.stops import StopRule
from mmtune.records import ImageRef, parse_preference
from tests.tiny_checkpoint import tiny_checkpoint
from tests.unit.data_builders.teachers.asking import ask, replies


def test_candidates_of_a_checkpoint(captioned: list[Scene], drawn: Path, tmp_path: Path) -> None:
    local = LocalModel.from_checkpoint(tiny_checkpoint(tmp_path), device="cpu", batch_size=4)
    # A random model would hardly ever end an answer; every fourth token ends one here.
    local.engine.stops = StopRule(local.engine.tokenizer, (), range(0, len(local.engine.tokenizer), 4))
    builder = PREFERENCE["rlaif_v"]
    rules = {
        **builder.rules,
        "rlaif_v_divide": lambda asked: json.dumps({"claims": [asked.facts["answer"]]}),
        "rlaif_v_label": lambda asked: "yes" if len(asked.facts["claim"]) % 2 else "no",
    }
    teacher = Routed(local, Rules(rules), builder.labelled)
    kit = Kit(Prompts(None, PROMPTS), Settings(max_tokens=48), image_root=drawn, options={"temperature": 1.5})
    units = [Source(scene) for scene in captioned[:6]]
    report = run(builder, units, teacher, tmp_path / "out", kit)
    assert report.records > 0
    for line in (tmp_path / "out" / "records.jsonl").read_text().splitlines():
        pair = parse_preference(json.loads(line), 0)
        assert len(pair.chosen) % 2 == 1 and len(pair.rejected) % 2 == 0
        assert pair.meta["source"]["teacher"]["kind"] == "mmtune"
        assert pair.meta["source"]["teacher"]["labeller"]["model"] == "rules"


def test_a_noised_image_is_another_one_for_every_teacher(
    captioned: list[Scene], drawn: Path, tmp_path: Path
) -> None:
    ref = ImageRef(f"{captioned[0].id}.png")
    plain, noised = Picture(drawn, ref), NoisedPicture(drawn, ref, None, 900, 1)
    again, other = NoisedPicture(drawn, ref, None, 900, 1), NoisedPicture(drawn, ref, None, 900, 2)
    for name in ("key", "sha256"):
        assert len({getattr(picture, name) for picture in (plain, noised, again, other)}) == 3
    assert noised.encoded() == again.encoded() != other.encoded()
    assert noised.size() == plain.size()
    local = LocalModel.from_checkpoint(tiny_checkpoint(tmp_path), device="cpu", batch_size=2)
    local.engine.stops = StopRule(local.engine.tokenizer, (), range(0, len(local.engine.tokenizer), 4))
    asked = ("What is it?", plain), ("What is it?", noised)
    both = [
        Request(str(place), (Message("user", text, (picture,)),), Settings(max_tokens=24))
        for place, (text, picture) in enumerate(asked)
    ]
    # The engine keeps an image's features by its key: in one batch or alone, an answer is the same.
    together = {name: reply.text for name, reply in replies(ask(local, both)).items()}
    alone = {one.id: reply.text for one in both for reply in replies(ask(local, [one])).values()}
    assert together == alone
