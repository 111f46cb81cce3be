"""From a solved question to its two turns: phrasing, short answer or multiple choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from data_builders.draws import Draws
from data_builders.programs.base import Arguments, Program, Solution

Mode = Literal["short", "choice", "both"]
MOST_OPTIONS = 4

LAYOUTS: tuple[tuple[str, str, bool], ...] = (
    ("{question}\n{lines}", "\n", False),
    ("{question}\n{lines}\nAnswer with the letter of the right option.", "\n", True),
    ("{question}\nOptions:\n{lines}", "\n", False),
    ("{question} Choose from: {lines}.", ", ", False),
    ("{question}\nSelect one of these: {lines}", " ", False),
    ("{question} Options: {lines}\nGive the letter alone.", " ", True),
    ("{question}\nWhich is right?\n{lines}", "\n", False),
)
"""How a multiple-choice question is laid out, what stands between options, whether a letter is the answer."""
MARKS = (("", ". "), ("(", ") "))
"""What stands before and after an option's letter."""
_LETTERS = "ABCD"
STYLES = len(LAYOUTS) * len(MARKS)


class Asked(NamedTuple):
    """A question and its answer in words, and what ``word`` made them from.

    Args:
        question: without image placeholders.
        answer: as the model should give it.
        evidence: as in ``Solution``.
        arguments: of the program, with ``phrasing``, and for a multiple-choice question ``options`` and
            ``style``.
    """

    question: str
    answer: str
    evidence: tuple[str, ...]
    arguments: Arguments


def draw_wording(
    program: Program, arguments: Arguments, solution: Solution, draws: Draws, mode: Mode
) -> Asked:
    """Put a solved question into words that are drawn, as a multiple-choice question where it is to be one.

    The right option stands at each place equally often.
    """
    drawn: dict[str, Any] = dict(arguments)
    if solution.wrong and (mode == "choice" or (mode == "both" and draws.below(2))):
        options = _distractors(solution, draws)
        options.insert(draws.below(len(options) + 1), solution.answer)
        drawn["options"] = options
        drawn["style"] = draws.below(STYLES)
    texts = _phrasings(program, drawn)
    drawn["phrasing"] = place = draws.below(len(texts))
    return _worded(texts[place], drawn, solution)


def _distractors(solution: Solution, draws: Draws) -> list[str]:
    """Wrong options; of numbers as often all of them smaller as some, or none.

    Drawn from the numbers around it alone, the right one would mostly stand in the middle of them, and could
    be guessed.
    """
    wrong, answer, count = solution.wrong, solution.answer, MOST_OPTIONS - 1
    if len(wrong) < 2:
        return [*wrong]
    if len(wrong) <= count or not all(text.isdecimal() for text in (answer, *wrong)):
        return draws.few(wrong, count)
    less = [text for text in wrong if int(text) < int(answer)]
    more = [text for text in wrong if int(text) > int(answer)]
    of_less = draws.between(max(0, count - len(more)), min(count, len(less)))
    found = draws.few(less, of_less) + draws.few(more, count - of_less)
    draws.shuffle(found)
    return found


def word(program: Program, arguments: Arguments, solution: Solution) -> Asked:
    """Put a solved question into the words that its arguments name.

    Raises:
        KeyError, IndexError: the arguments name a form, phrasing or style that the program does not have.
        ValueError: the options do not hold the answer once, or one more that is not certainly wrong.
    """
    options = arguments.get("options")
    if options is not None:
        if options.count(solution.answer) != 1 or len(set(options)) < len(options):
            raise ValueError("the options do not hold the answer once")
        if not set(options) <= {solution.answer, *solution.wrong}:
            raise ValueError("an option is not certainly wrong")
    return _worded(_phrasings(program, arguments)[arguments["phrasing"]], arguments, solution)


def _worded(text: str, arguments: Arguments, solution: Solution) -> Asked:
    question, answer = text.format(**solution.words), solution.answer
    question = question[:1].upper() + question[1:]
    if "options" in arguments:
        question, answer = _lay_out(question, arguments["options"], answer, arguments["style"])
    return Asked(question, answer, solution.evidence, arguments)


def _lay_out(question: str, options: Sequence[str], right: str, style: int) -> tuple[str, str]:
    (before, after), (layout, between, letter_alone) = MARKS[style % len(MARKS)], LAYOUTS[style // len(MARKS)]
    marked = [f"{before}{letter}{after}{option}" for letter, option in zip(_LETTERS, options, strict=False)]
    text = layout.replace("{question}", question, 1).replace("{lines}", between.join(marked), 1)
    place = options.index(right)
    return text, _LETTERS[place] if letter_alone else marked[place]


def _phrasings(program: Program, arguments: Arguments) -> tuple[str, ...]:
    form = arguments.get("form", "ask")
    if "options" in arguments:
        return program.phrasings.get(f"{form}/choice") or program.phrasings[form]
    return program.phrasings[form]
