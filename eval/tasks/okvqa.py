"""OK-VQA: questions that need outside knowledge, in VQAv2's files."""

from __future__ import annotations

from eval.tasks.published import COCO_VAL2014, SEE_PAGE, Published, Remote
from eval.tasks.vqav2 import VQAv2


class OkVqa(VQAv2):
    """OK-VQA: ``OpenEnded_mscoco_val2014_questions.json`` and ``mscoco_val2014_annotations.json``.

    Files and metric are those of VQAv2; its ten answers are those of five people, each twice.

    Source: Marino et al., OK-VQA; GT-Vision-Lab/VQA, VQAEval.
    """

    title = "OK-VQA: open questions that need outside knowledge"
    published = Published(
        SEE_PAGE,
        "5,046 (val)",
        "of COCO val2014",
        "6.6 GB",
        "https://okvqa.allenai.org/download.html",
        (
            Remote("https://okvqa.allenai.org/static/data/OpenEnded_mscoco_val2014_questions.json.zip"),
            Remote("https://okvqa.allenai.org/static/data/mscoco_val2014_annotations.json.zip"),
            COCO_VAL2014,
        ),
        "questions={folder}/OpenEnded_mscoco_val2014_questions.json,"
        "annotations={folder}/mscoco_val2014_annotations.json,images={folder}/val2014",
    )
