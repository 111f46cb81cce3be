"""Names of other namings, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtune.errors import UserError
from mmtune.models.convert.hub import IN_MEMORY, LATER, LEGACY, RULES
from mmtune.models.convert.original import rules
from mmtune.models.convert.renaming import Rule, Split, join, split
from mmtune.models.convert.tokens import grown, rows_needed
from tests import reference_checkpoints as reference

examples = settings(derandomize=True, deadline=None, max_examples=60)

tails = st.builds(
    lambda first, rest: ".".join([first, *rest]),
    st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=8),
    st.lists(st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=6), max_size=3),
)
PARTS = {
    "vision": st.just("core."),
    "language": st.just("model."),
    "projector": st.sampled_from(["layers.0.", "layers.2."]),
}
NAMINGS = {"original": rules("mlp"), "legacy": LEGACY, "in memory": IN_MEMORY}


@st.composite
def parts(draw: st.DrawFn) -> Split[int]:
    """Names as this project has them; the values tell them apart."""
    found: Split[int] = {}
    for part, beginning in PARTS.items():
        names = draw(st.lists(st.builds(lambda b, t: b + t, beginning, tails), max_size=6, unique=True))
        if part == "language" and draw(st.booleans()):
            names.append("lm_head.weight")
        if part == "projector" and draw(st.booleans()):
            names.append("newline.weight")
        if names:
            found[part] = {name: hash((part, name)) for name in names}
    return found


@pytest.mark.parametrize("naming", NAMINGS)
@examples
@given(parts=parts())
def test_names_come_back(naming: str, parts: Split[int]) -> None:
    foreign = join(parts, NAMINGS[naming])
    assert len(foreign) == sum(map(len, parts.values()))
    assert split(foreign, NAMINGS[naming]) == (parts, [])


@pytest.mark.parametrize("naming", ["legacy", "in memory"])
@examples
@given(parts=parts())
def test_no_generation_reads_the_names_of_another_wrongly(naming: str, parts: Split[int]) -> None:
    foreign = join(parts, NAMINGS[naming])
    assert split(foreign, RULES) == (parts, [])
    later = {name.replace("vision_tower.vision_model.", "vision_tower."): n for name, n in foreign.items()}
    assert split(later, [*RULES, *LATER]) == (parts, [])


@pytest.mark.parametrize("model", ["tiny_llava", "tiny_llava_next"])
def test_all_generations_of_real_names_are_the_same_tensors(model: str) -> None:
    known = reference.known()
    legacy = split({hub: hub for hub in known["names"][model].values()}, RULES)
    memory = split({name: name for name in known["in_memory"][model]}, RULES)
    assert legacy[1] == memory[1] == []
    assert {p: set(names) for p, names in legacy[0].items()} == {
        p: set(names) for p, names in memory[0].items()
    }
    own = {name: hub for name, hub in known["names"][model].items() if not name.startswith("vision_model.")}
    parts, unknown = split(own, rules("mlp"))
    assert unknown == []
    for part, names in parts.items():
        assert names == {name: legacy[0][part][name] for name in names}


def test_a_tensor_that_stands_twice_is_refused() -> None:
    twice = {"vision_tower.vision_model.a": 1, "vision_tower.a": 2}
    with pytest.raises(UserError, match=r"vision_tower.vision_model.a and vision_tower.a"):
        split(twice, RULES)


def test_names_without_a_rule_are_told() -> None:
    assert split({"resampler.a": 1, "lm_head.weight": 2}, RULES)[1] == ["resampler.a"]
    with pytest.raises(KeyError, match=r"projector\.queries"):
        join({"projector": {"queries": 1}}, LEGACY)
    assert split({"a.b": 1}, [Rule("a.", "language", "x."), Rule("a.b", "projector", "y")])[0] == {
        "projector": {"y": 1}
    }


@examples
@given(tokens=st.integers(1, 300), rows=st.integers(1, 300))
def test_embeddings_grow_only_where_they_must(tokens: int, rows: int) -> None:
    import torch

    needed = rows_needed(tokens, rows)
    assert needed == rows if tokens <= rows else (needed % 64 == 0 and tokens <= needed < tokens + 64)
    old = torch.arange(rows * 2, dtype=torch.float32).view(rows, 2)
    new = grown(old, needed)
    assert torch.equal(new[:rows], old) and new.shape == (needed, 2)
    assert torch.allclose(new[rows:], old.mean(0).expand(needed - rows, 2))
