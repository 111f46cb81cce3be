"""The training loop: one function for a run, one for a step."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from mmtune.errors import UserError
from mmtune.models.building import build
from mmtune.models.bundle import Bundle
from mmtune.train import checkpoints, resume, stages, training_state
from mmtune.train.agreement import (
    GlobalStep,
    LoaderError,
    agreed_steps,
    demand_equal,
    demand_finite,
    demand_whole_weights,
)
from mmtune.train.engines import make_engine
from mmtune.train.engines.base import Engine
from mmtune.train.evaluation import Evaluation, EvaluationError, OpenBenchmarks, benchmarks_of
from mmtune.train.feeding import Feeding, feed, open_data
from mmtune.train.interrupt import StopRequest
from mmtune.train.objectives import get_objective
from mmtune.train.objectives.auxiliary import Auxiliary
from mmtune.train.recipe import plain
from mmtune.train.saving import Saver
from mmtune.train.schedule import lr_factor
from mmtune.train.settings import Recipe
from mmtune.train.telemetry import Silence, StepReport, Telemetry, keep_recipe, run_folder
from mmtune.train.training_state import Progress
from mmtune.train.validation import Validation

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainResult:
    """How a run ended."""

    checkpoint: Path
    """The newest complete checkpoint."""
    step: int
    loss: float | None
    validation_loss: float | None
    interrupted: bool


def train(recipe: Recipe, open_benchmarks: OpenBenchmarks | None = None) -> TrainResult:
    """Train one stage; every process of a launcher calls it.

    Args:
        recipe: what to train.
        open_benchmarks: reads the benchmarks that ``recipe.eval`` names; evaluation is another room, so
            whoever starts the run brings it.

    Raises:
        UserError: for what the user can mend: data, disk, a loss that is not finite, another run's folder.
    """
    engine = make_engine(recipe.engine)
    try:
        with run_folder(recipe, engine.rank), StopRequest() as stop:
            result = _Run(recipe, engine, stop, open_benchmarks).train()
    except BaseException as error:
        # A mistake of the user's ends every process alike. After anything else the others may stand in a
        # collective, and closing would wait for them for ever: the launcher ends them when this one is gone.
        if engine.world == 1 or isinstance(error, UserError):
            engine.close()
        raise
    engine.close()
    return result


class _Run:
    """One run: everything built, and the step at which it stands."""

    def __init__(
        self, recipe: Recipe, engine: Engine, stop: StopRequest, open_benchmarks: OpenBenchmarks | None
    ) -> None:
        self.recipe, self.engine, self.stop = recipe, engine, stop
        self.out = Path(recipe.out)
        self.objective = get_objective(recipe.objective)
        start = resume.find(recipe)
        if engine.rank == 0:
            keep_recipe(recipe)
        training_state.seed_everything(recipe.seed)
        splits = open_data(recipe)
        benchmarks = benchmarks_of(recipe, open_benchmarks)
        model = recipe.model
        if model.checkpoint is not None:
            model = replace(model, checkpoint=checkpoints.newest_of(model.checkpoint))
        self.bundle = build(model, template=recipe.template, seed=recipe.seed)
        self._prepare_parts(self.bundle)
        if start is not None:
            checkpoints.load_weights(start, self.bundle)
        self.feeding: Feeding = feed(recipe, splits, self.bundle, engine)
        self.loader = self.feeding.train
        demand_equal(
            {
                "the checkpoint to go on from": start and start.name,
                "the training data": self.loader.identity,
                "the number of steps": len(self.loader),
                "the validation data": self.feeding.validation and self.feeding.validation.identity,
            },
            engine,
        )
        self.evaluation = (
            Evaluation(recipe, engine, self.bundle, benchmarks, stop) if benchmarks is not None else None
        )
        optim = recipe.optim
        engine.wrap(
            self.bundle.model,
            lambda model: stages.param_groups(model, recipe.stage, optim),
            betas=optim.betas,
            eps=optim.eps,
            clip=optim.clip,
        )
        log.info("engine: %s", ", ".join(f"{key} {value}" for key, value in engine.describe().items()))
        training_state.seed_everything(recipe.seed + engine.rank)
        self.progress = self._restore(start) if start is not None else Progress(recipe=plain(asdict(recipe)))
        self.progress.world = engine.world
        self.total = len(self.loader)
        self.progress.loader = self.loader.state_dict()
        self.saver = Saver(recipe, engine, self.bundle, self.feeding, self.progress, self.total)
        self.validation = (
            Validation(
                recipe, engine, self.bundle, self.objective, self.feeding.validation, self.feeding.held_out
            )
            if self.feeding.validation is not None
            else None
        )

    def _prepare_parts(self, bundle: Bundle) -> None:
        recipe, model = self.recipe, bundle.model
        if recipe.engine.gradient_checkpointing:
            model.enable_gradient_checkpointing()
        stages.apply(model, recipe.stage, seed=recipe.seed)
        demand_whole_weights(model.adapters, self.engine)
        self.auxiliary = Auxiliary(model, recipe.stage)
        stages.set_dtypes(model.parts(), learns=self.engine.weights_dtype, frozen=self.engine.dtype)
        rows = stages.part_rows(model.parts(), recipe.stage, recipe.optim)
        log.info("%s", stages.render(rows, recipe.stage.name))

    def _restore(self, start: Path) -> Progress:
        folder = start / training_state.FOLDER
        progress = training_state.read_progress(folder)
        self.loader.load_state_dict(progress.loader)
        if progress.step < len(self.loader):
            self.engine.load_state(folder)
        if not training_state.restore_rng(folder, self.engine.rank):
            log.warning("the run had %d processes and has %d now", progress.world, self.engine.world)
        log.info("going on from %s: %d of %d steps are done", start, progress.step, len(self.loader))
        progress.recipe = plain(asdict(self.recipe))
        return progress

    def train(self) -> TrainResult:
        progress = self.progress
        if progress.step >= self.total:
            log.info("the run in %s is finished: %d steps are done", self.out, progress.step)
            return self._result(checkpoints.folder_of(self.out, progress.step))
        self.saver.before_the_first_step()
        failure: Exception | None = None
        try:
            self._take_steps()
        except LoaderError as failed:
            failure = failed.reason
        if failure is not None:
            self.saver.what_there_is()
            self._tell_the_end()
            raise failure
        newest = self.saver.at_the_end()
        self._tell_the_end()
        return self._result(newest)

    def _take_steps(self) -> None:
        recipe, progress = self.recipe, self.progress
        save_every = recipe.checkpoint.every or max(1, self.total // 10)
        validate_every = recipe.validation.every or max(1, self.total // 10)
        evaluate_every = recipe.eval.every or max(1, self.total // 10)
        with self._telemetry() as telemetry:
            if self.evaluation is not None and progress.step == 0:
                self._evaluate(self.evaluation, telemetry)
            for step in agreed_steps(self.loader, self.engine, self.stop):
                telemetry.step(self._step(step))
                last = progress.step == self.total
                if self.validation is not None and (last or progress.step % validate_every == 0):
                    self._validate(self.validation, telemetry)
                if self.evaluation is not None and (last or progress.step % evaluate_every == 0):
                    self._evaluate(self.evaluation, telemetry)
                if not last and progress.step % save_every == 0:
                    self.saver.now_and_then()
                telemetry.resume_clock()

    def _tell_the_end(self) -> None:
        step, newest = self.progress.step, self.saver.newest
        if step < self.total:
            log.warning(
                "stopped after step %d of %d; the same command goes on from %s", step, self.total, newest
            )
        else:
            log.info("done: %d steps, checkpoint %s", step, newest)

    def _result(self, newest: Path) -> TrainResult:
        progress = self.progress
        interrupted = progress.step < self.total
        return TrainResult(newest, progress.step, progress.loss, progress.validation_loss, interrupted)

    def _telemetry(self) -> Telemetry:
        if self.engine.rank != 0:
            return Silence()
        recipe = self.recipe
        return Telemetry(
            self.out, self.total, self.progress.step, recipe.stage.name, tensorboard=recipe.tensorboard
        )

    def _step(self, step: GlobalStep) -> StepReport:
        """Forward and backward of this rank's rows, then one update of the whole step."""
        recipe, engine, progress = self.recipe, self.engine, self.progress
        rates = self._set_rates(step.own.index)
        share = 1.0 / max(step.supervised, 1)
        sums, extras = [], []
        for number, batch in enumerate(step.own.batches):
            with engine.row(last=number == len(step.own.batches) - 1):
                with engine.autocast():
                    placed = engine.place(batch)
                    row = self.objective(engine.wrapped, placed)
                    extra = self.auxiliary(placed)
                engine.backward((row + extra) * share)
            sums.append(row.detach())
            extras.append(extra.detach())
        rows = torch.stack(sums).tolist()
        loss, auxiliary = (
            total * share for total in engine.sum(sum(rows), sum(torch.stack(extras).tolist()))
        )
        demand_finite(loss, "loss", step, rows, engine)
        norm = engine.step()
        demand_finite(norm, "gradient", step, rows, engine)
        progress.step = step.own.index + 1
        progress.loss = loss
        progress.loader = self.loader.state_dict()
        progress.supervised_tokens += step.supervised
        capacity = step.rows * recipe.data.row_capacity
        return StepReport(
            progress.step,
            loss,
            norm,
            rates,
            step.own.records,
            step.tokens,
            step.supervised,
            capacity,
            step.own.epoch,
            {"auxiliary_loss": auxiliary} if self.auxiliary.terms else {},
        )

    def _set_rates(self, index: int) -> dict[str, float]:
        factor = lr_factor(index, self.total, self.recipe.optim)
        rates = {}
        for group in self.engine.optimizer.param_groups:
            group["lr"] = rates[group["part"]] = group["peak_lr"] * factor
        return rates

    def _validate(self, validation: Validation, telemetry: Telemetry) -> None:
        progress = self.progress
        progress.validation_loss = loss = validation.loss()
        if loss is None:
            log.warning("step %d: no validation record has a token to validate", progress.step)
            return
        best = progress.best_validation_loss
        progress.best_validation_loss = loss if best is None else min(best, loss)
        telemetry.validation(progress.step, loss, validation.answers())

    def _evaluate(self, evaluation: Evaluation, telemetry: Telemetry) -> None:
        """Ask the benchmarks; where that fails before the first step the run ends, later it goes on."""
        step = self.progress.step
        try:
            found = evaluation.scores(step)
        except (UserError, EvaluationError) as error:
            if step == 0:
                raise
            log.error("%s The run goes on without the scores of step %d.", error, step)
            return
        if found is None:
            log.warning("step %d is not evaluated: the run is asked to stop", step)
        else:
            telemetry.evaluation(step, *found)
