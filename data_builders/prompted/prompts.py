"""Prompts in files that a person can edit: Jinja templates, one for each thing that a teacher is asked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from mmtune.errors import UserError, unknown

SHIPPED = Path(__file__).parent / "prompts"
Role = Literal["system", "user", "assistant"]
_HEAD = re.compile(r"^## (system|user|assistant)[ \t]*\n", re.MULTILINE)


class Prompts:
    """The prompts that ship with mmtune, with those of a folder of the user's own in their place.

    A file ``NAME.md`` holds sections ``## system``, ``## user`` and ``## assistant`` in the order of the
    messages; pairs of ``user`` and ``assistant`` before the last ``user`` are examples. ``{{ name }}`` stands
    for what the builder fills in. A file ``NAME.txt`` holds one entry a line.

    Args:
        folder: has files of the same names as those that are to be replaced.
        shipped: the prompts that ship with a room of builders.

    Raises:
        UserError: if the folder is missing or holds a file that replaces nothing.
    """

    def __init__(self, folder: Path | None = None, shipped: Path = SHIPPED) -> None:
        self._files = {path.name: path for path in sorted(shipped.iterdir()) if path.is_file()}
        if folder is not None:
            if not folder.is_dir():
                raise UserError("there is no such folder of prompts", str(folder))
            for path in sorted(folder.iterdir()):
                if path.name not in self._files:
                    raise unknown("prompt file", path.name, self._files, str(folder))
                self._files[path.name] = path
        self._texts = {name: path.read_text(encoding="utf-8") for name, path in self._files.items()}
        self._templates: dict[str, list[tuple[Role, Any]]] = {}

    @property
    def sha256(self) -> str:
        """Over all prompts; records name it."""
        digest = hashlib.sha256()
        for name, text in sorted(self._texts.items()):
            digest.update(f"{name}\0{text}\0".encode())
        return digest.hexdigest()[:16]

    def render(self, name: str, facts: Mapping[str, Any]) -> list[tuple[Role, str]]:
        """(role, text) of each message.

        Raises:
            UserError: for a prompt that there is not, one with a mistake, or one that names a fact that the
                builder does not give.
        """
        import jinja2

        try:
            messages = [(role, template.render(facts).strip()) for role, template in self._compiled(name)]
        except jinja2.TemplateError as error:
            reason = error.message or type(error).__name__
            raise UserError(
                f"the prompt cannot be filled in: {reason}", str(self._files[f"{name}.md"])
            ) from error
        if messages[-1][0] != "user":
            raise UserError("the prompt does not end with a user section", str(self._files[f"{name}.md"]))
        return messages

    def lines(self, name: str) -> list[str]:
        """The entries of a list."""
        if f"{name}.txt" not in self._texts:
            raise unknown("list of prompts", f"{name}.txt", self._files)
        found = [line.strip() for line in self._texts[f"{name}.txt"].splitlines()]
        return [line for line in found if line and not line.startswith("#")]

    def _compiled(self, name: str) -> list[tuple[Role, Any]]:
        if name not in self._templates:
            self._templates[name] = self._compile(name)
        return self._templates[name]

    def _compile(self, name: str) -> list[tuple[Role, Any]]:
        from jinja2 import StrictUndefined
        from jinja2.sandbox import SandboxedEnvironment

        if f"{name}.md" not in self._texts:
            raise unknown("prompt", f"{name}.md", self._files)
        environment = SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        parts = _HEAD.split(self._texts[f"{name}.md"])
        if len(parts) < 3:
            raise UserError("the prompt has no '## user' section", str(self._files[f"{name}.md"]))
        return [
            (cast(Role, role), environment.from_string(text))
            for role, text in zip(parts[1::2], parts[2::2], strict=True)
        ]
