"""``coco_is_all``: the annotation of a picture becomes one dialogue of many and different rounds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from data_builders.prompted import offline
from data_builders.prompted.base import Kit, PromptedBuilder, Source, true_turns
from data_builders.prompted.contexts import captions, objects
from data_builders.prompted.parsing import TEXT, array, json_object, record_of, sentence
from data_builders.teachers.base import UnusableError
from data_builders.teachers.building import Built, Rejection, Steps

NAME = "coco_is_all"
KINDS = ("fact", "choice", "yes or no", "description", "place", "number", "reasoning", "writing")
LEAST_KINDS = 3
"""Different kinds of rounds; fewer are no varied dialogue."""


def dialogue(text: str, most: int, kinds: Sequence[str] = KINDS) -> list[tuple[str, str, str]]:
    """(kind, question, answer) of each round.

    Raises:
        UnusableError: for too many rounds, a kind that there is not, or a question that is asked twice.
    """
    rounds = json_object(text, ["rounds"])["rounds"]
    if not isinstance(rounds, list) or not 2 <= len(rounds) <= most:
        raise UnusableError(f"this is not a list of 2 to {most} rounds")
    found = []
    for row in rounds:
        if (
            not isinstance(row, dict)
            or set(row) != {"kind", "question", "answer"}
            or row["kind"] not in kinds
        ):
            raise UnusableError("a round is not a kind of the list, a question and an answer")
        found.append((str(row["kind"]), sentence(row["question"]), sentence(row["answer"])))
    if len({question.lower() for _, question, _ in found}) < len(found):
        raise UnusableError("a question stands twice")
    return found


def steps(source: Source, kit: Kit) -> Steps:
    """One request; the dialogue ends before the first round that is untrue, as later ones may build on it."""
    scene, most = source.scene, int(kit.option("rounds", 8))
    facts = {
        "captions": captions(scene),
        "objects": objects(scene),
        "rounds": most,
        "kinds": KINDS,
        "scene": scene,
    }
    read = partial(dialogue, most=most)
    of_round = record_of(kind={"type": "string", "enum": list(KINDS)}, question=TEXT, answer=TEXT)
    schema = record_of(rounds=array(of_round, 2, most))
    (reply,) = yield [kit.request(NAME, facts, accept=read, schema=schema, pictures=kit.pictures(scene))]
    kept: list[tuple[str, str]] = []
    rejected: list[Rejection] = []
    kinds: list[str] = []
    for kind, question, answer in read(reply.text):
        _, rejected = true_turns(source, [(question, answer)])
        if rejected:
            break
        kept.append((question, answer))
        kinds.append(kind)
    if len(set(kinds)) < min(LEAST_KINDS, most):
        few = Rejection(source.id, f"fewer than {LEAST_KINDS} kinds of rounds are left", ", ".join(kinds))
        return Built((), (*rejected, few))
    return Built((kit.record(NAME, source, kept, kinds=kinds),), tuple(rejected))


BUILDER = PromptedBuilder(
    NAME,
    needs="captions and objects",
    makes="a dialogue of many and different rounds",
    paper='COCO is "ALL" You Need, arXiv 2401.08968',
    steps=steps,
    rules={NAME: offline.rounds},
)
