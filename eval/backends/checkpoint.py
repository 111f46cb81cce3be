"""Checkpoints of mmtune, through the engine that shares images and prefixes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.asking import Ask
from eval.backends.base import Answer, Opening
from eval.conversations import conversation
from eval.robustness.alterations import load_altered
from mmtune.errors import UserError

if TYPE_CHECKING:
    from mmtune.decode.engine import Engine
    from mmtune.decode.requests import Request


class Checkpoint:
    """A model of mmtune.

    Args:
        engine: of the model.
        batch_size: questions that are answered together.
    """

    def __init__(self, engine: Engine, batch_size: int = 64) -> None:
        self.engine = engine
        self.batch_size = batch_size
        self._identity: Mapping[str, Any] | None = None

    @classmethod
    def open(cls, place: str, opening: Opening) -> Checkpoint:
        """The checkpoint in a folder.

        Raises:
            UserError: if it cannot be loaded.
        """
        from mmtune.decode.engine import Engine

        return cls(Engine.from_checkpoint(Path(place), opening.device), opening.batch_size)

    def identity(self) -> Mapping[str, Any]:
        """A hash over weights, tokenizer and settings."""
        if self._identity is None:
            self._identity = {"kind": "mmtune", **self.engine.identity()}
        return self._identity

    def ask(self, asks: Sequence[Ask]) -> Iterator[tuple[int, Answer | UserError]]:
        """As ``Backend.ask``; all that is generated goes through one batch that never runs empty."""
        for how in ("generate", "next_token", "likelihood"):
            places = [place for place, ask in enumerate(asks) if ask.how == how]
            if not places:
                continue
            mine = [asks[place] for place in places]
            found = self._generated(mine) if how == "generate" else self._ranked(mine, how)
            for index, outcome in found:
                yield places[index], outcome

    def _generated(self, asks: Sequence[Ask]) -> Iterator[tuple[int, Answer | UserError]]:
        from mmtune.decode.requests import Settings

        failures: dict[int, UserError] = {}
        longest = max(ask.max_new_tokens for ask in asks)
        for index, completion in self.engine.answers(
            [request(ask) for ask in asks],
            Settings(max_new_tokens=longest, logprobs=True),
            batch_size=self.batch_size,
            failures=failures,
        ):
            scores = completion.logprobs
            sure = None if scores is None else sum(scores)
            yield index, failures.get(index) or Answer(completion.text, completion.stopped, sure=sure)

    def _ranked(self, asks: Sequence[Ask], how: str) -> Iterator[tuple[int, Answer | UserError]]:
        failures: dict[int, UserError] = {}
        rank = self.engine.next_tokens if how == "next_token" else self.engine.likelihoods
        options = [ask.options for ask in asks]
        for index, ranking in rank(
            [request(ask) for ask in asks], options, batch_size=self.batch_size, failures=failures
        ):
            if ranking is None:
                yield index, failures[index]
            else:
                yield index, Answer(asks[index].meanings[ranking.best], "decided", ranking.logprobs)


def request(ask: Ask) -> Request:
    """The engine's request for an ask; images that have no place in the text stand first, each on a line of
    its own, as in the LLaVA-1.5 protocol.

    An image is opened when the engine wants it; all that is asked about it names it by one key. Places that
    do not match the images are the engine's to refuse, for this request alone.
    """
    from mmtune.decode.requests import Request
    from mmtune.records import IMAGE_PLACEHOLDER, Turn

    return Request(
        images=tuple(partial(load_altered, Path(ask.root), image, ask.alteration) for image in ask.images),
        turns=tuple(
            Turn(said.role, f"{IMAGE_PLACEHOLDER}\n" * said.leading + said.text) for said in conversation(ask)
        ),
        keys=tuple((ask.root, image, ask.alteration) for image in ask.images),
        id=f"{ask.image}: {ask.text[:60]}",
        max_new_tokens=ask.max_new_tokens,
    )
