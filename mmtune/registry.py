"""Registries of methods that live in one file each: a line names the file, which is imported once chosen."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

from mmtune.errors import unknown

T_co = TypeVar("T_co", covariant=True)


class Registry(Mapping[str, T_co], Generic[T_co]):
    """What each name stands for; a new method is one new file and one line here.

    Looking at the names imports nothing, so that a recipe is read without torch.

    Args:
        kind: what the names are to the user, as ``projector``.
        package: that the files are in.
        places: for each name ``file:attribute``, the file without its ending.
    """

    def __init__(self, kind: str, package: str, places: Mapping[str, str]) -> None:
        self.kind = kind
        self._package = package
        self._places = dict(places)

    def __getitem__(self, name: str) -> T_co:
        file, _, attribute = self._places[name].partition(":")
        found: Any = getattr(importlib.import_module(f"{self._package}.{file}"), attribute)
        return found  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def find(self, name: str, where: str | None = None) -> T_co:
        """What a name that a user wrote stands for.

        Args:
            name: as the user wrote it.
            where: the recipe key or option that holds the name.

        Raises:
            UserError: if there is none of this name; names the nearest.
        """
        if name not in self._places:
            raise unknown(self.kind, name, self._places, where)
        return self[name]
