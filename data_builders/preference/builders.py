"""The builders of preferences as builders."""

from __future__ import annotations

from data_builders.builders import Builder
from data_builders.preference import PREFERENCE, povid
from data_builders.prompted.builders import as_builders

BUILDERS: dict[str, Builder] = {
    povid.NAME: Builder(
        povid.NAME,
        needs="scenes with objects; exhaustive classes or attributes, or relations with opposites",
        makes="pairs of a true description and one with hallucinations injected, without a teacher",
        paper="POVID, arXiv 2402.11411",
        build=povid.build,
    ),
    **as_builders(PREFERENCE.values()),
}
