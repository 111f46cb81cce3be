"""Numbers with their nouns and verbs, for sentences that people read."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "", *, thousands: bool = False) -> str:
    """A number and what it counts: ``1 item``, ``2 items``; ``1 answer is``, ``0 answers are``.

    Args:
        number: how many.
        one: what follows 1.
        many: what follows other numbers; by default ``one`` with an s.
        thousands: whether large numbers have commas.
    """
    told = f"{number:,}" if thousands else str(number)
    return f"{told} {agreeing(number, one, many or f'{one}s')}"


def agreeing(number: int, one: str, many: str) -> str:
    """The word alone, as behind ``1 of 24 items``: has, not have."""
    return one if number == 1 else many
