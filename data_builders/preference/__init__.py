"""Builders of preferences: a better and a worse answer, and what shows which is which."""

from __future__ import annotations

from data_builders.preference.dress import BUILDER as DRESS
from data_builders.preference.povid_noised import BUILDER as POVID_NOISED
from data_builders.preference.povid_teacher import BUILDER as POVID_TEACHER
from data_builders.preference.ratings import BUILDER as RATINGS
from data_builders.preference.rlaif_v import BUILDER as RLAIF_V
from data_builders.preference.videosavi import BUILDER as VIDEOSAVI
from data_builders.prompted.base import PromptedBuilder

PREFERENCE: dict[str, PromptedBuilder] = {
    builder.name: builder for builder in (POVID_TEACHER, POVID_NOISED, RLAIF_V, RATINGS, VIDEOSAVI, DRESS)
}
"""Name -> builder with a teacher; a new one is a file, its prompts, and its name here."""

__all__ = ["PREFERENCE"]
