"""What is a tenth of the data worth, chosen by each selector, at random, and beside all of it?

    python benchmarks/selection.py OUT/quickstart --out OUT/selection
    python benchmarks/selection.py OUT/quickstart --out OUT/selection --selectors k_center less --seeds 3

Works on what ``mmtune quickstart`` left: its aligned model scores the records and is tuned on each choice,
for three epochs of the tenth; the whole set's model is the quickstart's own (one epoch, over three times the
steps). What is finished is not done again. Prints a Markdown table with intervals.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MMTUNE = [sys.executable, "-m", "mmtune"]
CLIP = "data_builders/miniworld/backbones/weights/image_text"
SELECTORS = {
    "top_k": ["--by", "difficulty"],
    "k_center": ["--features", "clip"],
    "k_means": ["--features", "clip"],
    "facility_location": ["--features", "clip"],
    "deita": ["--quality", "similarity", "--complexity", "difficulty", "--features", "clip"],
    "d3": ["--quality", "similarity", "--complexity", "difficulty", "--features", "clip"],
    "rds": ["--targets"],
    "less": ["--targets"],
}
TASKS = {"vqav2": "accuracy", "pope_adversarial": "f1"}


def mmtune(*words: str | Path) -> None:
    subprocess.run([*MMTUNE, *map(str, words)], cwd=ROOT, check=True)


def newest(run: Path) -> Path:
    return max((run / "checkpoints").glob("step-*"))


def score(records: Path, images: Path, model: Path, out: Path) -> Path:
    if not (out / "scores.jsonl").exists():
        features = [word for name in ("clip", "hidden", "gradients") for word in ("--features", name)]
        common = ["--image-root", images, "--clip", CLIP, "--model", model, "--score", "difficulty"]
        mmtune("data", "score", records, *common, *features, "--out", out)
    return out


def results_of(checkpoint: Path, data: Path, out: Path) -> dict[str, dict[str, float]]:
    if not (out / "metrics.json").exists():
        mmtune("eval", checkpoint, "--miniworld", data, "--out", out, "--no-blind")
    tasks = json.loads((out / "metrics.json").read_text())["tasks"]
    return {task: tasks[task]["metrics"][metric] for task, metric in TASKS.items()}


def tuned_on(records: Path, quickstart: Path, out: Path, seed: int) -> Path:
    if not (out / "finished").exists():
        mmtune(
            *("train", ROOT / "recipes" / "quickstart" / "tune.yaml"),
            *("--model.checkpoint", quickstart / "align"),
            *("--data.train.0.path", records, "--data.train.0.image_root", quickstart / "data" / "images"),
            *("--data.validation.0.path", quickstart / "data" / "llava" / "val.json"),
            *("--data.validation.0.image_root", quickstart / "data" / "images"),
            *("--optim.epochs", "3", "--seed", str(seed), "--out", out),
        )
        (out / "finished").touch()
    return newest(out)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("quickstart", type=Path, help="the folder that mmtune quickstart left")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=3, help="random choices to compare with")
    parser.add_argument("--selectors", nargs="*", choices=SELECTORS, default=list(SELECTORS))
    args = parser.parse_args()
    quickstart, out = args.quickstart.resolve(), args.out.resolve()
    llava, images = quickstart / "data" / "llava", quickstart / "data" / "images"
    aligned = newest(quickstart / "align")
    scores = score(llava / "tune.json", images, aligned, out / "scores")
    targets = score(llava / "val.json", images, aligned, out / "targets")

    rows = {"all of it": results_of(quickstart / "model", quickstart / "data", out / "eval-all")}
    runs = [(f"random, seed {seed}", "random", [], seed) for seed in range(args.seeds)]
    runs += [(name, name, SELECTORS[name], 0) for name in args.selectors]
    for title, selector, settings, seed in runs:
        name = f"{selector}-{seed}"
        words = [*settings, targets] if "--targets" in settings else settings
        chosen = out / f"{name}.json"
        if not chosen.exists():
            share = ["--share", str(args.share), "--seed", str(seed), "--out", chosen]
            common = ["--scores", scores, "--selector", selector]
            mmtune("data", "select", llava / "tune.json", *common, *words, *share)
        tuned = tuned_on(chosen, quickstart, out / f"tune-{name}", seed)
        rows[title] = results_of(tuned, quickstart / "data", out / f"eval-{name}")

    print("| trained on | VQA accuracy | POPE adversarial F1 |\n|---|---|---|")
    for title, found in rows.items():
        cells = (f"{found[t]['value']:.3f} [{found[t]['low']:.3f}, {found[t]['high']:.3f}]" for t in TASKS)
        print(f"| {title} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
