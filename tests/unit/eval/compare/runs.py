"""Finished runs as the command names them, compared with few draws."""

from __future__ import annotations

from eval.compare import parse_groups
from eval.compare.comparing import Drawing

QUICK = Drawing(resamples=200, permutations=999)


def given(*runs, **named):
    """One model a run, or NAME=RUN,RUN for seeds of one."""
    return parse_groups([*map(str, runs), *(f"{name}={folder}" for name, folder in named.items())])
