"""Tables in a narrow terminal: words fold, numbers stay whole."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from mmtune.commands.printed_table import print_table

FIGURES = ["0.123", "0.101 – 0.145", "-0.250", "0.455"]


@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_no_number_is_cut(width):
    table = Table(title="calibration")
    for name in ("benchmark", "what it tells"):
        table.add_column(name)
    for name in ("n", "ECE", "interval", "equal mass", "covers at 0.9"):
        table.add_column(name, justify="right")
    table.add_row("pope_" + "adversarial" * 3, "a kind of several words", "1000 of 1146", *FIGURES)
    out = io.StringIO()
    print_table(Console(file=out, width=width), table)
    shown = out.getvalue()
    assert "…" not in shown and all(figure in shown for figure in FIGURES)
    assert all(word in shown for word in ("1000", "1146", "several"))
    if width == 200:
        assert max(map(len, shown.splitlines())) <= width and "1000 of 1146" in shown
