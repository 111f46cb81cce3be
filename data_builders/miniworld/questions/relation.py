"""Where does one object stand to another? Both orders of a pair are equally likely, so names tell nothing."""

from __future__ import annotations

from data_builders.draws import Draws
from data_builders.miniworld.describing import facts_named, refer
from data_builders.miniworld.questions.base import Arguments, Family, Solution
from data_builders.scenes import Scene


def _relation_family(
    name: str, axis: str, answers: tuple[str, str], phrasings: dict[str, tuple[str, ...]]
) -> Family:
    predicates = {f"{answer} of" if answer in ("left", "right") else answer: answer for answer in answers}

    def candidates(scene: Scene, draws: Draws) -> list[Arguments]:
        form = draws.choice(("side", *answers))
        pairs = {(r.subject, r.object) for r in scene.relations if r.predicate in predicates}
        return [{"form": form, "subject": one, "object": two} for one, two in sorted(pairs)]

    def solve(scene: Scene, arguments: Arguments) -> Solution | None:
        one, two, form = arguments["subject"], arguments["object"], arguments["form"]
        side = next(
            (
                predicates[r.predicate]
                for r in scene.relations
                if (r.subject, r.object) == (one, two) and r.predicate in predicates
            ),
            None,
        )
        first, second = refer(scene, scene.object(one)), refer(scene, scene.object(two))
        if side is None or first is None or second is None:
            return None
        answer = side if form == "side" else ("yes" if side == form else "no")
        words = {"first": first, "second": second}
        # Only the first counts as told: of two relations that share an object none follows, of three it can.
        tells = frozenset({(axis, one)})
        tells |= facts_named(scene, scene.object(one), first) | facts_named(scene, scene.object(two), second)
        return Solution(answer, (one, two), words, form, frozenset({(axis, one), (axis, two)}), tells)

    return Family(name, phrasings, candidates, solve, fair=True)


LEFT_RIGHT = _relation_family(
    "left_right",
    "x",
    ("left", "right"),
    {
        "side": (
            "Is {first} to the left or to the right of {second}?",
            "On which side of {second} is {first}?",
            "Is {first} left or right of {second}?",
        ),
        "left": (
            "Is {first} to the left of {second}?",
            "Is {first} left of {second}?",
            "Does {first} lie to the left of {second}?",
        ),
        "right": (
            "Is {first} to the right of {second}?",
            "Is {first} right of {second}?",
            "Does {first} lie to the right of {second}?",
        ),
    },
)
ABOVE_BELOW = _relation_family(
    "above_below",
    "y",
    ("above", "below"),
    {
        "side": (
            "Is {first} above or below {second}?",
            "Is {first} placed above or below {second}?",
            "Does {first} lie above or below {second}?",
        ),
        "above": (
            "Is {first} above {second}?",
            "Is {first} higher up than {second}?",
            "Does {first} lie above {second}?",
        ),
        "below": (
            "Is {first} below {second}?",
            "Is {first} lower down than {second}?",
            "Does {first} lie below {second}?",
        ),
    },
)
