"""Split a caption into words and marks, close to the Penn Treebank convention that CHAIR was defined on."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""
    \.\.\.                                  # an ellipsis
  | --                                      # a double dash
  | [?!;@\#$%&()\[\]{}<>"“”‘’«»`]             # marks that always stand alone
  | [,:](?!\d)                              # comma and colon, but not inside a number
  | (?:(?!\.\.\.|--)[^\s?!;@\#$%&()\[\]{}<>"“”‘’«»`,:]|[,:](?=\d))+   # everything else that touches
    """,
    re.VERBOSE,
)
_CLITIC = re.compile(r"(?<=[^'\s])('(?:s|m|d|ll|re|ve)?|n't)$")
_ABBREVIATIONS = frozenset(
    {"dr", "e.g", "etc", "i.e", "jr", "mr", "mrs", "ms", "no", "prof", "sr", "st", "vs"}
)


def word_tokens(text: str) -> list[str]:
    """Words and marks of ``text`` in order, in the case in which they stand.

    Hyphens, slashes and full stops inside a word stay (``man.a`` is one word); ``'s``, ``n't`` and the like
    and a final full stop become tokens of their own, the stop of an abbreviation stays.
    """
    tokens: list[str] = []
    end = len(text.rstrip(" \n\t\r\"')]}”»’"))
    for match in _TOKEN.finditer(text):
        tokens += _split_word(match.group(), last=match.end() >= end)
    return tokens


def _split_word(word: str, last: bool) -> list[str]:
    """Take a final full stop and a clitic off a word."""
    if len(word) == 1 or word in ("...", "--"):
        return [word]
    marks: list[str] = []
    stop = re.search(r"[^.](\.)'?$", word)
    if stop and (last or word.strip("'").rstrip(".").lower() not in _ABBREVIATIONS):
        marks = [word[stop.start(1) :][0]] + (["'"] if word.endswith("'") else [])
        word = word[: stop.start(1)]
    head = re.match(r"'(?=\w\w)(?!(?:s|m|d|ll|re|ve)$)", word)
    lead = ["'"] if head else []
    word = word[len(lead) :]
    clitic = _CLITIC.search(word)
    if clitic:
        return [*lead, word[: clitic.start()], clitic.group(), *marks]
    return [*lead, word, *marks]
