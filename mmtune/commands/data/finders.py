"""What works out each score and each vector that ``mmtune data score`` was asked for."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmtune.errors import UserError

if TYPE_CHECKING:
    from mmtune.records import Record

Find = Callable[["Record", Path], Any]
"""A number or a vector of a record whose images are in a folder."""
_OF_MODEL = ("loss", "difficulty", "hidden", "gradients")


def finders(args: argparse.Namespace, rated: Sequence[str]) -> tuple[dict[str, Find], dict[str, Find]]:
    """Finders of numbers and of vectors, by name.

    Args:
        args: of ``mmtune data score``.
        rated: scores that a teacher gives.

    Raises:
        UserError: a score is unknown, or a model that it needs is not given or cannot be loaded.
    """
    from data_builders.curate.scores import SCORES, get_score, plain
    from mmtune.errors import unknown

    numbers: dict[str, Find] = {}
    vectors: dict[str, Find] = {}
    if "plain" in args.features:
        vectors["plain"] = plain.features
    for name in args.score:
        if name not in SCORES:
            raise unknown("score", name, SCORES, "--score")
        if name not in rated and SCORES[name].place:
            numbers[name] = _of_record(get_score(name))
    _add_clip(args, numbers, vectors)
    _add_checkpoint(args, numbers, vectors)
    _add_rewards(args, numbers)
    for name in args.score:
        if name not in numbers and name not in rated:
            raise UserError(f"{name} needs {SCORES[name].needs}", "--score", "give it")
    return numbers, vectors


def _of_record(score: Callable[[Record], float]) -> Find:
    return lambda record, root: score(record)


def _add_clip(args: argparse.Namespace, numbers: dict[str, Find], vectors: dict[str, Find]) -> None:
    if not args.clip:
        if "clip" in args.features:
            raise UserError("The features clip need a model", "--clip", "name an open_clip model")
        return
    from data_builders.curate.scores.similarity import ImageText

    model = ImageText(args.clip, args.pretrained, args.device)
    numbers["similarity"] = lambda record, root: model.look([record], root)[1][0]
    if "clip" in args.features:
        vectors["clip"] = lambda record, root: model.look([record], root)[0][0]


def _add_checkpoint(args: argparse.Namespace, numbers: dict[str, Find], vectors: dict[str, Find]) -> None:
    wanted = [name for name in (*args.score, *args.features) if name in _OF_MODEL]
    if args.adam and "gradients" not in wanted:
        raise UserError("Adam scales nothing but gradients", "--adam", "add --features gradients")
    if not wanted and not args.head:
        return
    if args.model is None:
        raise UserError(f"{wanted[0] if wanted else '--head'} needs a model", "--model", "give a checkpoint")
    from mmtune.models.checkpoint import load
    from mmtune.train.record_scores import RecordScorer

    scorer = RecordScorer(load(args.model), args.device, moments=args.model if args.adam else None)
    each: dict[str, Find] = {
        "loss": scorer.loss,
        "difficulty": scorer.difficulty,
        "hidden": scorer.hidden,
        "gradients": scorer.gradient,
    }
    for name in wanted:
        (vectors if name in args.features else numbers)[name] = each[name]
    if args.head:
        from mmtune.train.reward_head import RewardHead

        head = RewardHead.load(args.head)
        numbers["reward"] = lambda record, root: head.reward(scorer.hidden(record, root))


def _add_rewards(args: argparse.Namespace, numbers: dict[str, Find]) -> None:
    from data_builders.curate.scores.reward import RewardModel

    if args.reward is not None and args.head is not None:
        raise UserError("Two rewards are given", "--reward, --head", "give one of them")
    if args.reward is not None:
        numbers["reward"] = _of_record(RewardModel(args.reward, args.device).reward)
    if args.question_reward is not None:
        numbers["question_reward"] = _of_record(
            RewardModel(args.question_reward, args.device).question_reward
        )
