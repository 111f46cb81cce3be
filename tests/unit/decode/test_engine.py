"""Greedy answers are transformers' own, and depend on neither batch nor order."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from mmtune.decode.engine import Completion, Engine, Request, Settings
from mmtune.decode.images import encode_images
from mmtune.errors import UserError
from mmtune.records import Turn
from mmtune.templates.segments import encode, expand
from tests.unit.decode.conftest import ask, photo

LENGTH = 12


def reference(engine: Engine, request: Any, new_tokens: int) -> tuple[int, ...]:
    """Greedy ids by transformers' own ``generate``, one prompt at a time, ordinary SDPA and no sharing."""
    model = engine.model
    visual = encode_images(model, list(request.images)) if request.images else []
    segments = engine.prompts.template.render(request.turns, generate=True)
    ids = expand(encode(segments, engine.tokenizer), [len(v) for v in visual]).ids
    with torch.inference_mode():
        embeddings = model.embed(torch.tensor(ids), visual_tokens=visual).unsqueeze(0)
        out = model.language.generate(
            inputs_embeds=embeddings,
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            max_new_tokens=new_tokens,
            do_sample=False,
            eos_token_id=list(engine.stops.ids),
            pad_token_id=0,
        )
    return tuple(out[0].tolist())


def test_greedy_is_transformers_greedy(engine: Engine, questions: list[Request]) -> None:
    answers = engine.generate(questions, Settings(max_new_tokens=LENGTH), batch_size=5)
    expected = [reference(engine, question, LENGTH) for question in questions]
    assert [answer.ids for answer in answers] == expected
    assert len(set(expected)) > len(expected) // 2, "the answers are too alike to compare anything"


@pytest.mark.parametrize("batch_size", [1, 7, 32])
def test_greedy_depends_on_neither_batch_nor_order(
    engine: Engine, questions: list[Request], batch_size: int
) -> None:
    settings = Settings(max_new_tokens=LENGTH, logprobs=True)
    expected = engine.generate(questions, settings, batch_size=64)
    order = list(range(len(questions)))
    random.Random(batch_size).shuffle(order)
    answers = engine.generate([questions[i] for i in order], settings, batch_size=batch_size)
    for place, index in enumerate(order):
        assert answers[place].ids == expected[index].ids
        assert answers[place].text == expected[index].text
        assert answers[place].logprobs == pytest.approx(expected[index].logprobs, abs=1e-4)


def test_rows_that_end_early_leave_the_others_alone(make_bundle: Any, questions: list[Request]) -> None:
    """With many stop tokens rows end at different steps, so that the batch shrinks under way."""
    engine = Engine(make_bundle("llama"))
    engine.stops.ids = frozenset(range(0, 488, 5))
    answers = engine.generate(questions, Settings(max_new_tokens=30), batch_size=64)
    lengths = {len(answer.ids) for answer in answers}
    assert len(lengths) > 3
    assert [answer.ids for answer in answers] == [reference(engine, q, 30) for q in questions]
    assert {answer.stopped for answer in answers} <= {"stop", "length"}


def test_a_sliding_window_is_exact(make_bundle: Any) -> None:
    """Padding must not shift the window: prompts here are far longer than the 16 tokens that a layer sees."""
    engine = Engine(make_bundle("qwen2", use_sliding_window=True, sliding_window=16, max_window_layers=1))
    image = photo(1)
    texts = ("Is it 7?", "Is there a red circle?", "How many?", "Is it 5?", "What does the word on it read?")
    requests = [ask(text, image) for text in texts] + [ask(text) for text in texts]
    answers = engine.generate(requests, Settings(max_new_tokens=LENGTH))
    assert [answer.ids for answer in answers] == [reference(engine, request, LENGTH) for request in requests]


def test_rows_enter_as_others_end(make_bundle: Any, questions: list[Request]) -> None:
    """Answers of different lengths in few rows: some prompts are read while others are being answered."""
    engine = Engine(make_bundle("llama"))
    engine.stops.ids = frozenset(range(0, 488, 5))
    expected = engine.generate(questions, Settings(max_new_tokens=30), batch_size=64)
    steps: list[int] = []
    hook = engine.model.language.register_forward_pre_hook(
        lambda module, args, kwargs: steps.append(kwargs["inputs_embeds"].shape[1]), with_kwargs=True
    )
    ended = []
    try:
        for index, answer in engine.answers(questions, Settings(max_new_tokens=30), batch_size=5):
            assert answer.ids == expected[index].ids
            ended.append((len(steps), index))
    finally:
        hook.remove()
    reading = [place for place, tokens in enumerate(steps) if tokens > 5]
    assert len(reading) > 2 and reading[-1] > reading[1] + 1, "prompts enter later, too"
    assert len({step for step, _ in ended}) > 4, "an answer is given as soon as it is over"
    own = [replace(question, max_new_tokens=2 + place % 3) for place, question in enumerate(questions)]
    short = engine.generate(own, Settings(max_new_tokens=30))
    assert [a.ids for a in short] == [e.ids[: 2 + place % 3] for place, e in enumerate(expected)]


def test_options_are_ranked_as_the_whole_text_is(engine: Engine, questions: list[Request]) -> None:
    options = [("Yes", "No", "a red circle"), ("two", "three", "Yes. No.", "Yes.")]
    wanted = [options[place % 2] for place in range(len(questions))]
    found = dict(engine.likelihoods(questions, wanted, batch_size=5))
    assert sorted(found) == list(range(len(questions)))
    for place, question in enumerate(questions):
        scores = [reference_score(engine, question, option) for option in wanted[place]]
        totals = [sum(score) for score in scores]
        ranking = found[place]
        assert ranking is not None and ranking.logprobs == pytest.approx(totals, abs=1e-3)
        assert ranking.tokens == tuple(map(len, scores))
        assert ranking.best == max(range(len(scores)), key=totals.__getitem__)
    first = dict(engine.next_tokens(questions, [("Yes", "No")] * len(questions)))
    for place, question in enumerate(questions):
        expected = [reference_score(engine, question, option)[0] for option in ("Yes", "No")]
        ranking = first[place]
        assert ranking is not None and ranking.logprobs == pytest.approx(expected, abs=1e-3)


def test_options_that_begin_alike_cannot_be_told_apart_by_one_token(llama: Engine) -> None:
    failures: dict[int, UserError] = {}
    requests = [ask("a", photo(1)), Request((), ()), ask("b", photo(1))]
    options = [("Yes", "No"), ("Yes", "No"), ("a red circle", "a red cup")]
    found = dict(llama.next_tokens(requests, options, failures=failures))
    assert (found[0] is None, found[1], found[2]) == (False, None, None)
    assert sorted(failures) == [1, 2] and "by their first token" in str(failures[2])
    found = dict(llama.likelihoods(requests, options, failures=failures))
    assert found[1] is None and found[0] is not None and found[2] is not None
    with pytest.raises(UserError, match="told apart"):
        list(llama.likelihoods(requests[:1], [("Yes", "Yes")]))


def test_an_option_that_does_not_fit_behind_its_question_fails_it(llama: Engine) -> None:
    assert llama.context is not None
    failures: dict[int, UserError] = {}
    requests = [ask("a", photo(1)), ask("b", photo(1))]
    options = [("Yes", "No"), ("Yes", "No " * llama.context)]
    found = dict(llama.likelihoods(requests, options, failures=failures))
    assert found[0] is not None and found[1] is None
    assert f"reads at most {llama.context}" in str(failures[1])


def reference_score(engine: Engine, request: Any, option: str) -> list[float]:
    """Log-probability of each token of an answer, with the whole text through the model at once."""
    model = engine.model
    visual = encode_images(model, list(request.images)) if request.images else []
    template = engine.prompts.template
    ids = expand(
        encode(template.render(request.turns, generate=True), engine.tokenizer), [len(v) for v in visual]
    ).ids
    answer = engine.prompts.option(request, option)
    assert engine.tokenizer.decode(answer).strip() == option
    with torch.inference_mode():
        embeddings = model.embed(torch.tensor([*ids, *answer]), visual_tokens=visual).unsqueeze(0)
        logits = model.language(inputs_embeds=embeddings, use_cache=False).logits[0]
    scores = torch.log_softmax(logits[:, : engine.words].float(), dim=-1)
    return [float(scores[len(ids) + place - 1, token]) for place, token in enumerate(answer)]


def test_shared_images_are_encoded_once(llama: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    inside = llama.model.encode_images

    def counted(pixels: torch.Tensor, *rest: Any) -> Any:
        seen.append(len(pixels))
        return inside(pixels, *rest)

    monkeypatch.setattr(llama.model, "encode_images", counted)
    same, copy, other = photo(1), photo(1), photo(2)
    llama.generate([ask("a", same), ask("b", copy), ask("c", other), ask("d", same)], Settings(4))
    assert sum(seen) == 2, "equal pixels are one image"
    seen.clear()
    opened: list[str] = []

    def lazily() -> Any:
        opened.append("once")
        return photo(5)

    llama.generate([ask(str(n), lazily, keys=("five",)) for n in range(9)], Settings(4), batch_size=2)
    assert opened == ["once"] * 2, "once for each window of four batches"
    assert sum(seen) == 2


def test_other_pixels_give_another_answer(engine: Engine) -> None:
    answers = engine.generate([ask("What is it?", photo(seed)) for seed in range(6)], Settings(LENGTH))
    assert len({answer.ids for answer in answers}) > 1


def test_completions_tell_how_they_ended(llama: Engine) -> None:
    (answer,) = llama.generate([ask("Hello")], Settings(max_new_tokens=3, logprobs=True))
    assert answer.stopped == "length"
    assert len(answer.ids) == 3 == len(answer.logprobs or ())
    assert all(score <= 0 for score in answer.logprobs or ())
    assert llama.generate([]) == []


def test_a_prompt_longer_than_the_context_is_refused(make_bundle: Any) -> None:
    engine = Engine(make_bundle("qwen2", max_position_embeddings=64))
    with pytest.raises(UserError, match="reads at most 64") as caught:
        engine.generate([ask("word " * 80, id="row 3 of questions.jsonl")])
    assert caught.value.where == "row 3 of questions.jsonl"
    assert caught.value.fix
    (answer,) = engine.generate([ask("short")], Settings(max_new_tokens=500))
    assert answer.prompt_tokens + len(answer.ids) <= 64


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request([], ()), "does not end with a question"),
        (Request([], (Turn("user", "a"), Turn("assistant", "b"))), "does not end with a question"),
        (Request([], (Turn("user", "<image>\na"),)), "1 <image> placeholder"),
        (Request([photo(0)], (Turn("user", "a"),)), "0 <image> placeholder"),
        (Request([photo(0)], (Turn("user", "<image> a"),), keys=("a", "b")), r"1 image\(s\) and 2 key"),
    ],
)
def test_requests_that_ask_nothing_are_refused(llama: Engine, request_: Request, message: str) -> None:
    with pytest.raises(UserError, match=message):
        llama.generate([request_])
    failures: dict[int, UserError] = {}
    bad, good = llama.generate([request_, ask("a")], Settings(2), failures=failures)
    assert bad == Completion("", (), "failed")
    assert good.ids
    assert list(failures) == [0]


def test_an_image_that_fails_is_reported_and_the_rest_answered(llama: Engine, tmp_path: Path) -> None:
    from PIL import Image

    photo(1, 300, 300).save(tmp_path / "cut.jpg")
    data = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    cut = Image.open(tmp_path / "cut.jpg")
    finished: list[int] = []
    failures: dict[int, UserError] = {}
    requests = [
        ask("a", lambda: cut, keys=("cut",)),
        ask("b", photo(2)),
        ask("c", lambda: cut, keys=("cut",)),
    ]
    answers = llama.generate(requests, Settings(3), failures=failures, progress=finished.append)
    assert [answer.stopped for answer in answers] == ["failed", "length", "failed"]
    assert sorted(failures) == [0, 2]
    assert "cannot be decoded" in str(failures[0])
    assert sum(finished) == 3
    with pytest.raises(UserError, match="cannot be decoded"):
        llama.generate(requests)


def test_a_request_that_asks_nothing_counts_as_finished(llama: Engine) -> None:
    finished: list[int] = []
    failures: dict[int, UserError] = {}
    requests = [ask("a", photo(1)), Request((), ())]
    llama.generate(requests, Settings(2), failures=failures, progress=finished.append)
    assert sorted(failures) == [1] and sum(finished) == 2


def test_images_of_other_palettes_are_other_images() -> None:
    from mmtune.decode.images import image_keys

    pictures = [Image.new("P", (4, 4)) for _ in range(2)]
    pictures[0].putpalette([255, 0, 0])
    pictures[1].putpalette([0, 0, 255])
    one, other = (image_keys(ask("a", picture), {}) for picture in pictures)
    assert one != other
    assert one == image_keys(ask("a", pictures[0].convert("RGB")), {})


def test_a_lazily_opened_image_that_is_cut_fails_alone(llama: Engine, tmp_path: Path) -> None:
    photo(1, 300, 300).save(tmp_path / "cut.jpg")
    data = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    failures: dict[int, UserError] = {}
    requests = [ask("a", Image.open(tmp_path / "cut.jpg")), ask("b", photo(2))]
    answers = llama.generate(requests, Settings(3), failures=failures)
    assert [answer.stopped for answer in answers] == ["failed", "length"]


def test_no_batch_and_no_such_device_are_one_clear_sentence(llama: Engine) -> None:
    with pytest.raises(UserError, match="batch size"):
        llama.generate([], batch_size=0)
    with pytest.raises(UserError, match="device cannot be used"):
        Engine(llama.bundle, "cuda:99")


def test_too_little_memory_halves_the_batch(llama: Engine, questions: list[Request]) -> None:
    """A language model that has room for one prompt only, as a GPU would say it."""
    expected = llama.generate(questions, Settings(LENGTH))
    tokens: list[int] = []

    def crowded(module: Any, args: Any, kwargs: Any) -> None:
        tokens.append(kwargs["inputs_embeds"].shape[1])
        if tokens[-1] > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")

    hook = llama.model.language.register_forward_pre_hook(crowded, with_kwargs=True)
    try:
        limit = max(answer.prompt_tokens for answer in expected)
        assert llama.generate(questions, Settings(LENGTH)) == expected
        assert max(tokens) > limit
        limit = 0
        with pytest.raises(UserError, match="too little memory"):
            llama.generate(questions, Settings(LENGTH))
    finally:
        hook.remove()


@pytest.mark.parametrize(
    ("language", "template"), [("llama", "plain"), ("qwen2", "tokenizer"), ("qwen3", "chatml")]
)
def test_every_template_can_be_answered(make_bundle: Any, language: str, template: str) -> None:
    engine = Engine(make_bundle(language, template=template))
    requests = [ask("What is it?", photo(1)), ask("Is there a cup in it?", photo(1))]
    answers = engine.generate(requests, Settings(LENGTH))
    assert [answer.ids for answer in answers] == [reference(engine, request, LENGTH) for request in requests]


def test_a_language_model_in_bfloat16_beside_a_float32_tower(make_bundle: Any) -> None:
    bundle = make_bundle("qwen3")
    bundle.model.language.to(torch.bfloat16)
    (answer,) = Engine(bundle).generate([ask("What is it?", photo(1))], Settings(4, logprobs=True))
    assert len(answer.logprobs or ()) == len(answer.ids) > 0


def test_the_model_is_left_as_it_was(llama: Engine) -> None:
    model = llama.model
    model.train()
    model.vision.eval()
    before = [module.training for module in model.modules()]
    llama.generate([ask("a", photo(1))], Settings(2))
    list(llama.stream(ask("a", photo(1)), Settings(2)))
    assert [module.training for module in model.modules()] == before
    model.eval()
