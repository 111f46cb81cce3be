"""What an answer says, in a form that can be compared: an option, yes or no, or plain words.

These readings serve comparisons between answers of one model only; scores are the tasks' own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from eval.metrics.choice import REFUSED, infer_choice, parse_letter
from eval.metrics.vqa import normalize_vqa
from eval.metrics.yes_no import parse_mme, read_yes_no
from eval.tasks import Item, Task

_WORDS = {"yes": True, "no": False}


def options_of_truth(item: Item) -> Mapping[str, str]:
    """Letter → text of an item's options, empty where its truth knows none."""
    return getattr(item.truth, "options", None) or {}


def true_letter(item: Item) -> str | None:
    """The letter of the true option, where the truth knows options."""
    letter = getattr(item.truth, "letter", None) or getattr(item.truth, "answer", None)
    return letter if isinstance(letter, str) and letter in options_of_truth(item) else None


def read_option(item: Item, text: str) -> str | None:
    """The letter of the option that an answer names, None where it cannot be read."""
    options = options_of_truth(item)
    plain = text.strip()
    if plain in options:
        return plain
    letter = parse_letter(plain, "".join(options)) or infer_choice(plain, options)
    return None if letter == REFUSED else letter


def true_yes(item: Item) -> bool | None:
    """Whether the truth is yes; None where it is neither yes nor no. Of several annotators, what most say."""
    return _WORDS.get(str(given(item.truth)).strip().lower())


def said_yes(task: Task, text: str) -> bool | None:
    """Whether an answer says yes; None where it says neither. Of POPE it is read as its ``_fixed`` figures
    read it, since its script has no neither; of MME as the benchmark reads it."""
    if task.config.task == "pope":
        return _WORDS.get(read_yes_no(text) or "")
    if task.config.task == "mme":
        return _WORDS.get(parse_mme(text))
    words = text.strip().split()
    return _WORDS.get(words[0].strip(".,!:;").lower()) if words else None


def plain(text: str) -> str:
    """In lower case, without marks and articles."""
    return normalize_vqa(text.lower()).strip()


def told(task: Task, item: Item, text: str) -> str:
    """What an answer says: equal for two answers that say the same."""
    if options_of_truth(item):
        letter = read_option(item, text)
        if letter is not None:
            return f"option {options_of_truth(item)[letter]}"
    elif true_yes(item) is not None:
        said = said_yes(task, text)
        if said is not None:
            return "yes" if said else "no"
    return plain(text)


def given(truth: Any) -> Any:
    """The answer that more than half of the annotators gave, None where there is none such; or the truth
    itself."""
    if isinstance(truth, Mapping):
        truth = truth.get("answers")
    if isinstance(truth, Sequence) and not isinstance(truth, str) and truth:
        answers = [one.get("answer") if isinstance(one, Mapping) else one for one in truth]
        (answer, times), *_ = Counter(map(str, answers)).most_common(1)
        return answer if 2 * times > len(answers) else None
    return truth
