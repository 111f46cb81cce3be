"""Programs: questions and answers computed from annotation alone, without any teacher model."""

from __future__ import annotations
