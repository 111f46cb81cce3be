"""Numbers with their nouns, for sentences that people read."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "", *, thousands: bool = False) -> str:
    """A number and what it counts: ``1 item``, ``2 items``; ``1 answer is``, ``0 answers are``.

    Args:
        number: how many.
        one: what follows 1.
        many: what follows other numbers; by default ``one`` with an s.
        thousands: whether large numbers have commas.
    """
    return f"{number:,} {_form(number, one, many)}" if thousands else f"{number} {_form(number, one, many)}"


def _form(number: int, one: str, many: str) -> str:
    return one if number == 1 else many or f"{one}s"
