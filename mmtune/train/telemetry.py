"""What a run tells: progress with rate and time left, scalars for TensorBoard and for programs."""

from __future__ import annotations

import errno
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from mmtune.errors import UserError
from mmtune.progress import Progress, setup_logging
from mmtune.train.recipe import to_yaml
from mmtune.train.settings import Recipe

log = logging.getLogger(__name__)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

SCALARS = "scalars.jsonl"
SAMPLES = "samples.jsonl"
EVALS = "evals.jsonl"


@dataclass
class StepReport:
    """What one optimiser step was like, over all ranks."""

    step: int
    """Steps done, this one included."""
    loss: float
    grad_norm: float
    lr: dict[str, float]
    """Learning rate by part."""
    records: int
    tokens: int
    """Tokens of all rows, visual ones included."""
    supervised: int
    capacity: int
    """Tokens that the rows could have held."""
    epoch: float
    extra: dict[str, float] = field(default_factory=dict)


@contextmanager
def run_folder(recipe: Recipe, rank: int) -> Iterator[None]:
    """Log to the run's folder; other ranks only warn."""
    out = Path(recipe.out)
    if rank == 0:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError, FileNotFoundError) as error:
            raise UserError(
                f"the run folder cannot be made: {error.strerror}", str(out), "give another --out"
            ) from error
        setup_logging(out)
    else:
        setup_logging(level=logging.WARNING)
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL or error.filename is not None:
            raise
        raise UserError(
            "the disk is full",
            str(out),
            "free some space; the same command goes on from the newest checkpoint",
        ) from error
    finally:
        setup_logging()


def keep_recipe(recipe: Recipe) -> None:
    """Write the recipe to the run's folder, once it is known that the folder holds no other recipe's run."""
    (Path(recipe.out) / "recipe.yaml").write_text(to_yaml(recipe), encoding="utf-8")


class Telemetry:
    """Rank 0's reporting.

    Args:
        out: run folder.
        total: steps of the whole run.
        start: steps already done; what an interrupted run reported after that is forgotten.
        title: what the progress bar says.
        tensorboard: write event files, too.
    """

    def __init__(self, out: Path, total: int, start: int, title: str, *, tensorboard: bool) -> None:
        self._total = total
        self._last = time.monotonic()
        out.mkdir(parents=True, exist_ok=True)
        for name in (SCALARS, SAMPLES, EVALS):
            _forget_after(out / name, start)
        self._evals = out / EVALS
        self._scalars = (out / SCALARS).open("a", encoding="utf-8")
        self._samples = (out / SAMPLES).open("a", encoding="utf-8")
        self._board = _open_board(out / "tensorboard", start) if tensorboard else None
        self._progress = Progress(total - start, title, unit="step")

    def __enter__(self) -> Telemetry:
        self._progress.__enter__()
        self._last = time.monotonic()
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.__exit__(*exc)
        self._scalars.close()
        self._samples.close()
        if self._board is not None:
            self._board.close()

    def step(self, report: StepReport) -> None:
        """Report a training step."""
        now = time.monotonic()
        seconds, self._last = max(now - self._last, 1e-9), now
        row: dict[str, float] = {
            "loss": report.loss,
            "grad_norm": report.grad_norm,
            **{f"lr/{part}": rate for part, rate in report.lr.items()},
            "epoch": report.epoch,
            "tokens_per_s": report.tokens / seconds,
            "records_per_s": report.records / seconds,
            "seconds": seconds,
            "supervised_share": report.supervised / max(report.tokens, 1),
            "packing_efficiency": report.tokens / max(report.capacity, 1),
            "memory_gb": memory_gb(),
            **report.extra,
        }
        self._write(report.step, row)
        note = (
            f"step {report.step}/{self._total}, loss {report.loss:.4f}, {row['tokens_per_s']:,.0f} tokens/s"
        )
        self._progress.advance(1, note=note)
        if report.step <= 3 or report.step % max(1, self._total // 20) == 0:
            log.info("%s, grad norm %.3g, epoch %.2f", note, report.grad_norm, report.epoch)

    def validation(self, step: int, loss: float, answers: list[dict[str, Any]]) -> None:
        """Report a validation: its loss and the answers to a few prompts."""
        self._write(step, {"validation_loss": loss})
        log.info("step %d: validation loss %.4f", step, loss)
        for answer in answers:
            self._samples.write(json.dumps({"step": step, **answer}, ensure_ascii=False) + "\n")
            log.info(
                "  %s: %r -> %r (truth: %r)", *(answer[key] for key in ("id", "prompt", "answer", "truth"))
            )
        self._samples.flush()
        self._last = time.monotonic()

    def evaluation(self, step: int, scores: Sequence[Mapping[str, Any]], seconds: float) -> None:
        """Report the scores of benchmarks.

        Each metric becomes the scalar ``eval/TASK/METRIC``, and the primary one of each kind of item
        ``eval/TASK/BREAKDOWN/KIND``; what is undefined becomes none.

        Args:
            step: steps done.
            scores: a row a benchmark, as ``mmtune.train.evaluation.Benchmarks.score`` gives them.
            seconds: how long it took.
        """
        values: dict[str, float] = {"eval/seconds": seconds}
        with self._evals.open("a", encoding="utf-8") as file:
            for row in scores:
                file.write(json.dumps({"step": step, **row}, ensure_ascii=False) + "\n")
                values |= _scalars_of(row)
                log.info("step %d: %s", step, _told(row))
        self._write(step, values)
        self._last = time.monotonic()

    def resume_clock(self) -> None:
        """Leave what happened since the last step (a checkpoint) out of the next step's time."""
        self._last = time.monotonic()

    def _write(self, step: int, row: dict[str, float]) -> None:
        self._scalars.write(json.dumps({"step": step, **row}) + "\n")
        self._scalars.flush()
        if self._board is not None:
            for name, value in row.items():
                self._board.add_scalar(name, value, step)


class Silence(Telemetry):
    """The reporting of the other ranks: none."""

    def __init__(self) -> None:
        pass

    def __enter__(self) -> Silence:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def step(self, report: StepReport) -> None:
        """Say nothing."""

    def validation(self, step: int, loss: float, answers: list[dict[str, Any]]) -> None:
        """Say nothing."""

    def evaluation(self, step: int, scores: Sequence[Mapping[str, Any]], seconds: float) -> None:
        """Say nothing."""

    def resume_clock(self) -> None:
        """Nothing is timed."""


def memory_gb() -> float:
    """Largest memory that this process has used: on the GPU where there is one, else in RAM."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _told(row: Mapping[str, Any]) -> str:
    """One benchmark's score, or one grouping's abilities, in a line."""
    if "of" not in row:
        abilities = ", ".join(
            f"{name} {value:.4f}" for name, value in row["by"][row["primary"]].items() if value is not None
        )
        return f"{row['task']} {row['primary']}: {abilities}"
    found = row["metrics"].get(row["primary"])
    value = "undefined" if found is None else f"{found:.4f}"
    return f"{row['task']} {row['primary']} {value} over {row['n']} of {row['of']} items"


def _scalars_of(row: Mapping[str, Any]) -> dict[str, float]:
    """The scalars of one benchmark; see ``Telemetry.evaluation``."""
    start = f"eval/{row['task']}"
    values = {f"{start}/{metric}": value for metric, value in row["metrics"].items()}
    for breakdown, kinds in row["by"].items():
        values |= {f"{start}/{breakdown}/{kind}": value for kind, value in kinds.items()}
    return {name: value for name, value in values.items() if value is not None}


def _open_board(folder: Path, start: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=start + 1 if start else 0)  # type: ignore[no-untyped-call]


def _forget_after(path: Path, step: int) -> None:
    """Drop lines of steps that will be done again, and a line that a crash has cut short.

    A run that goes on at step 0 evaluates there again, so all of its lines go.
    """
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if 0 < step >= json.loads(line)["step"]:
                kept.append(line + "\n")
        except (ValueError, KeyError, TypeError):
            continue
    path.write_text("".join(kept), encoding="utf-8")
