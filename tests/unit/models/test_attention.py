"""Attention over a packed row: exact, inside documents, and honest about what it cannot do."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtune.errors import UserError
from mmtune.models import kernels
from mmtune.models.attention import packed_arguments, packed_attention
from mmtune.models.kernels import KERNELS, choose_kernel
from mmtune.models.language import load_language
from tests.unit.models.rows import LANGUAGES, LanguageConfig, save_other_language

CPU = torch.device("cpu")


def by_hand(query, key, value, lengths, scale, window, softcap=None):
    """Softmax attention under the explicit mask of a packed row."""
    tokens, heads, width = query.shape
    document = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    place = torch.arange(tokens)
    seen = (document[:, None] == document[None]) & (place[:, None] >= place[None])
    if window is not None:
        seen &= place[:, None] - place[None] < window
    key, value = (x.repeat_interleave(heads // x.shape[1], dim=1) for x in (key, value))
    scores = torch.einsum("qhd,khd->hqk", query, key) * (scale or width**-0.5)
    if softcap is not None:
        scores = softcap * (scores / softcap).tanh()
    weights = scores.masked_fill(~seen, -torch.inf).softmax(-1)
    return torch.einsum("hqk,khd->qhd", weights, value)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    key_heads=st.sampled_from([1, 2, 4]),
    window=st.none() | st.integers(1, 6),
    scale=st.sampled_from([None, 0.5]),
    softcap=st.sampled_from([None, 1.5]),
)
def test_sdpa_kernel_equals_the_masked_softmax(lengths, key_heads, window, scale, softcap):
    generator = torch.Generator().manual_seed(sum(lengths))
    shapes = ((sum(lengths), heads, 8) for heads in (4, key_heads, key_heads))
    query, key, value = (torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes)
    got = KERNELS["sdpa"](
        query, key, value, tuple(lengths), scale=scale, window=window, dropout=0.0, softcap=softcap
    )
    # weights of capped scores are summed in float32, as transformers sums them
    tolerance = {} if softcap is None else {"atol": 1e-5, "rtol": 1e-5}
    torch.testing.assert_close(got, by_hand(query, key, value, lengths, scale, window, softcap), **tolerance)


def test_bfloat16_stays_bfloat16():
    query = torch.randn(5, 2, 8, dtype=torch.bfloat16)
    got = KERNELS["sdpa"](query, query, query, (2, 3), scale=None, window=None, dropout=0.0)
    assert got.dtype == torch.bfloat16
    wide = query.float()
    torch.testing.assert_close(
        got.float(), by_hand(wide, wide, wide, [2, 3], None, None), atol=0.02, rtol=0.02
    )


@pytest.mark.parametrize("kind", LANGUAGES)
def test_no_mask_is_built_for_a_packed_row(backbones, kind, monkeypatch):
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

    model, _ = load_language(LanguageConfig(backbones[kind]))
    monkeypatch.setitem(
        ALL_MASK_ATTENTION_FUNCTIONS._global_mapping,
        "mmtune_packed",
        lambda **_: pytest.fail("a mask of tokens x tokens was built"),
    )
    ids = torch.arange(3, 10)[None]
    positions = torch.tensor([[0, 1, 2, 0, 1, 2, 3]])
    model(input_ids=ids, position_ids=positions, use_cache=False, **packed_arguments((3, 4), "sdpa", CPU))


def test_a_sliding_window_is_honoured(tmp_path):
    folder = save_other_language(tmp_path / "mistral", "mistral", sliding_window=4)
    packed, _ = load_language(LanguageConfig(str(folder)))
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    long, short = torch.arange(3, 15), torch.arange(20, 23)
    expected = torch.cat([plain(input_ids=ids[None]).logits[0] for ids in (long, short)])
    positions = torch.cat([torch.arange(12), torch.arange(3)])[None]
    arguments = packed_arguments((12, 3), "sdpa", CPU)
    got = packed(
        input_ids=torch.cat([long, short])[None], position_ids=positions, use_cache=False, **arguments
    )
    torch.testing.assert_close(got.logits[0], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", LANGUAGES)
def test_decoding_with_a_cache_and_left_padding_is_ordinary(backbones, kind):
    from transformers import AutoModelForCausalLM

    model, _ = load_language(LanguageConfig(backbones[kind]))
    plain = AutoModelForCausalLM.from_pretrained(backbones[kind], attn_implementation="eager")
    ids = torch.tensor([[0, 0, 5, 6, 7, 8], [9, 10, 11, 12, 13, 14]])
    mask = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    with torch.no_grad():
        alone = plain(input_ids=ids[:1, 2:]).logits[0, -1]
        first = model(
            input_ids=ids[:, :4], attention_mask=mask[:, :4], position_ids=positions[:, :4], use_cache=True
        )
        cache, logits = first.past_key_values, None
        for step in (4, 5):
            out = model(
                input_ids=ids[:, step : step + 1],
                attention_mask=mask[:, : step + 1],
                position_ids=positions[:, step : step + 1],
                past_key_values=cache,
                use_cache=True,
            )
            logits = out.logits[:, -1]
        torch.testing.assert_close(logits[0], alone, atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(logits[1], plain(input_ids=ids[1:]).logits[0, -1], atol=2e-5, rtol=1e-4)


def test_a_model_that_drops_the_document_lengths_is_found_out(backbones):
    model, _ = load_language(LanguageConfig(backbones["llama"]))
    arguments = packed_arguments((3, 4), "sdpa", CPU)
    del arguments["document_lengths"]
    with pytest.raises(UserError, match="would see each other"):
        model(input_ids=torch.arange(3, 10)[None], use_cache=False, **arguments)


@pytest.mark.parametrize("name", ["s_aux", "position_bias"])
def test_unknown_changes_of_the_scores_are_refused(name):
    x = torch.randn(1, 2, 3, 8)
    with pytest.raises(UserError, match=name):
        packed_attention(torch.nn.Module(), x, x, x, None, document_lengths=(3,), **{name: 30.0})


def test_a_packed_row_is_one_row_without_cache():
    x = torch.randn(2, 2, 3, 8)
    with pytest.raises(ValueError, match="batch of one"):
        packed_attention(torch.nn.Module(), x, x, x, None, document_lengths=(3,))


def test_flash_kernel_tells_flash_attn_where_documents_are(monkeypatch):
    """flash-attn needs a GPU: a stand-in with its documented meaning shows what the kernel asks of it."""

    def varlen(
        q, k, v, starts_q, starts_k, longest_q, longest_k, *, dropout_p, softmax_scale, causal, window_size
    ):
        assert starts_q.dtype == torch.int32 and torch.equal(starts_q, starts_k)
        assert longest_q == longest_k == int(starts_q.diff().max()) and causal and dropout_p == 0.0
        assert q.dtype == torch.bfloat16 and window_size in ((-1, -1), (2, 0))
        window = None if window_size[0] < 0 else window_size[0] + 1
        wide = (x.float() for x in (q, k, v))
        return by_hand(*wide, starts_q.diff().tolist(), softmax_scale, window).to(q.dtype)

    monkeypatch.setitem(sys.modules, "flash_attn", SimpleNamespace(flash_attn_varlen_func=varlen))
    query, key = torch.randn(9, 4, 8), torch.randn(9, 2, 8)
    for window in (None, 3):
        got = KERNELS["flash"](query, key, key, (5, 4), scale=0.3, window=window, dropout=0.0)
        assert got.dtype == torch.float32
        torch.testing.assert_close(got, by_hand(query, key, key, [5, 4], 0.3, window), atol=0.05, rtol=0.05)


def test_kernel_is_chosen_for_the_device():
    assert choose_kernel("auto", CPU, torch.float32) == "sdpa"
    assert choose_kernel("sdpa", CPU, torch.float32) == "sdpa"
    with pytest.raises(UserError) as error:
        choose_kernel("flash", CPU, torch.bfloat16)
    assert error.value.where == "model.language.attention"


def test_float32_is_never_computed_by_the_flash_kernel(monkeypatch):
    monkeypatch.setattr(kernels, "_flash_installed", lambda: True)
    gpu = torch.device("cuda")
    assert choose_kernel("auto", gpu, torch.bfloat16) == "flash"
    assert choose_kernel("auto", gpu, torch.float32) == "sdpa"
    with pytest.raises(UserError, match="bfloat16 or float16 only"):
        choose_kernel("flash", gpu, torch.float32)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: kind == "cuda")
    monkeypatch.setattr(torch, "get_autocast_dtype", lambda kind: torch.bfloat16)
    assert choose_kernel("auto", gpu, torch.float32) == choose_kernel("flash", gpu, torch.float32) == "flash"
