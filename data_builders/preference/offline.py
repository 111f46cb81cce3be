"""Rules that answer the prompts of preferences out of a scene, without a model; for tests and dry runs."""

from __future__ import annotations

import json
import re

from data_builders.draws import Draws
from data_builders.preference.injecting import choose, text_of, true_facts
from data_builders.preference.spans import Span, check_spans
from data_builders.preference.statements import say, untrue_versions
from data_builders.programs.asking import stable_number
from data_builders.programs.view import View
from data_builders.prompted.claims import check_answer
from data_builders.scenes import Scene
from data_builders.teachers.base import Request, UnusableError

_FACTS = 5
_VOWELS = tuple("aeiou")


def described(scene: Scene, seed: int, errors: int) -> str:
    """A description with as many sentences that the scene refutes, or fewer where that many cannot be."""
    draws = Draws(seed, stable_number(scene.id))
    view = View(scene)
    facts = choose(true_facts(view, draws), _FACTS)
    if not facts:
        return f"It is a picture, and this is remark {seed} about it."
    texts = [fact.text for fact in facts]
    left = errors
    for place in draws.in_random_order(range(len(facts))):
        for claim in untrue_versions(view, facts[place].claim, draws) if left else ():
            said = say(view, claim)
            if said is not None and wrong(scene, said):
                texts[place], left = said, left - 1
                break
    return " ".join(texts)


def wrong(scene: Scene, text: str) -> tuple[str, ...]:
    """What the scene says against a text."""
    return check_answer("", text, scene).reasons


def flawed(request: Request) -> str:
    """A description that is right for one seed and wrong for the next ones."""
    seed = request.settings.seed
    return described(request.facts["scene"], seed, (seed - 1) % 4)


def most_flawed(request: Request) -> str:
    """A description with two errors."""
    return described(request.facts["scene"], request.settings.seed, 2)


def blurred(request: Request) -> str:
    """As ``most_flawed``."""
    return most_flawed(request)


def named_edits(request: Request) -> str:
    """A thing of the answer for one that is not there."""
    scene: Scene = request.facts["scene"]
    answer = request.facts["answer"]
    names = list(dict.fromkeys(item.name for item in scene.objects))
    absent = sorted(scene.exhaustive_classes - set(names))
    for name in names:
        fitting = [one for one in absent if one.startswith(_VOWELS) == name.startswith(_VOWELS)]
        if not fitting:
            continue
        span = Span("object", name, fitting[len(answer) % len(fitting)])
        try:
            check_spans(answer, [span])
        except UnusableError:
            continue
        return json.dumps({"edits": [{"kind": span.kind, "true": span.true, "false": span.false}]})
    last = re.findall(r"\w+", answer)[-1]
    return json.dumps({"edits": [{"kind": "object", "true": last, "false": "violin"}]})


def edit_is_false(request: Request) -> str:
    """No: what the scene does not refute, rules cannot refute either."""
    return json.dumps({"false": False})


def sentences_of(request: Request) -> str:
    """Each sentence is a claim."""
    found = [part.strip() for part in re.split(r"(?<=[.!?])\s+", request.facts["answer"]) if part.strip()]
    return json.dumps({"claims": list({part.lower(): part for part in found}.values())})


def scene_says(request: Request) -> str:
    """Yes, unless the scene refutes it: a labeller that knows the annotation by heart."""
    return "no" if wrong(request.facts["scene"], request.facts["claim"]) else "yes"


def _errors(request: Request) -> int:
    return len(wrong(request.facts["scene"], request.facts["answer"]))


def rated(request: Request) -> str:
    """Ratings that fall with every error."""
    good, words = max(0, 4 - 2 * _errors(request)), len(request.facts["answer"].split())
    marks = {"helpfulness": good, "correctness": good, "coherence": 3}
    return json.dumps({**marks, "complexity": 1, "verbosity": min(4, words // 10)})


def own_questions(request: Request) -> str:
    """What there is, and what changes."""
    found = ["What can be seen?"]
    if request.facts["frames"] > 1:
        found.append("What changes from the first picture to the last?")
    return json.dumps({"questions": found})


def scored(request: Request) -> str:
    """A score that falls with every error."""
    return json.dumps({"score": max(1, 10 - 3 * _errors(request))})


def critique(request: Request) -> str:
    """What the scene says against the answer."""
    reasons = wrong(request.facts["scene"], request.facts["answer"])
    said = {"strengths": "It is plain.", "weaknesses": "; ".join(reasons) or "none"}
    ask = "Look again and mend what is wrong." if reasons else "Leave it as it is."
    return json.dumps({**said, "suggestion": ask, "score": max(1, 4 - len(reasons))})


def refined(request: Request) -> str:
    """The answer without the first of its sentences that the scene refutes."""
    scene: Scene = request.facts["scene"]
    parts = re.split(r"(?<=[.!?])\s+", request.facts["answer"])
    bad = next((place for place, part in enumerate(parts) if wrong(scene, part)), None)
    kept = [part for place, part in enumerate(parts) if place != bad]
    return " ".join(kept) or text_of(choose(true_facts(View(scene), Draws(0)), 1))
