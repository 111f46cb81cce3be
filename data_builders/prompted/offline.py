"""Rules that answer the prompts out of a scene, without a model: for tests, dry runs and a first look.

What they write is true and well-formed, and as plain as rules are; it is no data to train on.
"""

from __future__ import annotations

import json
import re
from typing import Any

from data_builders.prompted.claims import plurals
from data_builders.scenes import Scene, SceneObject
from data_builders.teachers.base import Request

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_TAIL = "They are spread over the picture, and each of them can be made out well."


def pairs_of(scene: Scene, most: int = 6) -> list[tuple[str, str]]:
    """Questions about a scene with true answers, of as many kinds as it allows."""
    names = list(dict.fromkeys(item.name for item in scene.objects))
    alone = {name: scene.of_class(name)[0] for name in names if len(scene.of_class(name)) == 1}
    looks = [
        (f"What does the {name} look like?", f"The {name} is {' and '.join(item.attributes)}.")
        for name, item in alone.items()
        if item.attributes
    ]
    written = [
        (f"What does the {name} say?", f'It says "{item.text}".')
        for name, item in alone.items()
        if item.text and '"' not in item.text
    ]
    numbers = [
        (f"How many {(*plurals(name), name)[0]} are there?", f"There are {_count(scene, name)}.")
        for name in names
        if name in scene.exhaustive_classes and len(scene.of_class(name)) > 1
    ]
    there = [(f"Is there {_a(name)}?", f"Yes, there is {_a(name)}.") for name in names]
    absent = sorted(scene.exhaustive_classes - set(names))
    gone = [(f"Is there {_a(name)}?", f"No, there is no {name}.") for name in absent]
    at = {item.id: name for name, item in alone.items()}
    places = [
        (f"Where is the {at[r.subject]}?", f"The {at[r.subject]} is {r.predicate} the {at[r.object]}.")
        for r in scene.relations
        if r.subject in at and r.object in at
    ]
    kinds = [looks, written, numbers, places, gone, there]
    # One of each kind in turn, so that a few questions are already varied ones.
    longest = max((len(kind) for kind in kinds), default=0)
    turns = [kind[place] for place in range(longest) for kind in kinds if place < len(kind)]
    different = {question: (question, answer) for question, answer in reversed(turns)}
    return list(reversed(different.values()))[:most] or [("What is this?", "It is a picture.")]


def prose(scene: Scene) -> str:
    """A description of everything that is annotated."""
    shown = " ".join(f"There is {_a(_phrase(item))}." for item in scene.objects)
    return f"{shown} {_TAIL}".strip()


def blocks(request: Request) -> str:
    """Questions and answers in LLaVA's form."""
    return _blocks(pairs_of(request.facts["scene"]))


def text_blocks(request: Request) -> str:
    """As ``blocks``, about what is written."""
    read = request.facts["first"].splitlines()[0].replace('"', "")
    return _blocks([("What can be read at the top?", f'It says "{read}".')])


def reasoning(request: Request) -> str:
    """One question that is answered by everything there is."""
    return _blocks(
        [("What would be left if the largest thing were taken away?", prose(request.facts["scene"]))]
    )


def description(request: Request) -> str:
    """A plain paragraph."""
    return prose(request.facts["scene"])


def new_tasks(request: Request) -> str:
    """Each seed, turned to another listener."""
    tasks = [f"{seed.rstrip('.?!')}, for somebody in a hurry." for seed in request.facts["seeds"]]
    return json.dumps({"instructions": tasks[: request.facts["count"]]})


def first_tasks(request: Request) -> str:
    """The first tasks of the list."""
    most = min(int(request.facts["most"]), len(request.facts["tasks"]))
    return json.dumps({"chosen": list(range(1, most + 1))})


def keep(request: Request) -> str:
    """Everything is kept."""
    return json.dumps({"keep": True, "reason": "nothing against it"})


def domain(request: Request) -> str:
    """The last of the domains, and a description."""
    return json.dumps({"domain": request.facts["domains"][-1], "description": prose(request.facts["scene"])})


def four_kinds(request: Request) -> str:
    """A question of each kind."""
    scene: Scene = request.facts["scene"]
    name = scene.objects[0].name if scene.objects else "picture"
    others = [word for word in ("lantern", "violin", "teapot", "anchor") if word != name][:3]
    choice = {"question": "Which of these is in the picture?", "options": [name, *others], "right": 1}
    return json.dumps(
        {
            "judgement": {"question": f"Is there {_a(name)}?", "answer": "yes"},
            "choice": choice,
            "short": {"question": "What is one thing that is shown?", "answer": name},
            "long": {"question": "What does the picture show?", "answer": prose(scene)},
        }
    )


def as_it_was(request: Request) -> str:
    """No correction."""
    return json.dumps({"drop": False, "answer": request.facts["answer"]})


def evolved(request: Request) -> str:
    """The question with one more that is not yet in it."""
    question, answer = request.facts["question"], request.facts["answer"]
    for more, said in pairs_of(request.facts["scene"], most=100):
        if more not in question:
            return json.dumps({"question": f"{question} {more}", "answer": f"{answer} {said}"})
    return json.dumps({"question": question, "answer": answer})


def longer_is_better(request: Request) -> str:
    """A verdict by length."""
    better = len(request.facts["child_question"]) > len(request.facts["parent_question"])
    scores = {"parent": 4, "child": 6 if better else 3}
    return json.dumps({**scores, "improved": better, "reason": "by length"})


def text_questions(request: Request) -> str:
    """A question about each line of text."""
    count = min(int(request.facts["count"]), max(1, len(_lines(request))))
    return json.dumps({"questions": [f"What does line {place + 1} say?" for place in range(count)]})


def text_answer(request: Request) -> str:
    """The line that was asked for."""
    return json.dumps({"answer": f'It says "{_line(request)}".'})


def text_reason(request: Request) -> str:
    """Where the line stands."""
    return json.dumps({"reason": f'Going down from the top, this line reads "{_line(request)}".'})


def all_true(request: Request) -> str:
    """An evaluation without a fault."""
    return json.dumps({"meaningful": True, "right": True, "reasoned": True})


def four_stages(request: Request) -> str:
    """The four stages, which end in the gold answer."""
    facts = request.facts
    return (
        f"<SUMMARY>The question is: {facts['question']} I look for what it names.</SUMMARY>\n"
        f"<CAPTION>{prose(facts['scene'])}</CAPTION>\n"
        "<REASONING>What it names can be found among these things, the rest does not matter.</REASONING>\n"
        f"<CONCLUSION>{facts['gold']}</CONCLUSION>"
    )


def same_words(request: Request) -> str:
    """Whether both answers have the same words."""
    gold, said = (re.findall(r"\w+", request.facts[key].lower()) for key in ("gold", "conclusion"))
    return json.dumps({"same": gold == said})


def triplet(request: Request) -> str:
    """A task about one object."""
    scene: Scene = request.facts["scene"]
    first = scene.objects[0].name if scene.objects else "picture"
    row = {"instruction": "Name one thing in the picture.", "informative": prose(scene), "precise": first}
    return json.dumps(row)


def consistent(request: Request) -> str:
    """Whether the precise answer stands in the informative one."""
    stands = request.facts["precise"].lower() in request.facts["informative"].lower()
    return json.dumps({"consistent": "yes" if stands else "no"})


def rounds(request: Request) -> str:
    """A dialogue of different kinds."""
    most = int(request.facts["rounds"])
    kinds = [kind for kind in request.facts["kinds"] if kind not in ("description", "writing")]
    listed: list[dict[str, Any]] = [
        {"kind": "description", "question": "What do you see?", "answer": prose(request.facts["scene"])}
    ]
    for place, (question, answer) in enumerate(pairs_of(request.facts["scene"], most - 1)):
        listed.append({"kind": kinds[place % len(kinds)], "question": question, "answer": answer})
    return json.dumps({"rounds": listed[:most]})


def program(request: Request) -> str:
    """Steps by the words of the question."""
    question = request.facts["question"].lower()
    steps = ["locate: what the question names", "read: what stands there"]
    steps += ["count: what was found"] if "how many" in question else []
    steps += ["compare: both places"] if "where" in question else []
    return json.dumps({"steps": [*steps, "answer: what was asked"]})


def questions(request: Request) -> str:
    """As many questions as were asked for."""
    found = pairs_of(request.facts["scene"], int(request.facts["count"]))
    return json.dumps({"questions": [{"question": one, "answer": two} for one, two in found]})


def _blocks(pairs: list[tuple[str, str]]) -> str:
    return "\n===\n".join(f"Question:\n{question}\n===\nAnswer:\n{answer}" for question, answer in pairs)


def _lines(request: Request) -> list[str]:
    return [line.replace('"', "") for line in str(request.facts["text"]).splitlines()]


def _line(request: Request) -> str:
    found = re.search(r"line (\d+)", request.facts["question"])
    lines = _lines(request) or ["nothing"]
    return lines[min(int(found[1]) if found else 1, len(lines)) - 1]


def _phrase(item: SceneObject) -> str:
    return " ".join([*item.attributes, item.name])


def _a(phrase: str) -> str:
    return f"{'an' if phrase[:1].lower() in 'aeiou' else 'a'} {phrase}"


def _count(scene: Scene, name: str) -> str:
    count = len(scene.of_class(name))
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)
