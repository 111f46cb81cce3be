"""OK-VQA: questions that need outside knowledge, in VQAv2's files."""

from __future__ import annotations

from eval.tasks.vqav2 import VQAv2


class OkVqa(VQAv2):
    """OK-VQA: ``OpenEnded_mscoco_val2014_questions.json`` and ``mscoco_val2014_annotations.json``.

    Files and metric are those of VQAv2; its ten answers are those of five people, each twice.

    Source: Marino et al., OK-VQA; GT-Vision-Lab/VQA, VQAEval.
    """

    title = "OK-VQA: open questions that need outside knowledge"
