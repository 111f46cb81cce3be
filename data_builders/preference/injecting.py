"""A true description of a scene, and the same with a few words that are certainly wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data_builders.draws import Draws
from data_builders.preference.statements import KINDS, Claim, evidence, say, truth, untrue_versions
from data_builders.programs.view import View


@dataclass(frozen=True)
class Fact:
    """A claim with its sentence."""

    claim: Claim
    text: str

    def to_json(self, view: View) -> dict[str, Any]:
        """As ``Preference.chosen_facts`` has it."""
        return {"text": self.text, "claim": dict(self.claim), "evidence": evidence(view, self.claim)}


@dataclass(frozen=True)
class Edit:
    """One sentence of a description, turned untrue."""

    place: int
    """Of the fact in the description, from 0."""
    fact: Fact
    untrue: Fact

    def to_json(self) -> dict[str, Any]:
        """As ``Preference.rejected_edits`` has it."""
        row = {"kind": self.fact.claim["kind"], "place": self.place, "true": self.fact.text}
        return {**row, "false": self.untrue.text, "claim": dict(self.untrue.claim), "shown_by": "scene"}


def true_facts(view: View, draws: Draws) -> dict[str, list[Fact]]:
    """What can be said of a scene, by kind, in random order; each sentence once."""
    found: dict[str, list[Fact]] = {}
    for name, kind in KINDS.items():
        facts: dict[str, Fact] = {}
        for claim in kind.propose(view, draws):
            text = say(view, claim)
            if text is not None and truth(view, claim):
                facts.setdefault(text, Fact(claim, text))
        found[name] = list(facts.values())
    return found


def choose(facts: Mapping[str, Sequence[Fact]], most: int, wanted: Sequence[Fact] = ()) -> list[Fact]:
    """At most ``most`` facts, of all kinds in turn, with the wanted ones among them; by kind and place."""
    order = [fact for kind in facts.values() for fact in kind]
    chosen = list(wanted)[:most]
    rounds = max((len(kind) for kind in facts.values()), default=0)
    for place in range(rounds):
        for kind in facts.values():
            if len(chosen) < most and place < len(kind) and kind[place] not in chosen:
                chosen.append(kind[place])
    return sorted(chosen, key=order.index)


def inject(
    view: View, facts: Mapping[str, Sequence[Fact]], kind: str, edits: int, most: int, draws: Draws
) -> tuple[list[Fact], list[Edit]]:
    """A description, and ``edits`` of its sentences of one kind (fewer where there are fewer) made untrue.

    Returns:
        Facts and edits; both empty where nothing of this kind can be proven untrue.
    """
    turned: list[tuple[Fact, Fact]] = []
    for fact in facts[kind]:
        if len(turned) == min(edits, most):
            break
        versions = untrue_versions(view, fact.claim, draws)
        if versions:
            claim = versions[draws.below(len(versions))]
            text = say(view, claim)
            assert text is not None
            turned.append((fact, Fact(claim, text)))
    if not turned:
        return [], []
    chosen = choose(facts, most, [fact for fact, _ in turned])
    return chosen, [Edit(chosen.index(fact), fact, untrue) for fact, untrue in turned]


def text_of(facts: Sequence[Fact], edits: Sequence[Edit] = ()) -> str:
    """The sentences one after the other, with the untrue ones in their places."""
    texts = [fact.text for fact in facts]
    for edit in edits:
        texts[edit.place] = edit.untrue.text
    return " ".join(texts)
