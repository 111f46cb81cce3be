"""The loader: the steps of a run, made ahead in worker processes; its whole state is one number."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from mmtune.batch import PackedBatch
from mmtune.data.config import DataConfig
from mmtune.data.mixture import InOrder, Mixture
from mmtune.data.prepare import RecordEncoder
from mmtune.data.quarantine import Quarantine
from mmtune.data.rows import collate
from mmtune.data.source import Source
from mmtune.data.steps import StepMaker, StepRows
from mmtune.errors import UserError


@dataclass(frozen=True)
class Step:
    """What this rank computes for one optimiser step."""

    index: int
    """Zero-based step of the run."""
    batches: list[PackedBatch]
    """This rank's rows; every rank has the same number, at least one. A row may have nothing supervised."""
    epoch: float
    """Epochs passed after this step."""
    records: int
    """Records of the step over all ranks, refused ones included."""


class StepLoader:
    """Yields the steps of a run; the same records at each for any number of ranks and workers.

    Iterating starts at the loaded state, or at step 0. A refused record is counted in the quarantine when its
    step is yielded, so workers that run ahead change nothing.

    Args:
        maker: makes a step from its index.
        quarantine: takes refused records.
        workers: processes that prepare steps ahead; 0 prepares each when it is asked for.
        identity: what else must be the same for a state to fit, such as the seed.
    """

    def __init__(
        self,
        maker: StepMaker,
        quarantine: Quarantine,
        *,
        workers: int = 0,
        identity: dict[str, Any] | None = None,
    ) -> None:
        self.maker = maker
        self.quarantine = quarantine
        self.workers = workers
        self.identity = {
            "batch_records": maker.batch_records,
            "data": _fingerprint(maker.sources),
            **(identity or {}),
        }
        self._start = 0
        self._next = 0

    def __len__(self) -> int:
        """Steps of the whole run, those before a loaded state included."""
        return len(self.maker)

    def __iter__(self) -> Iterator[Step]:
        self._next = self._start
        policy = self.maker.encoder.policy
        for made in self._made(range(self._start, len(self))):
            if isinstance(made, UserError):
                raise made
            for refusal in made.refused_by_all:
                self.quarantine.add(refusal, write=self.maker.rank == 0)
            for refusal in made.refused_here:
                self.quarantine.add(refusal)
            self._next = made.index + 1
            first = made.index * self.maker.batch_records
            last = min(first + self.maker.batch_records, self.maker.records)
            yield Step(
                made.index,
                [collate(row, policy) for row in made.rows],
                last / self.maker.order.epoch_records,
                last - first,
            )

    def _made(self, steps: range) -> Iterator[StepRows | UserError]:
        """Steps in order, prepared by the workers."""
        loader: DataLoader[StepRows | UserError] = DataLoader(
            _Steps(self.maker),
            sampler=steps,
            batch_size=None,
            num_workers=self.workers,
            collate_fn=_as_it_is,
            worker_init_fn=_leave_signals_to_the_trainer,
            # Its own generator: drawing the workers' seeds from the global one would shift the run's numbers.
            generator=torch.Generator().manual_seed(0),
        )
        made = iter(loader)
        try:
            yield from made
        except RuntimeError as error:
            # An error inside a worker says "DataLoader worker process 0", a dead one "(pid 123)".
            if "DataLoader worker (pid" not in str(error):
                raise
            raise UserError(
                "a worker that prepares batches was killed, most likely for lack of memory",
                "data.workers",
                "lower data.workers, or set it to 0 to see the worker's own error",
            ) from error
        finally:
            # An error's traceback holds the iterator in a circle. Once the collector comes upon that, the
            # queues are closed before anybody tells the workers to end, and they wait for ever.
            getattr(made, "_shutdown_workers", _nothing)()

    def state_dict(self) -> dict[str, Any]:
        """The step that comes next, the records refused before it, and what it depends on."""
        return {"step": self._next, "refused": len(self.quarantine), **self.identity}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue at ``state["step"]``; the number of ranks and workers may differ.

        Raises:
            UserError: if the state belongs to other data, another seed or another step size.
        """
        for key, value in self.identity.items():
            if key in state and state[key] != value:
                raise UserError(
                    f"the checkpoint was made with another {_MEANING.get(key, key)}, so its step"
                    f" {state['step']} is not at the same records",
                    "resume",
                    "restore it, or start a new run from the checkpoint's weights",
                )
        self._start = self._next = int(state["step"])
        self.quarantine.go_on(int(state.get("refused", 0)))


_MEANING = {"data": "set of training files", "batch_records": "optim.batch_records"}


class _Steps(Dataset[StepRows | UserError]):
    """The steps as a worker makes them; an error for the user comes as a value, unwrapped."""

    def __init__(self, maker: StepMaker) -> None:
        self.maker = maker

    def __getitem__(self, step: int) -> StepRows | UserError:
        try:
            return self.maker[step]
        except UserError as error:
            return error


def _nothing() -> None:
    """What there is to shut down without workers."""


def _as_it_is(made: Any) -> Any:
    return made


def _leave_signals_to_the_trainer(worker: int) -> None:
    """Ctrl-C and a scheduler's notice reach every process; the trainer decides when its workers end.

    A worker that died of the notice would take the trainer's last checkpoint with it. Workers still end when
    the trainer closes its queue or is gone.
    """
    for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _fingerprint(sources: Sequence[Source]) -> str:
    """One hash of what all sources hold."""
    return hashlib.sha256("".join(source.fingerprint for source in sources).encode()).hexdigest()[:16]


def train_loader(
    config: DataConfig,
    sources: Sequence[Source],
    encoder: RecordEncoder,
    *,
    batch_records: int,
    seed: int,
    epochs: float = 1.0,
    steps: int | None = None,
    rank: int = 0,
    world: int = 1,
    quarantine: Path | str | None = None,
) -> StepLoader:
    """The loader of a training run.

    Args:
        config: weights, row size, budget and workers.
        sources: the training sources of :func:`open_splits`.
        encoder: turns records into samples.
        batch_records: records of a step over all ranks.
        seed: seed of the order.
        epochs: passes over the mixture; the last step is shorter where the records do not fill it.
        steps: steps of the run, all of them full; overrides ``epochs``.
        rank: this process's rank.
        world: number of ranks.
        quarantine: file for refused records.
    """
    sizes = [len(source) for source in sources]
    weights = [source.weight for source in config.train]
    order = Mixture(sizes, weights, seed)
    records = max(1, round(epochs * order.epoch_records)) if steps is None else steps * batch_records
    maker = StepMaker(
        sources,
        order,
        encoder,
        batch_records=batch_records,
        records=records,
        row_tokens=config.row_capacity,
        rank=rank,
        world=world,
    )
    return StepLoader(
        maker,
        Quarantine(quarantine, config.quarantine_budget, sum(sizes)),
        workers=config.workers,
        identity={"seed": seed, "weights": weights},
    )


def validation_loader(
    config: DataConfig,
    sources: Sequence[Source],
    encoder: RecordEncoder,
    *,
    batch_records: int,
    records: int | None = None,
    rank: int = 0,
    world: int = 1,
    quarantine: Path | str | None = None,
) -> StepLoader:
    """The loader of a validation pass: each record once, the same at every iteration.

    Args:
        config: row size, budget and workers.
        sources: the validation sources of :func:`open_splits`.
        encoder: turns records into samples.
        batch_records: records of a step over all ranks.
        records: take at most this many, evenly spaced over the sources.
        rank: this process's rank.
        world: number of ranks.
        quarantine: file for refused records.
    """
    order = InOrder([len(source) for source in sources], records)
    maker = StepMaker(
        sources,
        order,
        encoder,
        batch_records=batch_records,
        records=order.epoch_records,
        row_tokens=config.row_capacity,
        rank=rank,
        world=world,
    )
    budget = Quarantine(quarantine, config.quarantine_budget, order.epoch_records, "validation")
    return StepLoader(maker, budget, workers=config.workers)
