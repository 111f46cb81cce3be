"""Pictures that builders draw themselves, so that every answer is exact: diagrams, charts, pages."""

from __future__ import annotations
