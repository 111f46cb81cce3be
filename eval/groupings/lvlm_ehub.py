"""LVLM-eHub: six kinds of capability over many benchmarks."""

from __future__ import annotations

from eval.groupings.base import Grouping, Member

LVLM_EHUB = Grouping(
    title="LVLM-eHub: six kinds of capability",
    abilities={
        "visual perception": [
            Member("mme", "accuracy", "sub_task", ("existence", "count"), 0.5, stand_in=True),
            Member("seedbench", "accuracy", "question_type", ("Instance Counting",), 0.25, stand_in=True),
            Member("cvbench", "accuracy", "task", ("Count",), 0.25, stand_in=True),
        ],
        "visual knowledge acquisition": [
            Member(
                "ocrbench", "accuracy", "type", ("Regular Text Recognition", "Irregular Text Recognition")
            ),
            Member("ocrbench", "accuracy", "type", ("Key Information Extraction",)),
        ],
        "visual reasoning": [
            Member("docvqa", "anls"),
            Member("textvqa"),
            Member("okvqa"),
            Member("gqa"),
            Member("scienceqa", "image_accuracy", chance=0.25),
            Member("vizwiz"),
        ],
        "visual commonsense": [
            Member("aokvqa", chance=0.25, stand_in=True),
            Member("mme", "accuracy", "sub_task", ("commonsense_reasoning",), 0.5, stand_in=True),
        ],
        "object hallucination": [Member("pope", "accuracy", chance=0.5)],
        "embodied intelligence": [],
    },
    not_here={
        "visual perception": (
            "ImageNet-1K",
            "CIFAR-10",
            "Pets",
            "Flowers",
            "objects of COCO and VCR counted",
        ),
        "visual knowledge acquisition": ("SROIE and FUNSD themselves", "NoCaps, Flickr30k, WHOOPS by CIDEr"),
        "visual reasoning": ("STVQA", "OCR-VQA", "VSR", "VisDial", "IconQA", "WHOOPS", "SNLI-VE"),
        "visual commonsense": ("ImageNetVC", "VCR"),
        "embodied intelligence": (
            "Minecraft",
            "VirtualHome",
            "Meta-World",
            "Franka Kitchen, judged by people",
        ),
    },
    note="The authors score by whether the answer stands in the reply; here each benchmark keeps its own"
    " score, on all of its items. Benchmarks marked as stand-ins are not theirs: they measure the same"
    " kind of capability. Captions are left out of the mean, since CIDEr is no share. None of the figures"
    " is comparable with the paper's.",
)
"""Source: Xu et al., LVLM-eHub: A Comprehensive Evaluation Benchmark for Large Vision-Language Models."""
