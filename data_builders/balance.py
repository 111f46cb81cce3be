"""What a data set gives away without its images: priors, positions, and a guess from the text alone."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from data_builders.curate.text import normalise, question_of
from mmtune.records import Record

SHORT_WORDS = 3
"""Words of an answer that a guess can be compared with."""
SAMPLE = 200_000
"""Short answers of which the blind score is worked out; more are sampled by a hash."""
_DISTINCT = 100_000
"""Different answers that are counted; those beyond are counted together."""
_LETTER = re.compile(r"\(?([A-J])\)?[.:)]?(?:\s.*)?", re.DOTALL)
_OPTION = re.compile(r"(?m)^\s*\(?([A-J])[.):]\s*\S")


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % interval (Wilson)."""

    value: float
    low: float
    high: float
    n: int

    @staticmethod
    def of(hits: int, n: int) -> Share | None:
        """The share of hits, None of nothing."""
        if not n:
            return None
        z, p = 1.959964, hits / n
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return Share(p, max(0.0, middle - half), min(1.0, middle + half), n)


@dataclass(frozen=True, slots=True)
class _Asked:
    fold: int
    question: bytes
    opening: str
    answer: str


class Balance:
    """Counts answers as records go by, in bounded memory."""

    def __init__(self) -> None:
        self.yes = 0
        self.no = 0
        self.letters: dict[int, Counter[str]] = defaultdict(Counter)
        """Number of options -> letter of the right one -> questions."""
        self.answers: Counter[str] = Counter()
        self.other_answers = 0
        self.openings: dict[str, Counter[str]] = defaultdict(Counter)
        """First two words of a question -> answer -> times."""
        self.short = 0
        self._asked: dict[int, _Asked] = {}
        self._limit = 2**64

    def add(self, record: Record) -> None:
        """Count the questions and answers of one record."""
        about = record.images[0].path if record.images else record.id
        fold = _hash(about) % 2
        for number, (asked, said) in enumerate(zip(record.turns, record.turns[1:], strict=False)):
            if asked.role == "user" and said.role == "assistant":
                self._add(asked.text, said.text, fold, f"{record.id}\0{about}\0{number}")

    def _add(self, asked: str, said: str, fold: int, place: str) -> None:
        options = len(set(_OPTION.findall(asked)))
        letter = _LETTER.fullmatch(said.strip()) if options > 1 else None
        if letter:
            self.letters[options][letter[1]] += 1
        answer = normalise(said)
        first = answer.partition(" ")[0]
        self.yes += first == "yes"
        self.no += first == "no"
        if answer.count(" ") >= SHORT_WORDS:
            return
        self.short += 1
        question = question_of(asked)
        opening = " ".join(question.split()[:2])
        self._count(answer, opening)
        self._sample(_hash(place), _Asked(fold, question.encode()[:512], opening, answer))

    def _count(self, answer: str, opening: str) -> None:
        if answer in self.answers or len(self.answers) < _DISTINCT:
            self.answers[answer] += 1
        else:
            self.other_answers += 1
        if opening in self.openings or len(self.openings) < _DISTINCT // 20:
            of_opening = self.openings[opening]
            if answer in of_opening or len(of_opening) < 200:
                of_opening[answer] += 1

    def _sample(self, value: int, asked: _Asked) -> None:
        """Keep those with the least hashes, so that the sample does not depend on the order of the rows."""
        if value >= self._limit:
            return
        self._asked[value] = asked
        if len(self._asked) >= 2 * SAMPLE:
            self._asked = dict(sorted(self._asked.items(), key=lambda one: one[0])[:SAMPLE])
            self._limit = max(self._asked)

    def blind(self) -> dict[str, Any]:
        """How often an answer can be guessed from the question alone.

        The guess is the commonest answer to the same question, else to questions that begin alike, else of
        all, among the records of *other* images: half of the images guess for the other half.

        Returns:
            ``guess`` and ``majority`` (always the commonest answer of all) as shares of short answers.
        """
        kept = [one for _, one in sorted(self._asked.items(), key=lambda one: one[0])[:SAMPLE]]
        right = majority = 0
        for fold in (0, 1):
            by_question: dict[bytes, Counter[str]] = defaultdict(Counter)
            by_opening: dict[str, Counter[str]] = defaultdict(Counter)
            all_answers: Counter[str] = Counter()
            for one in kept:
                if one.fold != fold:
                    by_question[one.question][one.answer] += 1
                    by_opening[one.opening][one.answer] += 1
                    all_answers[one.answer] += 1
            if not all_answers:
                continue
            commonest = _commonest(all_answers)
            guesses = {key: _commonest(found) for key, found in by_question.items()}
            rough = {key: _commonest(found) for key, found in by_opening.items()}
            for one in kept:
                if one.fold == fold:
                    guess = guesses.get(one.question) or rough.get(one.opening) or commonest
                    right += guess == one.answer
                    majority += commonest == one.answer
        return {"guess": Share.of(right, len(kept)), "majority": Share.of(majority, len(kept))}

    def lopsided(self, least: int = 20) -> list[tuple[str, str, Share]]:
        """Openings of questions whose commonest answer says most, as ("is there", "yes", share)."""
        rows = []
        for opening, found in self.openings.items():
            total = sum(found.values())
            if total >= least:
                answer = _commonest(found)
                share = Share.of(found[answer], total)
                assert share is not None
                rows.append((opening, answer, share))
        return sorted(rows, key=lambda row: (-row[2].low, row[0]))


def _commonest(found: Counter[str]) -> str:
    """Of equals the first in the alphabet, so that nothing depends on the order of the rows."""
    return min(found.items(), key=lambda one: (-one[1], one[0]))[0]


def _hash(text: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big"
    )
