"""How fast and how large: a million rows through check, dedup, select and shards; planted leaks found.

    python benchmarks/curation.py --rows 1000000
    python benchmarks/curation.py --leaks 500

Prints a Markdown row a step: rows a second of wall time and of processor time, and the most memory so far.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

TEXT = "a the red blue small large cat dog sign tree left right of on under near house car street man"
WORDS = TEXT.split()


def write_rows(path: Path, count: int) -> None:
    """Rows of the size of LLaVA's mix: an image, two questions, two answers; one in fifty is a duplicate."""
    draws = random.Random(0)
    with path.open("w") as out:
        line = ""
        for number in range(count):
            if number % 50 != 49:
                said = [" ".join(draws.choices(WORDS, k=length)) for length in (10, 25, 8, 25)]
                turns = [
                    {"from": ("human", "gpt")[turn % 2], "value": ("<image>\n" if turn == 0 else "") + text}
                    for turn, text in enumerate(said)
                ]
                row = {"image": f"coco/train2017/{draws.randrange(10**6):012d}.jpg", "conversations": turns}
                line = json.dumps({**row, "licence": "CC-BY-4.0"})[1:]
            out.write(f'{{"id": "{number:012d}", {line}\n')


def timed(name: str, rows: int, work: Callable[[], object]) -> None:
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"| {name} | {rows / wall:,.0f} | {rows / processor:,.0f} | {peak:.2f} GB | {result} |", flush=True)


def million(count: int) -> None:
    from data_builders.curate.check import CheckSettings, check_rows
    from data_builders.curate.dedup import DedupSettings, find_duplicates
    from data_builders.curate.keep import write_chosen, write_kept
    from data_builders.curate.selection import Pool, select
    from data_builders.engines import get_engine
    from data_builders.rows import iter_rows
    from data_builders.shards import ShardSettings, build_shards

    local = get_engine("local")
    print("| step | rows/s | rows/s of processor time | most memory | result |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = folder / "rows.jsonl"
        write_rows(rows, count)

        def check() -> str:
            return (
                f"{sum(one.problem is not None for one in check_rows(rows, CheckSettings(), local))} refused"
            )

        def dedup() -> str:
            found = find_duplicates(rows, DedupSettings(images="path"), local)
            kept = write_kept(rows, folder / "kept.jsonl", found.dropped, found.rows)
            return f"{len(found.duplicates)} duplicates, {kept} kept"

        def choose() -> str:
            import numpy as np

            lengths = np.array([len(row.text) for row in iter_rows(folder / "kept.jsonl")], dtype=float)
            chosen = select("top_k", Pool(len(lengths), {"rating": lengths}), len(lengths) // 10)
            return f"{write_chosen(folder / 'kept.jsonl', folder / 'chosen.jsonl', chosen)} chosen"

        def text_only() -> None:
            with (folder / "texts.jsonl").open("wb") as out:
                for row in iter_rows(folder / "kept.jsonl"):
                    value = row.value()
                    del value["image"]
                    value["conversations"][0]["value"] = value["conversations"][0]["value"][8:]
                    out.write(json.dumps(value).encode() + b"\n")

        def ship() -> str:
            manifest = build_shards(folder / "texts.jsonl", folder / "shards", ShardSettings(), local)
            return f"{len(manifest.shards)} shards"

        timed("check", count, check)
        timed("dedup, same paths and questions", count, dedup)
        timed("select, top 10 %", count, choose)
        text_only()
        timed("shards, text only", count, ship)


def leaks(count: int, seed: int) -> None:
    from data_builders.curate.benchmark_items import BenchmarkItem
    from data_builders.curate.decontaminate import DecontaminationSettings, find_leaks
    from data_builders.engines import get_engine
    from tests.planted import plant

    with tempfile.TemporaryDirectory() as name:
        planted = plant(Path(name) / "planted", count, seed)
        items = [BenchmarkItem("planted", *item[:2], planted.root, item[2]) for item in planted.items]
        start = time.process_time()
        found = find_leaks(planted.file, items, DecontaminationSettings(planted.root), get_engine("local"))
        spent = time.process_time() - start
        hits = len(found.dropped & planted.leaks)
        print(
            f"{count} items, {len(planted.rows)} rows, seed {seed}: recall {hits / len(planted.leaks):.4f},"
            f" precision {hits / len(found.dropped):.4f},"
            f" {len(planted.rows) / spent:.0f} rows/s of processor time"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--leaks", type=int)
    parser.add_argument("--seed", type=int, default=100)
    args = parser.parse_args()
    if args.rows:
        million(args.rows)
    if args.leaks:
        leaks(args.leaks, args.seed)


if __name__ == "__main__":
    main()
