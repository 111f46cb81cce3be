"""Which language a text is in: by its script, and in Latin script by the small words that every text has."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

UNDECIDED = "und"

_SMALL = {
    "en": "the of and a to in is it on that with for are as this there at by be an or from",
    "de": "der die das und ist ein eine nicht mit auf den von zu dem des sich im es auch für",
    "fr": "le la les et est une un des dans que qui sur pas pour avec ce il elle du au",
    "es": "el los las y es una que en con para por del se lo como hay más su al está",
    "it": "il lo gli e è una che di con per del della sono non nel si più alla sul dei",
    "pt": "o os as e é uma que em com para por do da não se um na no mais dos",
    "nl": "de het een en is van op met niet voor zijn dat er aan te in ook om bij",
    "sv": "och är en ett som på av med för inte den det att till i har om från",
    "pl": "i w na z jest nie się do to że o jak po za dla przez są ten od",
    "tr": "bir ve bu da de için ile çok var olan gibi daha değil mi ne",
    "id": "yang di dan ini itu dengan untuk dari tidak ada pada ke adalah sebuah",
    "vi": "là của và có một không trong được cho với các người này những",
}
_WORDS = {code: frozenset(words.split()) for code, words in _SMALL.items()}
_SCRIPTS = {
    "CYRILLIC": "ru",
    "GREEK": "el",
    "ARABIC": "ar",
    "HEBREW": "he",
    "DEVANAGARI": "hi",
    "BENGALI": "bn",
    "THAI": "th",
    "HANGUL": "ko",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "CJK": "zh",
}
_WORD = re.compile(r"[^\W\d_]+")
_LOOKED_AT = 2000


def language_of(text: str) -> str:
    """A two-letter code, ``und`` where a text is too short or of no language that is known.

    A script that several languages share stands for its commonest one. Good enough to find the rows of
    another language in a data set; not a language identifier.
    """
    text = text[:_LOOKED_AT]
    if not text.isascii():
        scripts = Counter(_script(letter) for letter in text if letter.isalpha() and not letter.isascii())
        latin = scripts.pop("LATIN", 0) + sum(letter.isascii() and letter.isalpha() for letter in text)
        if scripts and scripts.total() * 2 > latin:
            if scripts["HIRAGANA"] + scripts["KATAKANA"] > 0.1 * scripts.total():
                return "ja"
            return _SCRIPTS.get(scripts.most_common(1)[0][0], UNDECIDED)
    words = _WORD.findall(text.casefold())
    found = {code: sum(word in small for word in words) for code, small in _WORDS.items()}
    best, count = max(found.items(), key=lambda one: one[1])
    if count >= max(1, len(words) // 12):
        return best
    return UNDECIDED


def _script(letter: str) -> str:
    return unicodedata.name(letter, "?").partition(" ")[0]
