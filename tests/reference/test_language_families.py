"""Every proven family of language models: packed, with images, generating, saved and loaded again."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmtune.decode.engine import Engine
from mmtune.decode.requests import Request, Settings
from mmtune.errors import UserError
from mmtune.models import checkpoint
from mmtune.models.adapters import attach, make_adapter
from mmtune.models.building import build
from mmtune.models.bundle import Bundle
from mmtune.models.config import LanguageConfig
from mmtune.models.kernels.capped import capped_attention
from mmtune.models.language import load_language
from mmtune.records import Turn
from tests.tiny_languages import PROVEN, tiny_language
from tests.unit.models.adapters.models import freeze_all_but_adapters, gradients, stir_adapters
from tests.unit.models.rows import IMAGE, make_config, make_row, split_row, token_losses

ROW = make_row([[-5, IMAGE, -6, 7, 8, 9], [-9, 10, 11], [IMAGE, -12, IMAGE, 13, -14, 15], [-16, IMAGE, 17]])
PICTURES = [
    Image.fromarray(np.random.RandomState(seed).randint(0, 255, (40, 40, 3), dtype=np.uint8))
    for seed in (0, 1)
]


@pytest.fixture(scope="module")
def bundles(backbones: dict[str, str], tmp_path_factory: pytest.TempPathFactory):
    """One model of each family, made when it is first asked for."""
    root = tmp_path_factory.mktemp("families")

    @cache
    def make(family: str) -> Bundle:
        names = {**backbones, family: str(tiny_language(root / family, family))}
        bundle = build(make_config(names, language=family), template="plain")
        bundle.model.eval()
        return bundle

    return make


@pytest.mark.parametrize("family", PROVEN)
def test_packed_losses_are_the_unpacked_ones(bundles, family):
    model = bundles(family).model
    with torch.no_grad():
        packed = token_losses(model, ROW)
        alone = torch.cat([token_losses(model, one) for one in split_row(ROW)])
    assert alone.std() > 0.05
    torch.testing.assert_close(packed, alone, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("family", PROVEN)
def test_a_document_is_what_transformers_itself_computes(bundles, family):
    """Windows and capped scores are honoured: the eager attention of transformers is the judge."""
    from transformers import AutoModelForCausalLM

    bundle = bundles(family)
    plain = AutoModelForCausalLM.from_pretrained(
        bundle.config.language.name, attn_implementation="eager"
    ).eval()
    row = make_row([[*range(-20, -3), 5, 6], [-3, -4, 8]])
    with torch.no_grad():
        found = bundle.model(row)
        long, short = (one.input_ids[None] for one in split_row(row))
        expected = torch.cat(
            [plain(input_ids=long).logits[0, -3:-1], plain(input_ids=short).logits[0, -2:-1]]
        )
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("family", PROVEN)
def test_images_change_the_answer_and_every_weight_learns(bundles, family):
    model = bundles(family).model
    row = make_row([[-3, IMAGE, -4, 5, 6]])
    other = make_row([[-3, IMAGE, -4, 5, 6]], seed=1)
    for part in model.parts():
        model.set_trainable(part, True)
    one, two = model(row), model(other)
    assert (one - two).abs().max() > 1e-3
    one.square().sum().backward()
    silent = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    model.zero_grad()
    assert silent == []
    assert len(model.blocks()) == 2 + model.language.config.num_hidden_layers


@pytest.mark.parametrize("family", PROVEN)
def test_greedy_answers_are_those_of_the_forward_pass(bundles, family):
    """Different lengths in one batch, behind a shared image, past the window of the families that have one."""
    bundle = bundles(family)
    questions = ["Is it red?", "What colour is the very large image that is shown here?", "How many?"]
    requests = [
        Request([picture], (Turn("user", f"<image>\n{question}"),))
        for picture in PICTURES
        for question in questions
    ]
    engine = Engine(bundle)
    found = engine.generate(requests, Settings(max_new_tokens=6))
    for request, completion in zip(requests, found, strict=True):
        alone = engine.generate([request], Settings(max_new_tokens=6))[0]
        assert completion.ids == alone.ids
        assert completion.ids == by_forward(engine, request, 6)


def by_forward(engine: Engine, request: Request, count: int) -> tuple[int, ...]:
    """Greedy ids, with the whole text through the model for every one."""
    from mmtune.decode.images import encode_images

    model = engine.model
    visual = encode_images(model, list(request.images))
    ids = engine.prompts.encode(request, [len(tokens) for tokens in visual], "here")
    new: list[int] = []
    with torch.no_grad():
        for _ in range(count):
            embeddings = model.embed(torch.tensor([*ids, *new]), visual_tokens=visual)
            out = model.language(inputs_embeds=embeddings[None], use_cache=False)
            new.append(int(out.logits[0, -1].argmax()))
            if engine.stops.ended(new):
                break
    return tuple(new)


@pytest.mark.parametrize("family", PROVEN)
def test_a_checkpoint_says_the_same(bundles, family, tmp_path):
    bundle = bundles(family)
    again = checkpoint.load(checkpoint.save(tmp_path / "saved", bundle))
    again.model.eval()
    with torch.no_grad():
        torch.testing.assert_close(again.model(ROW), bundle.model(ROW), atol=0, rtol=0)


@pytest.mark.parametrize("meta", [False, True])
def test_attention_of_its_own_making_is_refused(tmp_path, meta):
    folder = tiny_language(tmp_path / "falcon", "falcon")
    with pytest.raises(UserError, match="of its own making"):
        load_language(LanguageConfig(str(folder)), meta=meta)


def test_capped_scores_under_both_kinds_of_mask():
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 4, 3, 8, generator=generator)
    key, value = (torch.randn(2, 2, 5, 8, generator=generator) for _ in range(2))
    seen = torch.ones(3, 5, dtype=torch.bool).tril(2)
    added = torch.zeros(3, 5).masked_fill(~seen, torch.finfo(torch.float32).min)
    found = [
        capped_attention(query, key, value, mask, scale=None, softcap=2.0) for mask in (None, seen, added)
    ]
    scores = 2 * torch.tanh(query @ key.repeat_interleave(2, 1).transpose(2, 3) * 8**-0.5 / 2)
    expected = scores.masked_fill(~seen, -torch.inf).softmax(-1) @ value.repeat_interleave(2, 1)
    for one in found:
        torch.testing.assert_close(one, expected)


def test_a_row_wider_than_the_vocabulary_is_answered(backbones, tmp_path: Path):
    """Rows that pad a vocabulary are nobody's tokens; a random model likes them as well as others."""
    folder = tiny_language(tmp_path / "padded", "llama", vocab_size=640)
    bundle = build(make_config({**backbones, "llama": str(folder)}), template="plain")
    request = Request([PICTURES[0]], (Turn("user", "<image>\nIs it red?"),))
    found = Engine(bundle).generate([request] * 2, Settings(max_new_tokens=24))
    assert all(token < len(bundle.tokenizer) for token in found[0].ids)


ADAPTERS = {
    "lora": {"rank": 4, "alpha": 8},
    "mole": {"rank": 4, "alpha": 8, "experts": 3},
    "language_expert": {"width": 4, "guidance": 4},
}


@pytest.mark.parametrize("kind", ADAPTERS)
@pytest.mark.parametrize("family", sorted({"gpt2", "phi", "phi3", "gemma2"} & {*PROVEN}))
def test_adapters_fit_the_families(bundles, family, kind):
    """Whatever a family calls its layers: no change at first, a gradient for every weight, answers as forward."""
    bundle = copy.deepcopy(bundles(family))
    model = bundle.model
    with torch.no_grad():
        before = model(ROW)
    attach(model, make_adapter("language", kind, ADAPTERS[kind]))
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(model(ROW), before, atol=1e-4, rtol=1e-4)
    stir_adapters(bundle)
    freeze_all_but_adapters(bundle, ["language"])
    assert all(gradient is not None for gradient in gradients(bundle, ROW).values())
    model.eval()
    engine = Engine(bundle)
    requests = [
        Request([picture], (Turn("user", f"<image>\n{question}"),))
        for picture in PICTURES
        for question in ("Is it red?", "What colour is the very large image that is shown here?")
    ]
    for request, completion in zip(
        requests, engine.generate(requests, Settings(max_new_tokens=5)), strict=True
    ):
        assert completion.ids == by_forward(engine, request, 5)
