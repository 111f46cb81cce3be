"""The card of a data set: what it holds, how its answers are balanced, whose licence it is under."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data_builders.balance import Balance, Share
from data_builders.curate.language import language_of
from data_builders.licences import UNKNOWN, licence_class, stated_in, strictest
from data_builders.problems import Problem, problem_of
from data_builders.rows import iter_rows, write_whole
from mmtune.errors import RecordError, UserError
from mmtune.records import Record

_TOP = 12
_EDGES = (50, 100, 200, 400, 800, 1600, 3200, 6400)
"""Upper edges of the classes of length, in characters."""


@dataclass
class Card:
    """All figures of a card."""

    name: str
    records: int = 0
    turns: int = 0
    images: int = 0
    text_only: int = 0
    several_images: int = 0
    characters: int = 0
    longest: int = 0
    lengths: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    builders: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    """Class of the strictest parent -> records."""
    names: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(licence as written, its class as the strictest parent) -> records."""
    problems: list[Problem] = field(default_factory=list)
    balance: Balance = field(default_factory=Balance)

    def add(self, record: Record, known: Mapping[str, str]) -> None:
        """Count one record."""
        length = sum(len(turn.text) for turn in record.turns)
        self.records += 1
        self.turns += len(record.turns)
        self.images += len(record.images)
        self.text_only += not record.images
        self.several_images += len(record.images) > 1
        self.characters += length
        self.longest = max(self.longest, length)
        self.lengths[next((f"to {edge}" for edge in _EDGES if length <= edge), f"over {_EDGES[-1]}")] += 1
        self.languages[language_of(" ".join(turn.text for turn in record.turns))] += 1
        self.builders[_builder(record)] += 1
        kind = licence_class(record.meta, known)
        self.licences[kind] += 1
        if len(self.names) < 10_000:
            self.names["; ".join(stated_in(record.meta)) or "none stated", kind] += 1
        self.balance.add(record)

    @property
    def licence(self) -> str:
        """The class of the strictest record."""
        return strictest(self.licences)


def make_card(
    path: Path,
    name: str | None = None,
    known: Mapping[str, str] | None = None,
    require_licence: bool = False,
) -> Card:
    """Go through a file once.

    Args:
        path: LLaVA JSON or JSON Lines.
        name: of the data set; the file's by default.
        known: further names of licences; see ``licences.class_of``.
        require_licence: whether a record of unknown licence is an error.

    Raises:
        UserError: the file cannot be read, no row of it can be used, or a licence is unknown where one is
            required.
    """
    card = Card(name or path.stem)
    unlicensed: list[str] = []
    for row in iter_rows(path):
        try:
            record = row.record()
        except RecordError as error:
            card.problems.append(problem_of(error, row.number))
            continue
        card.add(record, known or {})
        if require_licence and licence_class(record.meta, known) == UNKNOWN:
            unlicensed.append(f"row {row.number}, record {record.id!r}")
    if unlicensed:
        raise UserError(
            f"the licence of {len(unlicensed)} records is unknown",
            f"{path}: {unlicensed[0]}",
            "state it in their 'licence', name it with --licences, or leave these records out",
        )
    if not card.records:
        raise UserError("no row of the file can be used", f"{path}: {card.problems[0]}", "mend the rows")
    return card


def card_json(card: Card) -> dict[str, Any]:
    """The figures as plain JSON values."""
    balance, blind = card.balance, card.balance.blind()
    share = Share.of(balance.yes, balance.yes + balance.no)
    plain = {key: getattr(card, key) for key in _PLAIN}
    counts = {key: dict(sorted(getattr(card, key).items())) for key in _COUNTS}
    return {
        **plain,
        **counts,
        "licence": card.licence,
        "problems": len(card.problems),
        "yes_of_yes_no": share and asdict(share),
        "short_answers": balance.short,
        "options": {
            str(number): dict(sorted(found.items())) for number, found in sorted(balance.letters.items())
        },
        "answers": dict(balance.answers.most_common(_TOP)),
        "blind": {key: value and asdict(value) for key, value in blind.items()},
        "lopsided": [[opening, answer, asdict(one)] for opening, answer, one in balance.lopsided()[:_TOP]],
    }


_PLAIN = ("name", "records", "turns", "images", "text_only", "several_images", "characters", "longest")
_COUNTS = ("lengths", "languages", "builders", "licences")


def card_text(card: Card) -> str:
    """The card in Markdown."""
    figures = card_json(card)
    blind, balance = card.balance.blind(), card.balance
    lines = [f"# {_cell(card.name)}", ""]
    lines += _table(
        ("what", "how much"),
        [
            ("records", f"{card.records:,}"),
            ("turns", f"{card.turns:,}"),
            ("images", f"{card.images:,}"),
            ("records without an image", f"{card.text_only:,}"),
            ("records with several images", f"{card.several_images:,}"),
            ("characters of a record, mean", f"{card.characters / card.records:,.0f}"),
            ("characters of a record, most", f"{card.longest:,}"),
            ("rows that cannot be used", f"{len(card.problems):,}"),
        ],
    )
    lines += ["", "## Licence", "", f"The strictest record makes the data set **{card.licence}**.", ""]
    rows = [(kind, name, f"{count:,}") for (name, kind), count in card.names.most_common(_TOP)]
    lines += _table(("class of the strictest parent", "as written", "records"), rows)
    if left := len(card.names) - _TOP:
        lines += ["", f"{left} more spellings."] if left > 0 else []
    lines += ["", "## Balance", ""]
    lines += [
        "What the text alone gives away. The guess is the commonest answer to the same or a similar question"
        " about other images; an image is needed only as far as this is low.",
        "",
    ]
    yes = Share.of(balance.yes, balance.yes + balance.no)
    rows3 = [
        ("answers that are yes, of yes and no", _share(yes)),
        ("short answers guessed from the question alone", _share(blind["guess"])),
        ("short answers that are the commonest one", _share(blind["majority"])),
    ]
    lines += _table(("what", "share, 95 % interval, n"), rows3)
    if balance.letters:
        lines += ["", "Position of the right option:", ""]
        rows = [
            (str(number), letter, f"{count / sum(found.values()):.1%} of {sum(found.values()):,}")
            for number, found in sorted(balance.letters.items())
            for letter, count in sorted(found.items())
        ]
        lines += _table(("options", "right one", "share"), rows)
    lopsided = balance.lopsided()[:_TOP]
    if lopsided:
        lines += ["", "Questions whose beginning says most about the answer:", ""]
        lines += _table(
            ("question begins", "commonest answer", "share, 95 % interval, n"),
            [(opening, answer, _share(one)) for opening, answer, one in lopsided],
        )
    lines += ["", "## Answers, sources, languages, lengths", ""]
    for title, found in (
        ("short answer", figures["answers"]),
        ("builder or source", figures["builders"]),
        ("language", figures["languages"]),
        ("characters", {key: card.lengths[key] for key in _length_names() if card.lengths[key]}),
    ):
        top = list(found.items()) if title == "characters" else Counter(found).most_common(_TOP)
        lines += [*_table((title, "number"), [(key, f"{count:,}") for key, count in top]), ""]
    return "\n".join(lines)


def write_card(card: Card, out: Path) -> None:
    """Write ``out`` (Markdown) and the same figures beside it as JSON."""
    for path, text in (
        (out, card_text(card)),
        (out.with_suffix(".json"), json.dumps(card_json(card), indent=1, ensure_ascii=False) + "\n"),
    ):
        write_whole(path, text.encode("utf-8", "backslashreplace"))


def _length_names() -> list[str]:
    return [*(f"to {edge}" for edge in _EDGES), f"over {_EDGES[-1]}"]


def _builder(record: Record) -> str:
    for key in ("builder", "source"):
        value = record.meta.get(key)
        if isinstance(value, str) and value:
            return value[:80]
    return "not stated"


def _share(share: Share | None) -> str:
    return "–" if share is None else f"{share.value:.1%}, {share.low:.1%} – {share.high:.1%}, {share.n:,}"


def _table(head: tuple[str, ...], rows: list[Any]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(_cell(str(cell)) for cell in row) + " |" for row in rows]


def _cell(text: str) -> str:
    """Text of strangers as one cell: no new column, row, tag or heading."""
    plain = " ".join(text.split())[:120]
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", plain)
