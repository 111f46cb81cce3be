"""Where the projector reads the instruction, questions about one image share nothing that depends on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mmtune.decode.engine import Engine, Request, Settings
from mmtune.records import Turn
from tests import tiny_models
from tests.tiny_projectors import READERS, tiny_projector
from tests.unit.decode.conftest import ask, photo

LENGTH = 10


@pytest.fixture(scope="module", params=READERS)
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """An engine whose projector reads the instruction, with weights so wide that every word matters."""
    from mmtune.models.building import build
    from mmtune.models.config import LanguageConfig, ModelConfig, VisionConfig

    root: Path = tmp_path_factory.mktemp("reader")
    config = ModelConfig(
        vision=VisionConfig(name=str(tiny_models.tiny_clip(root / "clip"))),
        projector=tiny_projector(request.param, queries=16),
        language=LanguageConfig(name=str(tiny_models.tiny_llama(root / "llama"))),
    )
    bundle = build(config, template="vicuna_v1", seed=0)
    for parameter in bundle.model.projector.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return Engine(bundle)


def questions() -> list[Request]:
    image, other = photo(1), photo(2)
    turns = (
        Turn("user", "What is this?\n<image>"),
        Turn("assistant", "A cup."),
        Turn("user", "Which colour has it?"),
    )
    return [
        ask("Is there a red circle?", image),
        ask("How many blue squares are there in the image?", image),
        ask("Is there a red circle?", other),
        ask("Compare the two.", image, other),
        Request([image], turns),
        ask("Hello!"),
        ask("", image),
    ]


def test_answers_do_not_depend_on_what_is_asked_beside(reader: Engine) -> None:
    requests, settings = questions(), Settings(max_new_tokens=LENGTH, logprobs=True)
    alone = [reader.generate([request], settings)[0] for request in requests]
    for batch_size in (2, 64):
        together = reader.generate(requests, settings, batch_size=batch_size)
        for one, other in zip(together, alone, strict=True):
            assert one.ids == other.ids
            assert one.logprobs == pytest.approx(other.logprobs, abs=1e-3)
    assert len({answer.ids for answer in alone}) > 3, "the answers are too alike to compare anything"


def test_the_question_changes_the_image_tokens(reader: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = encoded(reader, monkeypatch)
    image = photo(1)
    reader.generate([ask("Is it 7?", image), ask("Is it 5?", image), ask("Is it 7?", image)], Settings(2))
    assert len(seen) == 2, "once for each image and question"
    assert (seen[0] - seen[1]).abs().max() > 1e-3


def test_the_turns_of_a_chat_share_the_image(reader: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = encoded(reader, monkeypatch)
    first = (Turn("user", "<image>\nWhat is this?"),)
    reader.generate([Request([photo(1)], first)], Settings(2))
    later = (*first, Turn("assistant", "A cup."), Turn("user", "Why?"))
    "".join(reader.stream(Request([photo(1)], first), Settings(max_new_tokens=2)))
    "".join(reader.stream(Request([photo(1)], later), Settings(max_new_tokens=2)))
    assert len(seen) == 2, "generate keeps nothing, stream keeps what the next turn needs"
    torch.testing.assert_close(seen[0], seen[1])


def test_training_and_decoding_read_the_same_instruction(reader: Engine) -> None:
    from mmtune.data.prepare import RecordEncoder
    from mmtune.records import ImageRef, Record

    request = questions()[4]
    encoder = RecordEncoder(
        reader.tokenizer, reader.prompts.template, reader.bundle.policy, 512, instructions=True
    )
    record = Record("r", (*request.turns, Turn("assistant", "Red.")), (ImageRef("a.png"),))
    sample = encoder.encode(record, Path("."))
    assert [tuple(one) for one in sample.instructions] == reader.prompts.instructions(request)


def encoded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Visual tokens of every image that is encoded from now on."""
    seen: list[torch.Tensor] = []
    inside = engine.model.encode_images

    def noting(*arguments: Any) -> Any:
        found = inside(*arguments)
        seen.extend(found)
        return found

    monkeypatch.setattr(engine.model, "encode_images", noting)
    return seen
