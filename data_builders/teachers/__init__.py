"""Clients of the models that write data: endpoints, batch files, local models, and rules for dry runs."""

from __future__ import annotations

from data_builders.teachers.base import (
    Answer,
    Failure,
    Message,
    Reply,
    Request,
    Settings,
    Teacher,
    UnusableError,
    Usage,
)

__all__ = [
    "Answer",
    "Failure",
    "Message",
    "Reply",
    "Request",
    "Settings",
    "Teacher",
    "UnusableError",
    "Usage",
]
