"""VQA accuracy and the two text normalisations that the field's numbers stand on.

``normalize_vqa`` is what the VQAv2 server applies, ``normalize_evalai`` what TextVQA, VizWiz and LLaVA's own
conversion scripts apply. They differ on about one string in thirteen, so a score must say which one it used.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

PUNCTUATION = tuple(';/[]"{}()=+\\_->@`,?!<')
ARTICLES = frozenset({"a", "an", "the"})
NUMBER_WORDS = {
    word: str(value)
    for value, words in enumerate(
        ["none zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    )
    for word in words.split()
}

_ONE_APOSTROPHE = """
ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's
isn't it'd it'll ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't should've
shouldn't somebody'll somebody's someone'd someone'll someone's something'd something'll that's there'd
there're there's they'd they'll they're they've 'twas wasn't we've weren't what'll what're what's what've
when's where'd where's where've who'd who'll who's who've why'll why're why's won't would've wouldn't y'all
you'd you'll you're you've
"""
_TWO_APOSTROPHES = """
couldn't've hadn't've he'd've it'd've mightn't've she'd've shouldn't've somebody'd've someone'd've
something'd've there'd've they'd've we'd've who'd've wouldn't've y'all'll you'd've
"""


def _without(text: str, *skipped: int) -> str:
    """``text`` without the apostrophes of the given ordinal numbers."""
    pieces = text.split("'")
    return "".join(piece + ("" if i in skipped else "'") for i, piece in enumerate(pieces[:-1])) + pieces[-1]


def _contractions() -> dict[str, str]:
    """Spellings with an apostrophe left out → the full spelling, as the official table has them.

    The official table also holds keys with capitals (which text in lower case cannot reach) and two keys that
    map to themselves; neither changes an answer, so both are left out here.
    """
    table = {word.replace("'", ""): word for word in _ONE_APOSTROPHE.split()}
    for word in _TWO_APOSTROPHES.split():
        table[_without(word, 0)] = word
        table[_without(word, 1)] = word
    for number in range(3):
        table[_without("y'all'd've", number)] = "y'all'd've"
        table[_without("'ow's'at", number)] = "'ow's'at"
    table["somebody'd"] = "somebodyd"  # reversed in the official table, and so here
    return table


CONTRACTIONS = _contractions()

_PERIOD_LIMIT = 32
"""The official scripts pass ``re.UNICODE`` (32) where ``re.sub`` expects the number of replacements."""
_PERIOD_ASCII = re.compile(r"\.(?!\d)", re.ASCII)
_PERIOD = re.compile(r"\.(?!\d)")
_COMMA_IN_NUMBER_ASCII = re.compile(r"\d,\d", re.ASCII)
_COMMA_IN_NUMBER = re.compile(r"(?<=\d),+(?=\d)")


def normalize_vqa(text: str) -> str:
    """Normalise an answer as the VQAv2 evaluation does.

    Kept quirks: a comma between two digits anywhere deletes all punctuation (elsewhere it becomes a space
    unless it touches one); every full stop that no digit follows goes, up to 32 of them; ``none`` becomes
    ``0``.

    Source: VQAEval of GT-Vision-Lab/VQA (whitespace, punctuation, digit and article steps), run by Python 2.
    """
    text = _one_line(text)
    text = _drop_punctuation(text, delete_all=_COMMA_IN_NUMBER_ASCII.search(text) is not None)
    return _digits_and_articles(_PERIOD_ASCII.sub("", text, count=_PERIOD_LIMIT))


def normalize_evalai(text: str) -> str:
    """Normalise an answer as TextVQA and VizWiz do, and LLaVA for its VQA submissions.

    Unlike ``normalize_vqa`` it first lowers the case, deletes commas and question marks and splits a
    possessive.

    Source: EvalAIAnswerProcessor of facebookresearch/mmf.
    """
    text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    text = _one_line(text)
    text = _drop_punctuation(text, delete_all=_COMMA_IN_NUMBER.search(text) is not None)
    return _digits_and_articles(_PERIOD.sub("", text, count=_PERIOD_LIMIT))


def vqa_accuracy(
    prediction: str, answers: Sequence[str] | Sequence[Mapping[str, Any]], mode: str = "official"
) -> float:
    """VQA accuracy of one answer: the mean over annotators of min(1, agreeing other annotators / 3).

    Args:
        prediction: the model's answer, as it was generated.
        answers: the annotators' answers (10 in VQAv2), as strings or as the annotation file's dicts.
        mode: ``official`` reproduces the server: text is normalised only where the annotators differ, and the
            annotator left out is found by equality of dicts, so that without ``answer_id`` all equal dicts
            go at once. ``fixed`` always normalises and leaves out one annotator at a time.

    Returns:
        Accuracy in 0..1.

    Raises:
        ValueError: if there is no answer or the mode is unknown.

    Source: VQAEval of GT-Vision-Lab/VQA.
    """
    if mode not in ("official", "fixed"):
        raise ValueError(f"mode must be 'official' or 'fixed', not {mode!r}")
    official, fixed = vqa_accuracies(prediction, answers)
    return official if mode == "official" else fixed


def vqa_accuracies(
    prediction: str, answers: Sequence[str] | Sequence[Mapping[str, Any]]
) -> tuple[float, float]:
    """``vqa_accuracy`` in official and in fixed mode, for little more than the price of one.

    Raises:
        ValueError: if there is no answer.
    """
    if not answers:
        raise ValueError("VQA accuracy needs at least one annotated answer")
    texts = [answer if isinstance(answer, str) else answer["answer"] for answer in answers]
    counts = Counter(texts)
    normal = _normalize(prediction)
    agreeing = sum(times for text, times in counts.items() if _normalize(text) == normal)
    fixed = _leave_one_out(agreeing, len(texts))
    unanimous = len(counts) == 1 or len({_one_line(text) for text in counts}) == 1
    if not isinstance(answers[0], str) and not _numbered(answers):  # type: ignore[arg-type]
        said = _one_line(prediction) if unanimous else normal
        seen = [_one_line(text) if unanimous else _normalize(text) for text in texts]
        return _leave_out_equal_dicts(said, seen, answers), fixed  # type: ignore[arg-type]
    if unanimous:
        agreeing = len(texts) if _one_line(prediction) == _one_line(texts[0]) else 0
        return _leave_one_out(agreeing, len(texts)), fixed
    return fixed, fixed


def textvqa_accuracy(prediction: str, answers: Sequence[str]) -> float:
    """VQA accuracy as TextVQA computes it: everything normalised, annotators left out one at a time.

    Args:
        prediction: the model's answer, as it was generated.
        answers: the annotators' ten answers.

    Returns:
        Accuracy in 0..1.

    Raises:
        ValueError: if there are not ten answers.

    Source: TextVQAAccuracyEvaluator of facebookresearch/mmf.
    """
    if len(answers) != 10:
        raise ValueError(f"TextVQA accuracy needs ten annotated answers, not {len(answers)}")
    said = normalize_evalai(prediction)
    return _leave_one_out(sum(_normalize_annotation_evalai(answer) == said for answer in answers), 10)


def _leave_one_out(agreeing: int, annotators: int) -> float:
    """Mean over annotators of min(1, others who agree / 3), where ``agreeing`` of them gave the answer."""
    with_them = agreeing * min(1.0, (agreeing - 1) / 3) if agreeing else 0.0
    return (with_them + (annotators - agreeing) * min(1.0, agreeing / 3)) / annotators


def _numbered(answers: Sequence[Mapping[str, Any]]) -> bool:
    """Whether each annotation has an ``answer_id`` of its own, so that no two are equal."""
    return len({answer.get("answer_id") for answer in answers}) == len(answers) and "answer_id" in answers[0]


def _normalize(text: str) -> str:
    """``normalize_vqa``, remembered for answers of ordinary length, of which there are few different ones."""
    return _remembered(text) if len(text) <= _REMEMBERED_CHARACTERS else normalize_vqa(text)


def _leave_out_equal_dicts(
    prediction: str, normalized: Sequence[str], answers: Sequence[Mapping[str, Any]]
) -> float:
    """Leave-one-out by equality of the annotation's dicts, after their answers have been normalised."""
    full = [{**datum, "answer": answer} for datum, answer in zip(answers, normalized, strict=True)]
    total = 0.0
    for left_out in full:
        total += min(1.0, sum(d != left_out and d["answer"] == prediction for d in full) / 3)
    return total / len(full)


def _one_line(text: str) -> str:
    if "\n" in text or "\t" in text:
        text = text.replace("\n", " ").replace("\t", " ")
    return text.strip()


def _drop_punctuation(text: str, delete_all: bool) -> str:
    """Delete each mark that touches a space (or all, where told to); put a space for the others."""
    out = text
    for mark in PUNCTUATION:
        if mark in out:
            touches_space = mark + " " in text or " " + mark in text
            out = out.replace(mark, "" if delete_all or touches_space else " ")
    return out


def _digits_and_articles(text: str) -> str:
    words = (NUMBER_WORDS.get(word, word) for word in _lower(text).split())
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)


def _lower(text: str) -> str:
    """Lower case letter by letter, as Python 2 did: one letter stays one, whatever stands beside it."""
    if text.isascii():
        return text.lower()
    return "".join("i" if letter == "İ" else letter.lower() for letter in text)


_REMEMBERED_CHARACTERS = 64
_remembered = lru_cache(maxsize=1 << 16)(normalize_vqa)
_normalize_annotation_evalai = lru_cache(maxsize=1 << 16)(normalize_evalai)
