"""How the next token is chosen."""

from __future__ import annotations

import pytest
import torch

from mmtune.decode.engine import Engine, Request, Settings
from mmtune.decode.strategies import STRATEGIES, Step, get_strategy
from mmtune.errors import UserError
from tests.unit.decode.conftest import ask

LOGITS = torch.tensor([0.05, 0.5, 0.15, 0.3]).log()


def choose(settings: Settings, rows: int, seed: int = 0) -> torch.Tensor:
    draws = torch.rand(rows, generator=torch.Generator().manual_seed(seed))
    return get_strategy(settings).choose(Step(LOGITS.repeat(rows, 1), draws, [[]] * rows))


def test_greedy_takes_the_likeliest() -> None:
    assert choose(Settings(), 3).tolist() == [1, 1, 1]
    step = Step(torch.zeros(1, 4), torch.zeros(1), [[]])
    assert get_strategy(Settings()).choose(step).tolist() == [0], "the lowest of equal ones"


def test_sampling_follows_the_distribution() -> None:
    counts = torch.bincount(choose(Settings(temperature=1.0), 20_000), minlength=4) / 20_000
    assert counts.tolist() == pytest.approx([0.05, 0.5, 0.15, 0.3], abs=0.015)
    squared = torch.tensor([0.05, 0.5, 0.15, 0.3]) ** 2
    colder = torch.bincount(choose(Settings(temperature=0.5), 20_000), minlength=4) / 20_000
    assert colder.tolist() == pytest.approx((squared / squared.sum()).tolist(), abs=0.015)


@pytest.mark.parametrize(("top_p", "nucleus"), [(1e-6, {1}), (0.5, {1}), (0.51, {1, 3}), (0.9, {1, 2, 3})])
def test_nucleus_is_the_smallest_that_suffices(top_p: float, nucleus: set[int]) -> None:
    chosen = choose(Settings(temperature=1.0, top_p=top_p), 5_000)
    assert set(chosen.tolist()) == nucleus


def test_the_largest_draw_stays_in_the_vocabulary() -> None:
    step = Step(torch.randn(64, 1000), torch.full((64,), 1 - 2**-24), [[]] * 64)
    for top_p in (1.0, 0.3):
        chosen = get_strategy(Settings(temperature=2.0, top_p=top_p)).choose(step)
        assert int(chosen.max()) < 1000


def test_sampled_answers_depend_on_the_seed_but_not_on_the_batch(
    llama: Engine, questions: list[Request]
) -> None:
    settings = Settings(max_new_tokens=8, temperature=1.5, top_p=0.95, seed=3)
    first = llama.generate(questions, settings, batch_size=64)
    assert llama.generate(questions, settings, batch_size=2) == first
    assert llama.generate(questions, Settings(8, 1.5, 0.95, seed=4)) != first
    twice = llama.generate([ask("Hello"), ask("Hello")], settings)
    assert twice[0].ids != twice[1].ids, "two requests do not draw the same numbers"
    assert "".join(llama.stream(ask("Hello"), settings)) == twice[0].text


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_new_tokens": 0},
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"top_p": 0.0},
        {"top_p": 1.1},
    ],
)
def test_settings_are_checked_at_construction(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        Settings(**wrong)  # type: ignore[arg-type]


def test_an_unknown_strategy_names_the_nearest() -> None:
    assert set(STRATEGIES) == {"greedy", "sampling"}
    with pytest.raises(UserError, match="did you mean 'greedy'"):
        get_strategy(Settings(strategy="gredy"))
    with pytest.raises(UserError, match="temperature above 0"):
        get_strategy(Settings(strategy="sampling"))
