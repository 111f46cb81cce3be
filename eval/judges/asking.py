"""Asks a judge: every question in every run, again where the official script asks again, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from data_builders.teachers.base import Answer, Failure, Reply, Request, Settings, Teacher, Usage, fingerprint
from data_builders.teachers.ledger import estimate
from data_builders.teachers.pictures import Picture
from eval.judges.base import Question
from eval.judges.judgements import Judgement, sha
from eval.judges.prompts import Prompt
from mmtune.errors import UserError
from mmtune.progress import Progress

WARMER = 0.5
"""What a further attempt adds to the temperature, as MM-Vet's evaluator does."""
_HOTTEST = 2.0
_HALF = "half a character stands in the answer, which cannot be sent"

Place = tuple[str, str, int]
"""Item, part and run."""


@dataclass(frozen=True)
class Protocol:
    """How replies are got."""

    kind: str
    """Name of the rule that replies where no model is asked."""
    prompt: Prompt
    settings: Settings
    readable: Callable[[str], bool]
    """Whether a reply can be read; another is kept too, and asked for again where there are attempts left."""
    runs: int = 1
    attempts: int = 1
    pictures: Mapping[str, tuple[Picture, ...]] = field(default_factory=dict)
    """By item, where the judge sees the images."""

    def request(self, question: Question, run: int, attempt: int) -> Request:
        """One question of one run; each run has a seed of its own, so that its reply is not another's."""
        settings = replace(
            self.settings,
            temperature=min(_HOTTEST, self.settings.temperature + WARMER * (attempt - 1)),
            seed=self.settings.seed + run,
        )
        messages = self.prompt.messages(question.facts, self.pictures.get(question.item, ()))
        return Request("", messages, settings, kind=self.kind, facts=question.facts, as_it_is=True)


@dataclass
class Interview:
    """What a judge was asked, and said."""

    judgements: list[Judgement] = field(default_factory=list)
    """All of them, in the order of the questions."""
    stopped: UserError | None = None
    """Why the judge could not be asked to the end."""

    def last(self) -> dict[Place, Judgement]:
        """The last attempt at each question."""
        return {(one.item, one.part, one.run): one for one in self.judgements}

    def replies(self) -> dict[Place, str]:
        """The last replies; a question whose last attempt has none is left out."""
        return {place: one.reply for place, one in self.last().items() if one.reply is not None}

    def failed(self) -> dict[str, str]:
        """Item → why one of its questions has no reply."""
        lost = [one for one in self.last().values() if one.reply is None]
        return {one.item: one.error or "it was not asked" for one in reversed(lost)}

    def models(self) -> dict[str, int]:
        """How often each model answered, by the name that the server reported."""
        found: dict[str, int] = {}
        for one in self.judgements:
            if one.reply is not None:
                found[one.model] = found.get(one.model, 0) + 1
        return dict(sorted(found.items()))


def interview(teacher: Teacher, questions: Sequence[Question], how: Protocol) -> Interview:
    """Ask everything. A judge that is down, refuses the key or has spent the budget ends it early, and what
    it said until then is kept.

    Args:
        teacher: the judge.
        questions: each item and part once.
        how: prompt, settings, runs.
    """
    asked = [(question, run, 1) for question in questions for run in range(how.runs)]
    found: dict[tuple[str, str, int, int], Judgement] = {}
    stopped: UserError | None = None
    while asked:
        try:
            with Progress(len(asked), "ask the judge", unit="reply") as progress:
                asyncio.run(_collect(teacher, asked, how, found, progress))
        except UserError as error:
            stopped = error
            for question, run, attempt in asked:
                place = (question.item, question.part, run, attempt)
                if place not in found:
                    key = _key(teacher, how.request(question, run, attempt))
                    found[place] = _blank(question, run, attempt, key, "not asked: the run ended early")
            break
        asked = [(q, run, attempt + 1) for q, run, attempt in asked if _again(found, q, run, attempt, how)]
    order = {(question.item, question.part): number for number, question in enumerate(questions)}
    rank = {place: (order[place[0], place[1]], place[2], place[3]) for place in found}
    return Interview([found[place] for place in sorted(found, key=lambda place: rank[place])], stopped)


def _again(
    found: Mapping[tuple[str, str, int, int], Judgement],
    question: Question,
    run: int,
    attempt: int,
    how: Protocol,
) -> bool:
    reply = found[question.item, question.part, run, attempt].reply
    return reply is not None and attempt < how.attempts and not how.readable(reply)


async def _collect(
    teacher: Teacher,
    asked: Sequence[tuple[Question, int, int]],
    how: Protocol,
    found: dict[tuple[str, str, int, int], Judgement],
    progress: Progress,
) -> None:
    def take(number: int, answer: Answer, key: str) -> None:
        question, run, attempt = asked[number]
        blank = _blank(question, run, attempt, key, None)
        if isinstance(answer, Reply):
            usage = answer.usage
            given = replace(blank, reply=answer.text, model=answer.model, usage=usage)
        else:
            given = replace(blank, error=f"{answer.kind}: {answer.reason}")
        found[question.item, question.part, run, attempt] = given
        progress.advance(1)

    keys: dict[str, str] = {}

    def requests() -> Iterator[Request]:
        for number, (question, run, attempt) in enumerate(asked):
            request = replace(how.request(question, run, attempt), id=str(number))
            try:
                keys[request.id] = fingerprint(request, teacher.identity)
            except UserError as error:  # an image that cannot be read
                take(number, Failure(request.id, "picture", str(error).rstrip(".")), "")
                continue
            if not all(_sendable(message.text) for message in request.messages):
                take(number, Failure(request.id, "request", _HALF), keys[request.id])
                continue
            yield request

    stream: Any = teacher.ask(requests())
    async with aclosing(stream) as answers:
        async for answer in answers:
            take(int(answer.id), answer, keys[answer.id])


def _sendable(text: str) -> bool:
    """Whether a text can be sent: JSON may hold one half of a surrogate pair, which UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _key(teacher: Teacher, request: Request) -> str:
    """Empty where the request's image cannot be read."""
    try:
        return fingerprint(request, teacher.identity)
    except UserError:
        return ""


def first_keys(teacher: Teacher, questions: Sequence[Question], how: Protocol) -> dict[Place, str]:
    """Keys of the first attempts, by which a recorded judge is held against what is to be asked."""
    return {
        (question.item, question.part, run): _key(teacher, how.request(question, run, 1))
        for question in questions
        for run in range(how.runs)
    }


def _blank(question: Question, run: int, attempt: int, key: str, error: str | None) -> Judgement:
    return Judgement(question.item, question.part, run, attempt, key, sha(question.answer), error=error)


def cost(questions: Sequence[Question], how: Protocol, known: Callable[[Request], bool]) -> tuple[int, Usage]:
    """How many requests it would be, and their tokens; what is known already is not asked.

    Further attempts cannot be foreseen and are not in it.
    """
    number, prompt, written = 0, 0, 0
    for question in questions:
        for run in range(how.runs):
            request = how.request(question, run, 1)
            if known(request):
                continue
            usage = estimate(request)
            number, prompt = number + 1, prompt + usage.prompt_tokens
            written += usage.completion_tokens
    return number, Usage(prompt, written)
