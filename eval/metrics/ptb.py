"""Words of a caption as COCO's script sees them: the Penn Treebank tokeniser, then no punctuation.

The script runs Stanford's tokeniser, a Java program. This is our own one of the same convention, in one
regular expression; it gives the same words for what captions are made of, and may differ on rare strings
(smileys, web addresses, unusual abbreviations).
"""

from __future__ import annotations

import re

_DROPPED = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
_WRITTEN_AS = {
    "(": "-lrb-",
    ")": "-rrb-",
    "[": "-lsb-",
    "]": "-rsb-",
    "{": "-lcb-",
    "}": "-rcb-",
    "£": "#",
    "€": "$",
    "…": "...",
    "–": "--",
    "—": "--",
    "½": "1/2",
    "¼": "1/4",
    "¾": "3/4",
    "“": "``",
    "”": "''",
    '"': "''",
    "‘": "`",
    "’": "'",
}
_TWO_WORDS = {
    "cannot": ("can", "not"),
    "gonna": ("gon", "na"),
    "gotta": ("got", "ta"),
    "wanna": ("wan", "na"),
    "lemme": ("lem", "me"),
    "gimme": ("gim", "me"),
    "'tis": ("'t", "is"),
    "'twas": ("'t", "was"),
}
_ABBREVIATIONS = """
    adm apr assn attys aug av ave blvd bros capt cmdr co col corp cos cpl dec det dist dr e.g ed esq etc ft
    feb fri gen gov hon i.e inc intl jan jr jul jun ln lt ltd maj mar messrs mon mr mrs ms mssrs mt nov oct op
    ph.d pres prof rd rep reps rev sen sens sept sgt sr st tel univ viz vs wed
"""
_ABBREVIATION = "|".join(re.escape(word) for word in sorted(_ABBREVIATIONS.split(), key=len, reverse=True))
_STARTERS = """
    A After An As At But He Her Here However If In It Last Many More Mr. Ms. Now Once One Other Our She Since
    So Some Such That The Their Then There These They This We What When While Yet You
"""
_STARTER = "|".join(
    re.escape(form) for word in _STARTERS.split() for form in dict.fromkeys((word, word.upper()))
)
"""Words that start a sentence: an initial before one of them ends the sentence that it stands in."""
_CLITICS = r"['’](?:s|m|d|ll|re|ve)"
_TOKEN = re.compile(
    rf"""
    (?P<tag> </?[A-Za-z!][^<>\n]*> )
  | (?P<address> https?://[^\s"<>()]+ | www\.[^\s"<>()]+ | [\w.+-]+@[\w-]+(?:\.[\w-]+)+ )
  | (?P<short> (?:[A-Za-z]\.){{2,}}(?![A-Za-z]) | (?i:{_ABBREVIATION})\.(?!\w) | [Nn]o\.(?=\s*\d)
        | [A-Za-z]\.(?!\w|\s+(?:{_STARTER})(?!\w)) )
  | (?P<company> [A-Z]+(?:[+&][A-Z]+)+ )
  | (?P<clock> \d{{1,2}}:\d\d(?=[ap]\.?m\b) )
  | (?P<smiley> [<>]?[:;=]['o*-]?[()DPdpO\\{{@|\[\]] )
  | (?P<fraction> [½¼¾] )
  | (?P<mixed> \d+[ ]\d+/\d+(?![\w/]) )
  | (?P<number> [+-]?\d+(?:[.,:/-]\d+)+(?![^\W\d_]) | [+-](?:\d+|\.\d+)(?![^\W\d_]) )
  | (?P<tis> (?i:['’]t(?:is|was))\b )
  | (?P<years> ['’]\d\ds? | ['’][nN]['’] )
  | (?P<clitic> (?i:{_CLITICS})(?![^\W_]) | (?i:n['’]t)(?![^\W_]) )
  | (?P<hash> [\#@][A-Za-z_]\w* )
  | (?P<word> [^\W_](?:(?!(?i:{_CLITICS})(?![^\W_]))
        (?:[^\W_]|(?<=[^\W_])[_./-](?=[^\W_])|(?<=[aeiouyAEIOUY])['’](?=[aeiouA-Z])|(?<=\b[A-HJ-XZdlno])['’](?=[^\W\d_]{{2}})
        |(?<=[nN])['’](?=[tT](?![^\W_]))|(?<=\b[mM]a)['’](?=am\b)))* )
  | (?P<marks> [!?]+ | \.\.\.+ | --+ | \*+ )
  | (?P<mark> [^\s\w] | _ )
    """,
    re.VERBOSE,
)
_LOOK_AHEAD = 12
_BEFORE_NT = re.compile(r"^(.+)(n't)$")
_OTHER_PAIRS = re.compile(r"^(y')(all)$|^(\w+)('n)$")
_KEPT_MARKS = frozenset("$%&*+=^~|\\<>@#/±°©®™_½¼¾")


def caption_words(caption: str, following: str = "") -> list[str]:
    """Lower-case words of a caption, without punctuation.

    Brackets stay under the names ``-lrb-``, ``-rrb-`` and so on, runs of ``!`` and ``?`` stay, and "don't" is
    two words, as in the original.

    Args:
        caption: the caption.
        following: the caption that the script tokenises after it. It reads all of them as one text, so that
            "vitamin c." keeps its stop or not by the first word of the next caption.

    Source: PTBTokenizer of pycocoevalcap (Stanford CoreNLP 3.4.1, -lowerCase).
    """
    words: list[str] = []
    for match in _TOKEN.finditer(f"{caption}\n{following[:_LOOK_AHEAD]}"):
        if match.start() >= len(caption):
            break
        text = match.group()
        if match.lastgroup in ("word", "tis"):
            words += _split(text.lower().replace("’", "'"))
        elif match.lastgroup == "smiley":
            words.append("".join(_WRITTEN_AS.get(mark, mark) for mark in text.lower()))
        elif match.lastgroup == "mixed":
            words.append(text.replace(" ", "\u00a0"))
        elif match.lastgroup in ("mark", "fraction"):
            written = _WRITTEN_AS.get(text, text)
            if written != text or text in _KEPT_MARKS:
                words.append(written)
        elif match.lastgroup == "marks":
            words.append("--" if text.startswith("--") else "..." if text.startswith("...") else text)
        else:
            words.append(text.lower().replace("’", "'"))
    return [word for word in words if word not in _DROPPED]


def _split(word: str) -> list[str]:
    """Take "n't" off, and divide the few words that are two."""
    if word in _TWO_WORDS:
        return list(_TWO_WORDS[word])
    match = _BEFORE_NT.match(word) or _OTHER_PAIRS.match(word)
    return [part for part in match.groups() if part] if match else [word]
