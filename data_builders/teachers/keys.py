"""The key of an endpoint: read from the environment, put into one header, shown nowhere."""

from __future__ import annotations

import os
from typing import NoReturn

from mmtune.errors import UserError

HIDDEN = "[key]"
_SHORTEST = 8
_PLACEHOLDERS = frozenset({"not-needed", "no-key-required", "sk-no-key-required", "placeholder"})
"""What is set for servers that want any key; shorter ones, as EMPTY and none, are told by their length."""


class Key:
    """An endpoint's key under its name in the environment.

    It can be turned neither into text nor into a pickle, so that no log, error or record can hold it by
    accident.

    Args:
        variable: name of the environment variable. Where it is unset or empty there is no key, as local
            servers need none.

    Raises:
        UserError: if the value could not be sent in a header; without showing it.
    """

    __slots__ = ("_value", "variable")

    def __init__(self, variable: str) -> None:
        self.variable = variable
        self._value = os.environ.get(variable, "").strip()
        if not all("!" <= character <= "~" for character in self._value):
            raise UserError(
                "the key holds blanks or other characters that no key has", variable, "set it again"
            )

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"Key({self.variable})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled")

    def headers(self) -> dict[str, str]:
        """The header that it is sent in."""
        return {"Authorization": f"Bearer {self._value}"} if self else {}

    @property
    def _is_secret(self) -> bool:
        """Whether it is worth hiding: a word of a few characters stands in texts that know nothing of it."""
        return len(self._value) >= _SHORTEST and self._value.lower() not in _PLACEHOLDERS

    def is_in(self, text: str) -> bool:
        """Whether a text holds the key; a placeholder, or one of under 8 characters, is not looked for."""
        return self._is_secret and self._value in text

    def hide(self, text: str) -> str:
        """The text with the key blotted out: servers repeat it in their errors; as ``is_in`` else."""
        return text.replace(self._value, HIDDEN) if self._is_secret else text
