"""The strictest parent wins, and what is not known counts as unknown."""

from __future__ import annotations

import pytest

from data_builders.licences import RANKS, class_of, licence_class, strictest


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("CC0-1.0", "public domain"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "public domain"),
        ("MIT", "permissive"),
        ("Apache License 2.0", "permissive"),
        ("CC-BY-4.0", "attribution"),
        ("Attribution License", "attribution"),
        ("http://creativecommons.org/licenses/by/2.0/", "attribution"),
        ("cc by sa 3.0", "share alike"),
        ("Attribution-NoDerivs License", "no derivatives"),
        ("Attribution-NonCommercial License", "non-commercial"),
        ("CC BY-NC-SA 4.0", "non-commercial, share alike"),
        ("http://creativecommons.org/licenses/by-nc-nd/2.0/", "non-commercial, no derivatives"),
        ("for research purposes only", "research only"),
        ("", "unknown"),
        ("proprietary", "unknown"),
        ("none", "unknown"),
        ("CC0-1.0; CC BY-NC 2.0", "non-commercial"),
        ("CC-BY-SA-4.0 AND CC-BY-NC-4.0", "non-commercial, share alike"),
        ("MIT OR GPL-3.0", "permissive"),
        ("MIT AND secret", "unknown"),
    ],
)
def test_names(name, kind):
    assert class_of(name) == kind


def test_coco_s_own_names_are_all_known():
    names = ["Attribution-NonCommercial-ShareAlike License", "Attribution-NonCommercial License"]
    names += [
        "Attribution-NonCommercial-NoDerivs License",
        "Attribution License",
        "Attribution-ShareAlike License",
    ]
    names += [
        "Attribution-NoDerivs License",
        "No known copyright restrictions",
        "United States Government Work",
    ]
    assert [class_of(name) for name in names[:-1]].count("unknown") == 0
    assert class_of(names[-1], {names[-1]: "public domain"}) == "public domain"


def test_the_strictest_parent_wins():
    meta = {
        "licence": "CC0-1.0",
        "parents": [{"id": "a", "licence": "CC-BY-4.0"}, {"id": "b", "license": "CC BY-NC 4.0"}],
    }
    assert licence_class(meta) == "non-commercial"
    meta["parents"].append({"id": "c"})
    assert licence_class(meta) == "unknown"
    assert licence_class({}) == "unknown"
    assert licence_class({"licence": ["MIT", "CC-BY-4.0"]}) == "attribution"


def test_two_that_forbid_different_things_forbid_both():
    assert strictest(["no derivatives", "non-commercial"]) == "non-commercial, no derivatives"
    assert strictest(["share alike", "non-commercial"]) == "non-commercial, share alike"
    assert all(RANKS[strictest([kind, "public domain"])] == RANKS[kind] for kind in RANKS)
