"""A teacher by the name that a command line gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from data_builders.teachers.base import Teacher
from data_builders.teachers.batch_files import BatchFiles
from data_builders.teachers.ledger import Ledger
from data_builders.teachers.rules import Rule, Rules
from mmtune.errors import UserError


@dataclass(frozen=True)
class Calls:
    """How teachers are called.

    Args:
        ledger: what they may spend, together.
        concurrency: requests at once, of each.
        requests_per_minute: at most, of each.
        tokens_per_minute: at most, of each.
        key_variable: environment variable of an endpoint's key.
        timeout_s: for one whole attempt at an endpoint.
    """

    ledger: Ledger
    concurrency: int
    requests_per_minute: int | None
    tokens_per_minute: int | None
    key_variable: str
    timeout_s: float = 300.0


def teacher_named(
    place: str, model: str | None, option: str, *, rules: Mapping[str, Rule], batches: Path, calls: Calls
) -> Teacher:
    """The teacher at a place.

    Args:
        place: an address; ``batch`` for files in ``batches``; ``rules``; or the folder of a checkpoint.
        model: as an endpoint names it.
        option: of the command line that names the model.
        rules: of the builder.
        batches: folder of batch files.
        calls: how it is called.

    Raises:
        UserError: if the model is needed and not named, or a checkpoint cannot be loaded.
    """
    if place == "rules":
        return Rules(rules)
    if place == "batch":
        if calls.ledger.budget is not None:
            raise UserError(
                "batch files are sent by whoever runs the build, so no budget can be kept to",
                "--max-budget",
                "leave it out; --dry-run tells the price",
            )
        return BatchFiles(batches, _model(model, option))
    if place.startswith(("http://", "https://")):
        from data_builders.teachers.openai_compatible import Endpoint, OpenAICompatible

        limits = (calls.concurrency, calls.requests_per_minute, calls.tokens_per_minute)
        endpoint = Endpoint(
            place, _model(model, option), calls.key_variable, *limits, timeout_s=calls.timeout_s
        )
        return OpenAICompatible(endpoint, calls.ledger)
    from data_builders.teachers.local import LocalModel

    return LocalModel.from_checkpoint(Path(place), batch_size=calls.concurrency)


def _model(model: str | None, option: str) -> str:
    if not model:
        who = "labeller" if "labeller" in option else "teacher"
        raise UserError(f"the {who}'s model is not named", option, "give its name as the endpoint has it")
    return model
