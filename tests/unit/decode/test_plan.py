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
        st.just(1),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(prompts, st.integers(1, 9))
def test_each_prompt_is_read_once_behind_its_own_prefix(prompts: list[Prompt], batch_size: int) -> None:
    groups = plan(prompts, batch_size)
    assert sorted(member for group in groups for member in group.members) == list(range(len(prompts)))
    for group in groups:
        assert 0 < len(group.members) <= batch_size
        first = prompts[group.members[0]]
        for member in group.members:
            assert prompts[member].ids[: group.prefix] == first.ids[: group.prefix]
            assert prompts[member].keys == first.keys
            left = len(prompts[member].ids) - group.prefix
            assert left >= prompts[member].tail, "tokens whose logits are wanted are in the branch"
    longest = [max(len(prompts[member].ids) for member in group.members) for group in groups]
    assert longest == sorted(longest, reverse=True)


def test_questions_about_one_image_share_its_prefix() -> None:
    image = [-200] * 30
    about = [Prompt([1, *image, question, 7], (name,)) for name in "ab" for question in range(3)]
    assert [(len(group.members), group.prefix) for group in plan([*about], 64)] == [(3, 31)] * 2
    # A group that does not fit is cut into even parts.
    assert [len(group.members) for group in plan([*about, *about], 4)] == [3, 3, 3, 3]


def test_a_prefix_that_saves_nothing_is_not_shared() -> None:
    assert all(not group.prefix for group in plan([Prompt([1, 2, 3]), Prompt([1, 2, 4])], 8))


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
