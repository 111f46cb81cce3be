"""Models of every kind answer the same asks; a real model, a real export of it, a real endpoint."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace

import pytest

from eval.asking import Ask
from eval.backends import BACKENDS, Answer, Opening, open_backend
from eval.backends.endpoint import Endpoint
from eval.backends.hub import HubModel, Sureness
from mmtune.errors import UserError
from tests.endpoints import Server, serve
from tests.tiny_checkpoint import tiny_checkpoint
from tests.unit.eval.conftest import write_world


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, the same exported for transformers, and a world."""
    from mmtune.cli import main

    folder = tmp_path_factory.mktemp("backends")
    tiny_checkpoint(folder)
    write_world(folder / "world", images=3)
    assert main(["export", str(folder / "checkpoint"), "--naming", "hub", "--out", str(folder / "hub")]) == 0
    return folder


def asks(folder: Path, how: str = "generate", **changes: object) -> list[Ask]:
    root = str(folder / "world" / "images")
    images = [f"COCO_val2014_{number:012d}.png" for number in (1, 2, 3)]
    texts = ["Is there a cup?", "What colour is the very large image?"]
    options = ("Yes", "No") if how != "generate" else ()
    return [Ask(root, image, text, 5, how, options, options) for image in images for text in texts]


def outcomes(backend, found):
    by_place = dict(backend.ask(found))
    assert sorted(by_place) == list(range(len(found)))
    return [by_place[place] for place in range(len(found))]


def test_a_model_of_transformers_answers_as_the_checkpoint_that_it_was_exported_from(folder):
    ours = open_backend(str(folder / "checkpoint"), Opening("cpu"))
    theirs = open_backend(f"hf:{folder / 'hub'}", Opening("cpu", batch_size=4))
    answers = outcomes(ours, asks(folder))
    # White space at the seams is the processor's own affair.
    said, heard = (
        [" ".join(a.text.split()) for a in each] for each in (answers, outcomes(theirs, asks(folder)))
    )
    assert said == heard and len(set(said)) > 1
    # So that the probabilities differ by a little, too.
    sure = [a.sure for a in outcomes(theirs, asks(folder))]
    assert sure == pytest.approx([a.sure for a in answers], rel=0.02) and max(sure) < 0
    decided = asks(folder, "next_token")
    mine, other = outcomes(ours, decided), outcomes(theirs, decided)
    assert [a.text for a in mine] == [a.text for a in other]
    assert all(a.stopped == "decided" for a in [*mine, *other])
    with pytest.raises(UserError, match="likelihood"):
        outcomes(theirs, asks(folder, "likelihood"))
    first, second = ours.identity(), theirs.identity()
    assert first["kind"] == "mmtune" and second["kind"] == "hf" and first["weights"] != second["weights"]


def test_the_probability_of_a_greedy_answer_is_that_of_its_tokens():
    import torch

    scores = torch.randn(4, 2, 9)  # steps, rows, vocabulary
    noted = Sureness()
    assert all(noted(None, step) is step for step in scores)
    each = scores.log_softmax(-1).amax(-1)
    assert [noted.of(0, 4), noted.of(1, 2)] == pytest.approx(
        [float(each[:, 0].sum()), float(each[:2, 1].sum())]
    )


def test_an_image_that_fails_is_an_outcome_of_every_kind_of_model(folder):
    root = str(folder / "world" / "images")
    lost = [Ask(root, "none.png", "Is it?", 3), asks(folder)[0], Ask(root, "", "What is two and two?", 3)]
    said = []
    for place in (str(folder / "checkpoint"), f"hf:{folder / 'hub'}"):
        bad, good, blind = outcomes(open_backend(place, Opening("cpu")), lost)
        assert isinstance(bad, UserError) and isinstance(good, Answer)
        said.append(" ".join(blind.text.split()))
    assert said[0] == said[1], "a question without an image"


def test_what_a_model_of_transformers_refuses_fails_alone(folder):
    """Here the processor counts one image token too many, as what was said before holds one."""
    good = asks(folder)
    bad = replace(good[1], history=(("Write it.", "<image>"),))
    backend = open_backend(f"hf:{folder / 'hub'}", Opening("cpu"))
    (wanted, *_), (first, refused, *_) = outcomes(backend, good), outcomes(backend, [good[0], bad, *good[2:]])
    assert isinstance(refused, UserError) and "refuses" in str(refused)
    assert first.text == wanted.text


def test_the_first_token_is_not_doubled_where_the_chat_template_writes_it(folder):
    backend = open_backend(f"hf:{folder / 'hub'}", Opening("cpu"))
    tokenizer = backend.processor.tokenizer
    assert tokenizer("a").input_ids[0] == tokenizer.bos_token_id, "else there is nothing to double"
    for texts in (["Is it?", "Is it very large?"], [f"{tokenizer.bos_token}Is it?"]):
        for ids in backend._inputs(texts, None)["input_ids"].tolist():
            assert ids.count(tokenizer.bos_token_id) == 1


def test_what_two_options_begin_with_speaks_for_neither():
    """Llama's tokenizer makes a lone space and a letter of " A" and of " B"."""
    import torch
    from tokenizers import Tokenizer, models, normalizers
    from transformers import PreTrainedTokenizerFast

    words = {"<unk>": 0, "▁": 1, "▁A": 2, "▁B": 3, "A": 4, "B": 5}
    made = Tokenizer(models.BPE(words, [("▁", "A"), ("▁", "B")], unk_token="<unk>"))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made)
    assert tokenizer(" A").input_ids == [1, 2]
    backend = HubModel(None, SimpleNamespace(tokenizer=tokenizer))
    asked = Ask("r", "", "So?", 1, "next_token", ("A", "B"), ("A", "B"))
    logprobs = torch.tensor([0.0, 0.5, 0.1, 0.3, 0.0, 0.0]).log_softmax(-1)[None]
    ((_, answer),) = backend._chosen([asked], [0], logprobs)
    assert answer.text == "B" and answer.logprobs == pytest.approx(logprobs[0, 2:4].tolist())
    ((_, alike),) = backend._chosen([replace(asked, options=("A", "A B"))], [0], logprobs)
    assert isinstance(alike, UserError)


def test_a_model_of_other_settings_is_another_model(folder, tmp_path):
    def identity(change):
        place = tmp_path / str(change)
        copytree(folder / "hub", place)
        path = place / "config.json"
        config = json.loads(path.read_text())
        config["text_config"]["rms_norm_eps"] *= change
        path.write_text(json.dumps(config))
        found = open_backend(f"hf:{place}", Opening("cpu")).identity()
        return {name: value for name, value in found.items() if name in ("weights", "settings", "tokenizer")}

    same, other = identity(1), identity(2)
    assert same["weights"] == other["weights"] and same["settings"] != other["settings"]


def test_a_batch_of_nothing_is_refused():
    with pytest.raises(UserError, match="batch size is 0"):
        open_backend("openai:http://127.0.0.1:1/v1#tiny", Opening(batch_size=0))


def test_an_endpoint_is_asked_with_the_image_and_its_answers_are_taken_as_they_are(folder):
    moods = {1: "cut", 3: "empty", 5: 400}
    with serve(Server(mood=lambda number, body: moods.get(number, "good"))) as server:
        backend = open_backend(f"openai:{server.url}#tiny", Opening(batch_size=1))
        found = outcomes(backend, asks(folder))
    assert [isinstance(outcome, Answer) for outcome in found] == [True] * 5 + [False]
    assert [(a.stopped, bool(a.text)) for a in found[:4]] == [
        ("stop", 1),
        ("length", 1),
        ("stop", 1),
        ("stop", 0),
    ]
    content = server.bodies[0]["messages"][0]["content"]
    assert content[0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert content[1]["text"] == "Is there a cup?"
    assert (server.bodies[0]["model"], server.bodies[0]["max_tokens"]) == ("tiny", 5)
    assert backend.identity()["model"] == "tiny"


@pytest.mark.parametrize(
    ("place", "message"),
    [("magic:x", "magic"), ("hf:/none", "cannot be loaded"), ("openai:http://127.0.0.1:1/v1", "not named")],
)
def test_what_is_no_model_is_one_clear_sentence(place, message):
    with pytest.raises(UserError, match=message):
        open_backend(place, Opening("cpu"))


def test_the_kinds_are_listed_without_loading_them():
    assert list(BACKENDS) == ["mmtune", "hf", "openai"]
    assert BACKENDS["openai"] is Endpoint
