"""Every task with what writes its files, and what all right answers give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.benchmark_files.amber import amber, amber_descriptions
from tests.benchmark_files.boxes import refcoco
from tests.benchmark_files.descriptions import captions, chair, coco_captions, object_halbench
from tests.benchmark_files.files import Files
from tests.benchmark_files.judged import hallusionbench, llavabench, mmhal, mmvet
from tests.benchmark_files.open_questions import gqa, vizwiz, vqav2
from tests.benchmark_files.options import (
    aokvqa,
    cvbench,
    mmbench,
    mmbench_cn,
    mmmu,
    mmstar,
    realworldqa,
    scienceqa,
    seedbench,
)
from tests.benchmark_files.own_protocols import link_context, mmmt_if, text_only
from tests.benchmark_files.written_text import chartqa, docvqa, ocrbench, textvqa
from tests.benchmark_files.yes_no import mme, pope

WRITERS: dict[str, Callable[[Path], Files]] = {
    "vqav2": vqav2,
    "okvqa": vqav2,
    "textvqa": textvqa,
    "vizwiz": vizwiz,
    "gqa": gqa,
    "scienceqa": scienceqa,
    "aokvqa": aokvqa,
    "aokvqa_direct": aokvqa,
    "pope": pope,
    "chair": chair,
    "captions": captions,
    "coco_captions": coco_captions,
    "mme": mme,
    "mmbench": mmbench,
    "mmbench_cn": mmbench_cn,
    "seedbench": seedbench,
    "mmstar": mmstar,
    "mmmu": mmmu,
    "realworldqa": realworldqa,
    "cvbench": cvbench,
    "docvqa": docvqa,
    "infovqa": docvqa,
    "chartqa": chartqa,
    "ocrbench": ocrbench,
    "refcoco": refcoco,
    "amber": amber,
    "amber_descriptions": amber_descriptions,
    "hallusionbench": hallusionbench,
    "mmhal": mmhal,
    "llavabench": llavabench,
    "mmvet": mmvet,
    "mmmt_if": mmmt_if,
    "object_halbench": object_halbench,
    "link_context": link_context,
    "text_only": text_only,
}
"""Task → writer; one for each task of the registry."""


PERFECT = {
    "vizwiz": 1.0,
    "chair": 0.0,
    "amber_descriptions": 0.0,
    "object_halbench": 0.0,
    "mmhal": 6.0,
    "coco_captions": None,
}
"""What all right answers give for the primary metric, where it is not 1; None where it depends on the captions."""


def write(task: str, folder: Path) -> Files:
    """Write the files of one task."""
    folder.mkdir(parents=True, exist_ok=True)
    return WRITERS[task](folder)
