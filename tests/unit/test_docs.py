"""What the documents say: every command can be read by the command line, every link leads somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from mmtune import cli
from mmtune.train.settings_help import describe_settings

ROOT = Path(cli.__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
EXAMPLES = [(name, line) for name in cli.VERBS for line in cli.module_of(name).EXAMPLE.strip().splitlines()]


def commands_in(text: str) -> list[str]:
    """Commands in the shell blocks of a Markdown text, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [re.sub(r"\s+#.*$", "", line).strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


COMMANDS = [
    (path.name, command) for path in DOCUMENTS for command in commands_in(path.read_text(encoding="utf-8"))
]


def test_there_are_commands_to_check():
    assert len(COMMANDS) > 10
    assert {name for name, _ in COMMANDS} >= {"README.md", "recipes.md"}


@pytest.mark.parametrize(("document", "command"), [*COMMANDS, *EXAMPLES])
def test_command_can_be_read(document, command):
    words = shlex.split(command)
    if "mmtune" in words:
        words, overrides = cli.split_overrides(words[words.index("mmtune") + 1 :])
        args = cli.parser().parse_args(words)
        assert not overrides or args.takes_overrides
    elif words[0] == "bash":
        assert (ROOT / words[1]).is_file(), f"{document} names a script that is not there: {command}"
    else:
        assert words[0] in {"source", "pip"}, f"{document} shows a command of an unknown kind: {command}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert target.startswith("http") or (document.parent / target).exists(), (
            f"{target} in {document.name}"
        )


def test_paths_that_documents_name_are_there():
    missing = [
        (document.name, path)
        for document in DOCUMENTS
        for path in re.findall(
            r"`((?:mmtune|eval|data_builders|recipes|scripts|docs|tests)/[\w./-]*)`", document.read_text()
        )
        if not (ROOT / path).exists()
    ]
    assert missing == []


def test_every_place_for_a_method_is_there():
    """The table of CONTRIBUTING: the registry that a row names is in the folder, or file, that it names."""
    rows = re.findall(
        r"^\| an? [^|]+ \| `([^`]+)`[^|]* \| `(\w+)`[^|]*\|$",
        (ROOT / "CONTRIBUTING.md").read_text(),
        re.MULTILINE,
    )
    assert len(rows) > 8
    for folder, name in rows:
        base = ROOT if name == "VERBS" else ROOT / folder
        files = [base] if base.is_file() else [*base.glob("*.py"), *base.glob("*/*.py")]
        code = "".join(path.read_text(encoding="utf-8") for path in files)
        assert re.search(rf"^(def )?{name}\b", code, re.MULTILINE), f"{name} is not in {folder}"


def test_the_list_of_recipe_keys_is_fresh():
    text = (ROOT / "docs" / "recipe-keys.txt").read_text(encoding="utf-8")
    assert text == describe_settings() + "\n", "run: mmtune train --keys > docs/recipe-keys.txt"
