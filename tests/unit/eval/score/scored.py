"""Small benchmarks' own files scored with few resamples."""

from __future__ import annotations

from dataclasses import replace

from eval.score_file import score_file
from eval.scoring import Sampling
from eval.tasks import parse_task

QUICK = Sampling(resamples=40)


def config_of(task, files):
    """The task over the files of ``benchmark_files``."""
    return replace(parse_task(f"{task}:{files.settings}"), annotations=str(files.annotations))


def score(task, files, **settings):
    """The result of the files' answers."""
    return score_file(config_of(task, files), files.answers, sampling=QUICK, **settings)


def values(result):
    """Metric → value."""
    return {name: found["value"] for name, found in result["metrics"].items()}
