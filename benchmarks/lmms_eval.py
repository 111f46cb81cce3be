"""An exported model under the package lmms-eval, beside mmtune's own run of the same items: the same answers?

    python -m venv ~/lmms && ~/lmms/bin/pip install lmms-eval decord
    python benchmarks/lmms_eval.py --python ~/lmms/bin/python

lmms-eval wants a hundred packages, so it has an environment of its own and runs in a process of its own
(version 0.7.3 imports decord without asking for it). Nothing is downloaded: the model is a CLIP tower with
random weights, a projector with random weights and the embedded language model, the items are POPE, VQA and
description prompts about a miniworld, and ``--checkpoint`` takes one of your own instead, whose vision tower
transformers has.

What is made equal, and where lmms-eval's adapter (``llava_hf``) differs by itself:

- prompt: the adapter puts ``<image>`` and a newline before the text and fills in the chat template that the
  export wrote for the tokenizer; ``mmtune eval`` renders the same text from its own template. Both see the
  words that ``Task.prompt`` gives: the local task file adds nothing.
- image tokens: the adapter's processor repeats ``<image>`` as often as the tower has patches; ours counts the
  visual tokens of its image policy.
- generation: greedy, one beam, the item's own limit on new tokens (the adapter's default is 1,024), float32,
  one prompt at a time (the adapter refuses batches); ours are batched and share the image.
- the end: the adapter stops at the tokenizer's end token alone and ignores ``until``; ours also stops where
  the template's stop string is written.
- text: the adapter hands on what ``batch_decode`` gives, spaces at its ends included; both are stripped here.
- the device: the adapter's own default for ``device_map``, an empty text, is refused by transformers 5, so it
  is named.
- an error in the adapter's ``generate`` becomes an empty answer: its log is searched for one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

TASK = "mmtune_same_items"
READER = '''"""Images and prompts of the items, as they stand."""

from PIL import Image


def visual(doc):
    return [Image.open(doc["image"]).convert("RGB")]


def text(doc, lmms_eval_specific_kwargs=None):
    return doc["prompt"]


def results(doc, results):
    return {"answered": 1.0}
'''


def main() -> int:
    """Print how many answers are the same; exit with 1 where not all are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", default=sys.executable, help="of the environment that has lmms-eval")
    parser.add_argument("--checkpoint", type=Path, help="instead of the tiny model")
    parser.add_argument("--template", default="vicuna_v1", help="of the tiny model (default vicuna_v1)")
    parser.add_argument("--scenes", type=int, default=12, help="images of the miniworld (default 12)")
    parser.add_argument("--limit", type=int, default=32, help="items of each benchmark (default 32)")
    parser.add_argument("--new-tokens", type=int, default=12, help="longest answer (default 12)")
    parser.add_argument("--threads", default="1", help="of both (default 1)")
    parser.add_argument("--keep", type=Path, help="folder to work in, kept afterwards")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = arguments.keep or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        return compare(folder.resolve(), arguments)


def compare(folder: Path, arguments: argparse.Namespace) -> int:
    """Build what is missing, let both answer, and lay the answers beside each other."""
    checkpoint = arguments.checkpoint or tiny_model(folder / arguments.template, arguments.template)
    build_world(folder / "world", arguments.scenes)
    for stale in ("exported", "theirs"):
        shutil.rmtree(folder / stale, ignore_errors=True)
    mmtune("export", str(checkpoint), "--naming", "hub", "--out", str(folder / "exported"))
    ours = our_answers(checkpoint, folder, arguments)
    theirs = their_answers(folder, ours, arguments)
    missing = [key for key in ours if key not in theirs]
    same = [key for key in ours if ours[key]["answer"] == theirs.get(key)]
    for key in [key for key in ours if key not in set(same)][:10]:
        print(f"{key}\n  prompt  {ours[key]['prompt']!r}\n  mmtune  {ours[key]['answer']!r}")
        print(f"  theirs  {theirs.get(key)!r}")
    distinct = len({row["answer"] for row in ours.values()})
    changed = sum(row["answer"] != row["blind"] for row in ours.values() if row["blind"] is not None)
    asked = sum(row["blind"] is not None for row in ours.values())
    print(f"{distinct} different answers; {changed} of {asked} change where another image is shown")
    print(f"{len(same)} of {len(ours)} same" + (f", {len(missing)} without an answer" if missing else ""))
    return 0 if len(same) == len(ours) else 1


def tiny_model(folder: Path, template: str) -> Path:
    """A checkpoint of random weights that talks in words: only the embedded language model has learnt."""
    if (folder / "checkpoint").is_dir():
        return folder / "checkpoint"
    from mmtune.models.building import build
    from mmtune.models.checkpoint import save
    from mmtune.models.config import LanguageConfig, ModelConfig, ProjectorConfig, VisionConfig
    from tests.tiny_models import tiny_clip

    language = ROOT / "data_builders" / "miniworld" / "backbones" / "weights" / "language"
    config = ModelConfig(
        vision=VisionConfig(name=str(tiny_clip(folder / "clip", image_size=64, patch=16))),
        projector=ProjectorConfig(),
        language=LanguageConfig(name=str(language)),
    )
    return save(folder / "checkpoint", build(config, template=template, seed=0))


def build_world(folder: Path, scenes: int) -> None:
    """Official files of a few scenes, unless they are there."""
    if not (folder / "pope").is_dir():
        sizes = {"train_scenes": 4, "test_scenes": scenes, "val_scenes": 2}
        words = [f"--{name.replace('_', '-')}={size}" for name, size in sizes.items()]
        mmtune("build", "miniworld", "--out", str(folder), *words)


def our_answers(checkpoint: Path, folder: Path, arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Answers, prompts and images of ``mmtune eval`` by task and id."""
    from eval.runner import run
    from eval.tasks import build_tasks

    configs = tasks_of(folder / "world", arguments)
    out = folder / "ours"
    run(checkpoint, configs, out, device="cpu", resamples=2, cache=False)
    tasks = build_tasks(configs)
    items = {(name, item.id): item for name, task in tasks.items() for item in task.load()}
    found: dict[str, dict[str, Any]] = {}
    for line in (out / "predictions.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        task, item = tasks[row["task"]], items[row["task"], row["id"]]
        key = f"{row['task']} {row['id']}"
        if row["blind"]:
            found[key]["blind"] = row["prediction"]
            continue
        found[key] = {
            "answer": row["prediction"].strip(),
            "prompt": task.prompt(item),
            "image": str((task.images / item.image).resolve()),
            "blind": None,
        }
    return found


def tasks_of(world: Path, arguments: argparse.Namespace) -> list[Any]:
    """POPE, VQA and long descriptions of the miniworld, with one limit on new tokens."""
    from dataclasses import replace

    from mmtune.quickstart.evaluation import miniworld_tasks

    tokens = arguments.new_tokens
    return [
        replace(config, max_new_tokens=tokens)
        for config in miniworld_tasks(world, arguments.limit)
        if config.task in ("pope", "vqav2", "chair")
    ]


def their_answers(
    folder: Path, ours: Mapping[str, Mapping[str, Any]], arguments: argparse.Namespace
) -> dict[str, str]:
    """What lmms-eval's adapter answers to the same prompts and images, by the same keys."""
    place = folder / "lmms_task"
    place.mkdir(exist_ok=True)
    rows = [
        {"key": key, "prompt": row["prompt"], "image": row["image"], "answer": ""}
        for key, row in ours.items()
    ]
    (place / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (place / "reader.py").write_text(READER, encoding="utf-8")
    (place / f"{TASK}.yaml").write_text(task_file(place, arguments.new_tokens), encoding="utf-8")
    words = [arguments.python, "-m", "lmms_eval", "--model", "llava_hf", "--device", "cpu"]
    words += [
        "--model_args",
        f"pretrained={folder / 'exported'},dtype=float32,device_map=cpu",
        "--batch_size",
        "1",
    ]
    words += ["--tasks", TASK, "--include_path", str(place)]
    words += ["--log_samples", "--output_path", str(folder / "theirs")]
    done = subprocess.run(words, env=environment(folder, arguments.threads), capture_output=True, text=True)
    log = done.stdout + done.stderr
    (folder / "lmms_eval.log").write_text(log, encoding="utf-8")
    files = sorted((folder / "theirs").rglob(f"*samples_{TASK}.jsonl"))
    if not files or "in generating" in log:  # its exit status is 0 where it fails, too
        print(log[-4000:], file=sys.stderr)
        raise SystemExit("lmms-eval failed; see what it said above")
    found = {}
    for line in files[-1].read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found[rows[row["doc_id"]]["key"]] = said(row["filtered_resps"]).strip()
    return found


def said(responses: Any) -> str:
    """The one answer of an item; versions differ in how deep it lies."""
    while isinstance(responses, list):
        (responses,) = responses
    return str(responses)


def task_file(place: Path, new_tokens: int) -> str:
    """A task of lmms-eval over the rows of a local file."""
    return f"""dataset_path: json
dataset_kwargs:
  data_files:
    test: {place / "items.jsonl"}
  cache_dir: {place / "cache"}
task: {TASK}
test_split: test
output_type: generate_until
doc_to_visual: !function reader.visual
doc_to_text: !function reader.text
doc_to_target: answer
process_results: !function reader.results
generation_kwargs:
  max_new_tokens: {new_tokens}
  temperature: 0
  num_beams: 1
  do_sample: false
metric_list:
  - metric: answered
    aggregation: mean
    higher_is_better: true
"""


def environment(folder: Path, threads: str) -> dict[str, str]:
    """For a process that must not ask the network for anything."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return {**os.environ, **offline, "HF_HOME": str(folder / "hf"), "OMP_NUM_THREADS": threads}


def mmtune(*words: str) -> None:
    """Run a command of mmtune in this process."""
    from mmtune.cli import main as command

    if status := command(list(words)):
        raise SystemExit(status)


if __name__ == "__main__":
    raise SystemExit(main())
