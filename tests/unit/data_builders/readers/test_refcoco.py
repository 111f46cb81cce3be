"""Hand-written references in RefCOCO's published keys, beside COCO's instances."""

from __future__ import annotations

import os
import pickle
import pickletools

import pytest

from data_builders.scenes import Region
from mmtune.errors import UserError
from tests.unit.data_builders.readers.coco_by_hand import annotation, instances

REFS = [
    {
        "sent_ids": [0, 1],
        "file_name": "COCO_train2014_000000000009_2.jpg",
        "ann_id": 2,
        "ref_id": 0,
        "image_id": 9,
        "split": "val",
        "category_id": 1,
        "sentences": [
            {"tokens": ["the", "lady"], "raw": "THE LADY", "sent_id": 0, "sent": "the lady"},
            {"tokens": ["woman"], "raw": "woman", "sent_id": 1, "sent": "woman"},
        ],
    }
]


def test_refcoco_joins_expressions_with_boxes(put, read) -> None:
    strange = [
        {**REFS[0], "ref_id": 1, "ann_id": 99, "sentences": [{"sent_id": 5, "sent": "nobody"}]},
        {**REFS[0], "ref_id": 2, "image_id": 77, "sentences": [{"sent_id": 6, "sent": "nowhere"}]},
        {**REFS[0], "ref_id": 3, "sentences": [{"sent_id": 1, "sent": "again"}, {"sent_id": 8, "sent": " "}]},
        {**REFS[0], "ref_id": 4, "sentences": []},
    ]
    path = put("refcoco/instances.json", instances(annotation(2, 9, 1, [4, 5, 6, 7])))
    # Python 2 wrote the published files, with its oldest protocol.
    put("refcoco/refs(unc).p", pickle.dumps(REFS + strange, protocol=0))
    found, problems = read(path.parent)
    assert found[0].regions == (
        Region("0", "the lady", (4, 5, 10, 12), ("2",)),
        Region("1", "woman", (4, 5, 10, 12), ("2",)),
    )
    assert found[0].source["splits"] == {"0": "val", "1": "val", "5": "val"}
    assert sorted(problem.row for problem in problems) == [f"reference {i}" for i in (1, 2, 3, 3, 4)]
    with pytest.raises(UserError, match=r"instances\.json"):
        read(path.parent / "refs(unc).p")


class _Harm:
    def __reduce__(self):
        return os.mkdir, ("harm",)


def test_a_pickle_may_not_run_code(put, read, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = put("instances.json", instances(annotation(2, 9, 1, [4, 5, 6, 7])))
    evil = pickle.dumps([_Harm()])
    assert any(code.name == "REDUCE" for code, _, _ in pickletools.genops(evil))
    with pytest.raises(UserError, match="mkdir"):
        read(path, put("refs(evil).p", evil))
    assert not (tmp_path / "harm").exists()
    with pytest.raises(UserError, match="pickle"):
        read(path, put("refs(cut).p", pickle.dumps(REFS)[:40]))
