"""``dataengine``: what a model got wrong decides of which kinds more is built, and what it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data_builders.draws import Draws
from data_builders.prompted import offline
from data_builders.prompted.base import Kit, PromptedBuilder, Source, one_record
from data_builders.prompted.contexts import known
from data_builders.prompted.parsing import TEXT, array, json_object, record_of, sentence
from data_builders.teachers.base import UnusableError
from data_builders.teachers.building import Steps
from mmtune.errors import UserError

NAME = "dataengine"
QUESTIONS, SHOWN = 3, 3


@dataclass(frozen=True)
class Result:
    """How a model answered one question of an evaluation."""

    kind: str
    question: str
    right: bool


def results(rows: Sequence[Mapping[str, Any]]) -> list[Result]:
    """Results out of JSON rows with ``kind``, ``question`` and ``right``.

    Raises:
        UserError: with the row that has another form.
    """
    found = []
    for place, row in enumerate(rows):
        try:
            kind, question, right = row["kind"], row["question"], row["right"]
        except (KeyError, TypeError) as error:
            raise UserError("a result has no kind, question or right", f"row {place}") from error
        if not isinstance(right, bool):
            raise UserError("'right' is neither true nor false", f"row {place}")
        found.append(Result(str(kind), str(question), right))
    return found


def weights(found: Sequence[Result], smoothing: float = 1.0) -> dict[str, float]:
    """The share of each kind in what is built next, in proportion to how often the model fails at it.

    Args:
        found: results of an evaluation.
        smoothing: failures and successes that each kind is given beforehand, so that a kind with few
            questions is neither all nor nothing.

    Returns:
        Shares by kind, which sum to 1.

    Raises:
        UserError: without results.

    Source: the bad-case sampling of MLLM-DataEngine; the smoothing is ours.
    """
    if not found:
        raise UserError("there are no results, so nothing says what to build next")
    rates = {}
    for kind in sorted({item.kind for item in found}):
        of_kind = [item for item in found if item.kind == kind]
        wrong = sum(not item.right for item in of_kind)
        rates[kind] = (wrong + smoothing) / (len(of_kind) + 2 * smoothing)
    total = sum(rates.values())
    return {kind: rate / total for kind, rate in rates.items()}


def pairs(text: str) -> list[tuple[str, str]]:
    """Questions with their answers."""
    listed = json_object(text, ["questions"])["questions"]
    if not isinstance(listed, list) or not 1 <= len(listed) <= 12:
        raise UnusableError("this is not a list of 1 to 12 questions")
    found = []
    for row in listed:
        if not isinstance(row, dict) or set(row) != {"question", "answer"}:
            raise UnusableError("a question is not a question and an answer")
        found.append((sentence(row["question"]), sentence(row["answer"])))
    return found


def steps(source: Source, kit: Kit) -> Steps:
    """One request, of a kind drawn by its weight, with some of the cases that failed.

    The option ``results`` holds the evaluation's rows.
    """
    scene, pictures = source.scene, kit.pictures(source.scene)
    found = results(kit.option("results", ()))
    shares, draws = weights(found), Draws(kit.seed, *source.id.encode())
    kind = draws.weighted(list(shares), list(shares.values()))
    bad = [item.question for item in found if item.kind == kind and not item.right]
    facts = {
        "kind": kind,
        "count": int(kit.option("questions", QUESTIONS)),
        "failed": draws.sample(bad, SHOWN),
        "facts": known(scene, seen=bool(pictures)),
        "scene": scene,
    }
    schema = record_of(questions=array(record_of(question=TEXT, answer=TEXT), 1, 12))
    (reply,) = yield [kit.request(NAME, facts, accept=pairs, schema=schema, pictures=pictures)]
    return one_record(kit, NAME, source, pairs(reply.text), kind=kind)


BUILDER = PromptedBuilder(
    NAME,
    needs="results of an evaluation, and captions or objects",
    makes="questions of the kinds that a model fails at",
    paper="MLLM-DataEngine, arXiv 2308.13566",
    steps=steps,
    rules={NAME: offline.questions},
)
