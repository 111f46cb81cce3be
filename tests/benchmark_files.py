"""Small benchmarks in their official file formats, each with an answer file in its own format, all answers right.

Everything is written by hand here; nothing is taken from the benchmarks.
"""

from __future__ import annotations

import base64
import io
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

SIZE = 24
"""Items of each."""
COLOURS = ("red", "green", "blue", "white")
LETTERS = "ABCD"


@dataclass
class Files:
    """A benchmark's files."""

    annotations: Path
    answers: Path
    settings: str = ""
    """What follows the task's name on the command line, as ``choices=FILE``."""
    questions: Path | None = None
    """The questions, where a benchmark keeps them apart: what asking needs and scoring does not."""
    perfect: dict[str, float] = field(default_factory=dict)
    """Metrics that all right answers give, besides the primary one."""
    items: int = SIZE


def write(task: str, folder: Path) -> Files:
    """Write the files of one task."""
    folder.mkdir(parents=True, exist_ok=True)
    return WRITERS[task](folder)


def dump(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def rows(path: Path, values: list[dict[str, Any]]) -> Path:
    path.write_text(
        "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values), encoding="utf-8"
    )
    return path


def colour(number: int) -> str:
    return COLOURS[number % 4]


def picture(number: int) -> str:
    """A small image in base64."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16), colour(number)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def _ten(number: int, ids: bool = True) -> list[dict[str, Any]]:
    answers = [colour(number)] * 8 + ["a dog", "none"]
    return [
        {"answer": text, "answer_confidence": "yes", **({"answer_id": place} if ids else {})}
        for place, text in enumerate(answers, start=1)
    ]


def vqav2(folder: Path) -> Files:
    annotations = [
        {
            "question_id": 100 + n,
            "image_id": n // 2,
            "question_type": "what" if n % 2 else "is the",
            "answer_type": "other",
            "multiple_choice_answer": colour(n),
            "answers": _ten(n),
        }
        for n in range(SIZE)
    ]
    questions = [
        {"question_id": 100 + n, "image_id": n // 2, "question": "What colour is it?"} for n in range(SIZE)
    ]
    answers = [{"question_id": 100 + n, "answer": colour(n)} for n in reversed(range(SIZE))]
    return Files(
        dump(folder / "annotations.json", {"annotations": annotations}),
        dump(folder / "answers.json", answers),
        questions=dump(folder / "questions.json", {"data_subtype": "val2014", "questions": questions}),
    )


def textvqa(folder: Path) -> Files:
    data = [
        {"question_id": n, "image_id": f"i{n}", "question": "What is written?", "answers": [colour(n)] * 10}
        for n in range(SIZE)
    ]
    return Files(
        dump(folder / "TextVQA_0.5.1_val.json", {"data": data}),
        dump(folder / "answers.json", [{"question_id": n, "answer": colour(n).upper()} for n in range(SIZE)]),
    )


def vizwiz(folder: Path) -> Files:
    truth = [
        {
            "image": f"VizWiz_val_{n}.jpg",
            "question": "What is this?",
            "answers": [
                {"answer": "unanswerable" if n < 4 else colour(n), "answer_confidence": str(i)}
                for i in range(10)
            ],
            "answer_type": "unanswerable" if n < 4 else "other",
            "answerable": int(n >= 4),
        }
        for n in range(SIZE)
    ]
    answers = [{"image": t["image"], "answer": t["answers"][0]["answer"]} for t in truth]
    return Files(
        dump(folder / "val.json", truth),
        dump(folder / "answers.json", answers),
        perfect={"abstained": 4 / SIZE, "abstained_rightly": 1.0, "unanswerable_found": 1.0},
    )


def gqa(folder: Path) -> Files:
    questions = {
        f"0{n}": {
            "question": "Is it red?",
            "imageId": str(n // 2),
            "answer": colour(n),
            "isBalanced": True,
            "types": {"structural": "query" if n % 2 else "verify", "semantic": "attr", "detailed": "x"},
            "groups": {"global": "color" if n % 2 else None, "local": "x"},
            "semantic": [{"operation": "select", "argument": "dog (1)", "dependencies": []}],
            "entailed": [f"0{n}", f"0{(n + 1) % SIZE}"],
            "equivalent": [],
        }
        for n in range(SIZE)
    }
    choices = {qid: {"valid": list(COLOURS), "plausible": [q["answer"]]} for qid, q in questions.items()}
    answers = [{"questionId": qid, "prediction": q["answer"]} for qid, q in questions.items()]
    return Files(
        dump(folder / "questions.json", questions),
        dump(folder / "answers.json", answers),
        settings=f"choices={dump(folder / 'choices.json', choices)}",
        perfect={
            **dict.fromkeys(("binary", "open", "consistency", "validity", "plausibility"), 1.0),
            "distribution": 0.0,
        },
    )


def scienceqa(folder: Path) -> Files:
    problems = {
        str(n): {
            "question": "Which colour?",
            "choices": list(COLOURS[: 2 + n % 3]),
            "answer": n % 2,
            "hint": "Look." if n % 3 else "",
            "image": "image.png" if n % 2 else None,
            "subject": "natural science",
            "grade": "grade2",
            "split": "test",
        }
        for n in range(SIZE + 4)
    }
    dump(folder / "pid_splits.json", {"test": [str(n) for n in range(SIZE)], "val": [str(SIZE)]})
    answers = [{"question_id": str(n), "text": LETTERS[n % 2]} for n in range(SIZE)]
    return Files(
        dump(folder / "problems.json", problems),
        rows(folder / "answers.jsonl", answers),
        perfect={"image_accuracy": 1.0},
    )


def aokvqa(folder: Path) -> Files:
    truth = _aokvqa(folder)
    answers = {f"q{n}": {"multiple_choice": colour(n), "direct_answer": colour(n)} for n in range(SIZE)}
    return Files(truth, dump(folder / "answers.json", answers))


def _aokvqa(folder: Path) -> Path:
    truth = [
        {
            "split": "val",
            "image_id": n,
            "question_id": f"q{n}",
            "question": "Which colour?",
            "choices": list(COLOURS),
            "correct_choice_idx": n % 4,
            "direct_answers": [colour(n)] * 5 + ["dog"] * 5,
        }
        for n in range(SIZE)
    ]
    return dump(folder / "aokvqa_v1p0_val.json", truth)


def pope(folder: Path) -> Files:
    truth = [
        {
            "question_id": n,
            "image": f"COCO_val2014_{n // 6:012d}.jpg",
            "text": f"Is there a {colour(n)} thing in the image?",
            "label": "no" if n % 2 else "yes",
        }
        for n in range(SIZE)
    ]
    answers = [
        {"question": t["text"], "answer": "No." if t["label"] == "no" else "Yes, there is."} for t in truth
    ]
    return Files(
        rows(folder / "coco_pope_random.json", truth),
        rows(folder / "answers.jsonl", answers),
        perfect={"accuracy": 1.0, "yes_ratio": 0.5},
    )


def _coco(folder: Path) -> Path:
    names = ("dog", "cat", "car", "bed")
    images = [{"id": n, "file_name": f"COCO_val2014_{n:012d}.jpg"} for n in range(SIZE)]
    categories = [{"id": i, "name": name} for i, name in enumerate(names)]
    instances = [{"id": n, "image_id": n, "category_id": n % 4} for n in range(SIZE)]
    captions = [
        {"id": 3 * n + i, "image_id": n, "caption": f"A {names[n % 4]} {verb} in picture number {n}."}
        for n in range(SIZE)
        for i, verb in enumerate(("sits", "stands", "lies"))
    ]
    dump(
        folder / "instances_val2014.json",
        {"images": images, "categories": categories, "annotations": instances},
    )
    dump(folder / "captions_val2014.json", {"images": images, "annotations": captions})
    return folder


def chair(folder: Path) -> Files:
    names = ("dog", "cat", "car", "bed")
    truth = _coco(folder / "coco") if (folder / "coco").mkdir() is None else folder
    answers = {
        "overall": {"CIDEr": 1.0},
        "imgToEval": {str(n): {"image_id": n, "caption": f"A {names[n % 4]}."} for n in range(SIZE)},
    }
    return Files(truth, dump(folder / "answers.json", answers), perfect={"chair_s": 0.0, "recall": 1.0})


def captions(folder: Path) -> Files:
    made = chair(folder)
    return Files(made.annotations, made.answers, perfect={"object_precision": 1.0})


def coco_captions(folder: Path) -> Files:
    _coco(folder)
    truth = folder / "captions_val2014.json"
    said = {row["image_id"]: row["caption"] for row in json.loads(truth.read_text())["annotations"]}
    answers = [{"image_id": n, "caption": text} for n, text in said.items()]
    return Files(truth, dump(folder / "answers.json", answers), perfect={"bleu_4": 1.0, "rouge_l": 1.0})


def mme(folder: Path) -> Files:
    from eval.metrics.yes_no import MME_COGNITION, MME_PERCEPTION

    (folder / "truth").mkdir()
    (folder / "answers").mkdir()
    for task in (*MME_PERCEPTION, *MME_COGNITION):
        lines = [
            (f"{n:04d}.jpg", f"Is it {colour(n + i)}? Please answer yes or no.", ("Yes", "No")[i])
            for n in range(2)
            for i in (0, 1)
        ]
        text = ["\t".join(line) for line in lines]
        (folder / "truth" / f"{task}.txt").write_text("".join(f"{line}\n" for line in text))
        said = [f"{line}\t{line.rsplit(chr(9), 1)[1]}\n" for line in text]
        (folder / "answers" / f"{task}.txt").write_text("".join(said))
    return Files(
        folder / "truth",
        folder / "answers",
        perfect={"accuracy_plus": 1.0, "perception": 2000.0, "cognition": 800.0, "score_OCR": 200.0},
        items=56,
    )


def _mmbench(folder: Path) -> tuple[Path, list[dict[str, Any]]]:
    table = []
    for n in range(6):
        for turn in range(4):
            options = [COLOURS[(i + turn) % 4] for i in range(4)]
            table.append(
                {
                    "index": n + turn * 1_000_000,
                    "question": "Which\tcolour?".replace("\t", " "),
                    "hint": "Look closely." if n % 2 else "",
                    **dict(zip(LETTERS, options, strict=True)),
                    "answer": LETTERS[options.index(colour(n))],
                    "category": "attribute_recognition",
                    "l2-category": "coarse_perception",
                    "split": "dev",
                    "image": picture(n),
                }
            )
    lines = ["\t".join(table[0]), *("\t".join(str(cell) for cell in row.values()) for row in table)]
    path = folder / "mmbench_dev_20230712.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path, table


def mmbench(folder: Path) -> Files:
    import openpyxl

    path, table = _mmbench(folder)
    book = openpyxl.Workbook()
    book.active.append(["index", "question", *LETTERS, "prediction"])
    for row in table:
        book.active.append([row["index"], row["question"], *(row[c] for c in LETTERS), row["answer"]])
    book.save(folder / "answers.xlsx")
    return Files(path, folder / "answers.xlsx", perfect={"accuracy": 1.0})


def mmbench_cn(folder: Path) -> Files:
    path, table = _mmbench(folder)
    lines = ["index\tprediction", *(f"{row['index']}\t{row['answer']}" for row in table)]
    (folder / "answers.tsv").write_text("\n".join(lines), encoding="utf-8")
    return Files(path, folder / "answers.tsv", perfect={"accuracy": 1.0})


def seedbench(folder: Path) -> Files:
    questions = [
        {
            "question_id": str(n) if n % 4 else f"v{n}",
            "question_type_id": 1 + n % 12,
            "data_type": "image" if n % 4 else "video",
            "data_id": f"{n}.jpg",
            "question": "Which colour?",
            **{f"choice_{c.lower()}": text for c, text in zip(LETTERS, COLOURS, strict=True)},
            "answer": LETTERS[n % 4],
        }
        for n in range(SIZE)
    ]
    kinds = {
        name: number for number, name in enumerate(("Scene", "Identity", "Attributes", "Location"), start=1)
    }
    answers = [{"question_id": q["question_id"], "prediction": q["answer"]} for q in questions]
    return Files(
        dump(folder / "SEED-Bench.json", {"question_type": kinds, "questions": questions}),
        rows(folder / "answers.jsonl", answers),
        perfect={"image_accuracy": 1.0, "video_accuracy": 1.0},
    )


def mmstar(folder: Path) -> Files:
    import pyarrow
    from pyarrow import parquet

    truth = [
        {
            "index": n,
            "question": "Which? Options: A: red, B: green, C: blue, D: white",
            "image": base64.b64decode(picture(n)),
            "answer": LETTERS[n % 4],
            "category": "math",
            "l2_category": "geometry",
            "meta_info": {"source": "x"},
        }
        for n in range(SIZE)
    ]
    parquet.write_table(pyarrow.Table.from_pylist(truth), folder / "mmstar.parquet")
    answers = [{"index": n, "prediction": f"The answer is {LETTERS[n % 4]}"} for n in range(SIZE)]
    return Files(folder / "mmstar.parquet", rows(folder / "answers.jsonl", answers))


def mmmu(folder: Path) -> Files:
    truth = [
        {
            "id": f"validation_Art_{n}",
            "question": "Which <image 1>?",
            "options": str(list(COLOURS)) if n % 3 else "[]",
            "answer": LETTERS[n % 4] if n % 3 else "['12.5', 'twelve']",
            "question_type": "multiple-choice" if n % 3 else "open",
        }
        for n in range(SIZE)
    ]
    answers = {t["id"]: f"({t['answer']})" if i % 3 else "It is 12.50" for i, t in enumerate(truth)}
    return Files(rows(folder / "val.jsonl", truth), dump(folder / "answers.json", answers))


def realworldqa(folder: Path) -> Files:
    lines = [
        "index\tquestion\tA\tB\tanswer\timage",
        *(f"{n}\tWhich?\tred\tgreen\t{LETTERS[n % 2]}\t{picture(n)}" for n in range(SIZE)),
    ]
    (folder / "RealWorldQA.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    answers = [{"index": n, "prediction": f"{LETTERS[n % 2]}."} for n in range(SIZE)]
    return Files(folder / "RealWorldQA.tsv", rows(folder / "answers.jsonl", answers))


def cvbench(folder: Path) -> Files:
    truth = [
        {
            "idx": n,
            "type": "3D" if n % 3 == 0 else "2D",
            "task": "Count",
            "source": ("Omni3D", "ADE20K", "COCO")[n % 3],
            "question": "How many?",
            "choices": ["1", "2", "3"],
            "answer": f"({LETTERS[n % 3]})",
            "filename": f"img/{n}.png",
        }
        for n in range(SIZE)
    ]
    answers = [{"idx": n, "answer": f"({LETTERS[n % 3]})"} for n in range(SIZE)]
    return Files(
        rows(folder / "test.jsonl", truth),
        rows(folder / "answers.jsonl", answers),
        perfect={"cv_bench": 1.0, "accuracy_2d": 1.0, "accuracy_3d": 1.0},
    )


def docvqa(folder: Path) -> Files:
    data = [
        {
            "questionId": 300 + n,
            "question": "Which?",
            "answers": [colour(n), f"{colour(n)} one"],
            "image": f"documents/{n}.png",
            "docId": n,
            "question_types": ["form"],
        }
        for n in range(SIZE)
    ]
    return Files(
        dump(folder / "val_v1.0.json", {"dataset_name": "docvqa", "data": data}),
        dump(folder / "answers.json", [{"questionId": 300 + n, "answer": colour(n)} for n in range(SIZE)]),
    )


def chartqa(folder: Path) -> Files:
    (folder / "truth").mkdir()
    answers = []
    for name in ("human", "augmented"):
        truth = [
            {"imgname": f"{n}.png", "query": f"How many {name}?", "label": str(10 * n)} for n in range(12)
        ]
        dump(folder / "truth" / f"test_{name}.json", truth)
        answers += [
            {
                "imgname": t["imgname"],
                "query": t["query"],
                "answer": str(int(t["label"]) * 1.04) if n else "0",
            }
            for n, t in enumerate(truth)
        ]
    return Files(folder / "truth", dump(folder / "answers.json", answers), perfect={"relaxed_fixed": 1.0})


def ocrbench(folder: Path) -> Files:
    truth = [
        {
            "dataset_name": "HME100k" if n % 5 == 0 else "svt",
            "type": "Regular Text Recognition",
            "question": "What is written?",
            "answers": [colour(n)] if n % 2 else colour(n),
            "image_path": f"svt/{n}.png",
        }
        for n in range(SIZE)
    ]
    answers = [t | {"predict": f"It says {colour(n)}"} for n, t in enumerate(truth)]
    return Files(
        dump(folder / "OCRBench.json", truth), dump(folder / "answers.json", answers), perfect={"score": SIZE}
    )


def refcoco(folder: Path) -> Files:
    (folder / "refcoco").mkdir()
    refs = [
        {
            "ref_id": n,
            "ann_id": n,
            "image_id": n,
            "split": "val",
            "sentences": [{"sent_id": 2 * n + i, "sent": "left one", "raw": "Left one"} for i in (0, 1)],
        }
        for n in range(SIZE // 2)
    ]
    (folder / "refcoco" / "refs(unc).p").write_bytes(pickle.dumps(refs, protocol=0))
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 200, "height": 100} for n in range(SIZE // 2)]
    boxes = [{"id": n, "image_id": n, "bbox": [20, 10, 100, 50]} for n in range(SIZE // 2)]
    dump(folder / "refcoco" / "instances.json", {"images": images, "annotations": boxes})
    answers = [{"sent_id": n, "answer": "[0.10, 0.10, 0.60, 0.60]"} for n in range(SIZE)]
    return Files(
        folder / "refcoco",
        rows(folder / "answers.jsonl", answers),
        perfect={"mean_iou": 1.0, "centre_inside": 1.0},
    )


_AMBER_TYPES = (
    "discriminative-attribute-state",
    "discriminative-attribute-number",
    "discriminative-attribute-action",
    "discriminative-hallucination",
    "discriminative-relation",
    "relation",
)


def _amber(folder: Path) -> tuple[Path, list[dict[str, Any]]]:
    truth: list[dict[str, Any]] = [
        {"id": n, "type": "generative", "truth": ["dog", "tree"], "hallu": ["cat"]}
        for n in range(1, SIZE + 1)
    ]
    for n in range(SIZE):
        kind = _AMBER_TYPES[n % 6]
        truth.append(
            {"id": SIZE + 1 + n, "type": kind, "truth": "no" if kind.endswith("ion") or n % 12 > 5 else "yes"}
        )
    queries = [{"id": t["id"], "image": f"AMBER_{t['id'] % 9}.jpg", "query": "Is it so?"} for t in truth]
    dump(folder / "query_all.json", queries)
    dump(folder / "relation.json", {"dog": ["puppy"], "tree": [], "cat": []})
    (folder / "safe_words.txt").write_text("man\n")
    return dump(folder / "annotations.json", truth), truth


def amber(folder: Path) -> Files:
    path, truth = _amber(folder)
    answers = [
        {"id": t["id"], "response": t["truth"].capitalize()} for t in truth if t["type"] != "generative"
    ]
    return Files(
        path,
        dump(folder / "answers.json", answers),
        perfect={"existence_precision": 1.0},
        questions=folder / "query_all.json",
    )


def amber_descriptions(folder: Path) -> Files:
    path, truth = _amber(folder)
    answers = [
        {"id": t["id"], "response": "A puppy under trees."} for t in truth if t["type"] == "generative"
    ]
    return Files(
        path,
        dump(folder / "answers.json", answers),
        perfect={"cover": 1.0, "hal": 0.0, "cog": 0.0},
        questions=folder / "query_all.json",
    )


def hallusionbench(folder: Path) -> Files:
    truth = [
        {
            "category": "VS" if n % 2 else "VD",
            "subcategory": "chart",
            "set_id": str(n // 8),
            "figure_id": str(n // 2 % 2),
            "question_id": str(n // 4 % 2),
            "visual_input": str(n // 2 % 2 + (0 if n % 2 else 1)),
            "question": "Is it so?",
            "gt_answer": str(n % 2),
        }
        for n in range(SIZE)
    ]
    return Files(
        dump(folder / "HallusionBench.json", truth),
        dump(folder / "checked.json", [t | {"gpt4v_output_gpt_check": "1"} for t in truth]),
        perfect={"qAcc": 1.0, "fAcc": 1.0},
    )


def mmhal(folder: Path) -> Files:
    truth = [
        {
            "question_type": "x",
            "image_src": f"http://a/{n}.jpg",
            "question": "Which?",
            "gt_answer": "red",
            "model_answer": "",
        }
        for n in range(SIZE)
    ]
    replies = [{"choices": [{"message": {"content": "Fine. Rating: 6, very informative"}}]} for _ in truth]
    return Files(
        dump(folder / "response_template.json", truth),
        dump(folder / "eval.json", replies),
        perfect={"hallucination_rate": 0.0},
    )


def llavabench(folder: Path) -> Files:
    truth = [
        {"question_id": n, "image": f"{n}.jpg", "text": "Describe it.", "category": ("conv", "detail")[n % 2]}
        for n in range(SIZE)
    ]
    reviews = [
        {"question_id": n, "category": "conv", "content": "8 8\nBoth good.", "tuple": [8.0, 8.0]}
        for n in range(SIZE)
    ]
    return Files(
        rows(folder / "questions.jsonl", truth),
        rows(folder / "reviews.jsonl", reviews),
        perfect={"model_score": 8.0},
    )


def mmvet(folder: Path) -> Files:
    truth = {
        f"v1_{n}": {
            "imagename": f"v1_{n}.jpg",
            "question": "Which?",
            "answer": "red<OR>crimson",
            "imagesource": "x",
            "capability": ["ocr", "math"] if n % 2 else ["rec"],
        }
        for n in range(SIZE)
    }
    grades = {identity: {"model": ["m"], "content": ["1.0"], "score": [1.0]} for identity in truth}
    return Files(
        dump(folder / "mm-vet.json", truth),
        dump(folder / "grades.json", grades),
        perfect={"ocr": 1.0, "rec": 1.0},
    )


def mmmt_if(folder: Path) -> Files:
    truth = [
        {
            "id": f"c{n // 4}t{n % 4}",
            "image": "0.jpg",
            "question": "Which?",
            "instructions": [["max_words", 5], ["includes", "red"]],
        }
        for n in range(SIZE)
    ]
    answers = [{"id": t["id"], "response": "It is red."} for t in truth]
    return Files(
        rows(folder / "chats.jsonl", truth),
        rows(folder / "answers.jsonl", answers),
        perfect={"followed_all": 1.0},
    )


def object_halbench(folder: Path) -> Files:
    names = ("dog", "cat", "car", "bed")
    (folder / "coco").mkdir()
    truth = _coco(folder / "coco")
    questions = [
        {"image_id": n, "question": "Describe it in detail.", "image": picture(n)} for n in range(SIZE)
    ]
    answers = [
        {"image_id": n, "question": "Describe it in detail.", "answer": f"There is a {names[n % 4]} here."}
        for n in range(SIZE)
    ]
    return Files(
        rows(folder / "obj_halbench_300_with_image.jsonl", questions),
        rows(folder / "answers.jsonl", answers),
        settings=f"truth={truth}",
        perfect={"chair_s": 0.0, "chair_i": 0.0, "recall": 1.0, "extracted_by_model": 0.0},
    )


def link_context(folder: Path) -> Files:
    names = ("blicket", "toma", "wug")
    truth = [
        {
            "id": f"q{n}",
            "image": f"{names[n % 3]}_{n}.png",
            "answer": names[n % 3],
            "demonstrations": [
                {"image": f"{name}_{i}.png", "answer": name} for i in range(1 + n % 2) for name in names
            ],
        }
        for n in range(SIZE)
    ]
    answers = [{"id": t["id"], "answer": f"It is a {t['answer'].title()}."} for t in truth]
    return Files(rows(folder / "isekai.jsonl", truth), rows(folder / "answers.jsonl", answers))


def text_only(folder: Path) -> Files:
    truth = [
        {"id": n, "question": "Say red.", "answers": ["red"], "kind": "copying"}
        if n % 2
        else {"id": n, "question": "Say no more than a word.", "instructions": [["max_words", 1]]}
        for n in range(SIZE)
    ]
    return Files(
        rows(folder / "questions.jsonl", truth),
        rows(folder / "answers.jsonl", [{"id": n, "answer": "Red."} for n in range(SIZE)]),
        perfect={"contained": 1.0},
    )


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
