"""Every prompt runs exactly once, behind the prefix that is really its own."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mmtune.decode.plan import Prompt, common_prefix, plan, windows

prompts = st.lists(
    st.builds(
        Prompt,
        st.lists(st.integers(0, 2), min_size=1, max_size=40),
        st.sampled_from([(), ("a",), ("b",), ("a", "b")]),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(prompts, st.integers(1, 9), st.booleans())
def test_each_prompt_runs_once_behind_its_own_prefix(
    prompts: list[Prompt], batch_size: int, uniform: bool
) -> None:
    batches = plan(prompts, batch_size, uniform=uniform)
    assert sorted(row for batch in batches for row in batch.rows) == list(range(len(prompts)))
    for batch in batches:
        assert 0 < len(batch.rows) <= batch_size
        assert len(batch.prefix_of_row) in (0, len(batch.rows))
        for row, index in enumerate(batch.rows):
            start = batch.start(row)
            assert start < len(prompts[index].ids), "a token is left whose logits choose the next"
            if batch.owners:
                owner = batch.owners[batch.prefix_of_row[row]]
                assert prompts[owner].ids[:start] == prompts[index].ids[:start]
                assert prompts[owner].keys == prompts[index].keys
        if uniform:
            assert (
                len({len(prompts[index].ids) - batch.start(row) for row, index in enumerate(batch.rows)}) == 1
            )
            assert len(set(batch.prefix_lengths)) <= 1


def test_questions_about_one_image_share_its_prefix() -> None:
    image = [-200] * 30
    about = [Prompt([1, *image, question, 7], (name,)) for name in "ab" for question in range(3)]
    (batch,) = plan([*about], 64)
    assert batch.prefix_lengths == [31, 31]
    assert len(batch.rows) == 6


def test_a_prefix_that_saves_nothing_is_not_shared() -> None:
    assert all(not batch.owners for batch in plan([Prompt([1, 2, 3]), Prompt([1, 2, 4])], 8))


def test_rows_of_like_length_run_together() -> None:
    lengths = [3, 90, 4, 91, 5, 92]
    batches = plan([Prompt([n] * length, (n,)) for n, length in enumerate(lengths)], 3)
    assert [sorted(lengths[row] for row in batch.rows) for batch in batches] == [[3, 4, 5], [90, 91, 92]]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.integers(0, 1), max_size=6), min_size=1, max_size=5))
def test_common_prefix_is_the_longest(rows: list[list[int]]) -> None:
    length = common_prefix(rows)
    assert all(row[:length] == rows[0][:length] for row in rows)
    longer = [row[: length + 1] for row in rows]
    assert any(row != longer[0] for row in longer) or min(map(len, rows)) == length


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from("abcd"), max_size=40), st.integers(1, 9))
def test_windows_keep_images_together(names: list[str], size: int) -> None:
    keys = {index: (name,) for index, name in enumerate(names)}
    parts = list(windows(keys, size))
    assert sorted(index for part in parts for index in part) == list(range(len(names)))
    assert all(part[index] == keys[index] for part in parts for index in part)
    assert all(0 < len(part) <= size for part in parts)
    for name in set(names):
        if names.count(name) <= size:
            assert sum((name,) in part.values() for part in parts) == 1
