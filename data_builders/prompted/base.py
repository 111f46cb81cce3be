"""What every prompted builder is made of: input, prompts, steps with a teacher, records with provenance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_builders.prompted.claims import check_answer
from data_builders.prompted.prompts import SHIPPED, Prompts
from data_builders.scenes import Scene
from data_builders.teachers.base import Message, Reply, Request, Settings
from data_builders.teachers.building import Built, Rejection, Steps, Unit
from data_builders.teachers.pictures import Picture
from data_builders.teachers.rules import Rule
from mmtune.errors import RecordError, UserError
from mmtune.records import IMAGE_PLACEHOLDER, Record, Turn, to_llava


@dataclass(frozen=True)
class Source:
    """One piece of input: a scene, and for builders that work on existing data the record about it."""

    scene: Scene
    record: Record | None = None

    @property
    def id(self) -> str:
        """Of the record, where there is one."""
        return self.record.id if self.record else self.scene.id

    def the_record(self) -> Record:
        """The record.

        Raises:
            UserError: where there is none.
        """
        if self.record is None:
            raise UserError("this builder works on records, and none was given", f"scene {self.scene.id!r}")
        return self.record


@dataclass(frozen=True)
class Kit:
    """What a builder's steps work with, the same for all units of a build."""

    prompts: Prompts = field(default_factory=Prompts)
    settings: Settings = field(default_factory=Settings)
    seed: int = 0
    teacher: Mapping[str, Any] = field(default_factory=dict)
    """``Teacher.identity``, for provenance."""
    image_root: Path | None = None
    """Folder of the images, for teachers that see; without it a teacher reads the annotation alone."""
    side_px: int | None = None
    """Longest side of an image as it is sent."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Settings of one builder, by name."""

    def option(self, name: str, default: Any) -> Any:
        """A setting of the builder, or its default."""
        return self.options.get(name, default)

    def pictures(self, scene: Scene) -> tuple[Picture, ...]:
        """The scene's image, where the teacher is to see it."""
        if self.image_root is None or scene.image is None:
            return ()
        return (Picture(self.image_root, scene.image, self.side_px),)

    def request(
        self,
        prompt: str,
        facts: Mapping[str, Any],
        *,
        accept: Callable[[str], object],
        schema: Mapping[str, Any] | None = None,
        pictures: tuple[Picture, ...] = (),
    ) -> Request:
        """A request with the prompt of this name.

        Args:
            prompt: name of a file in ``prompts/``.
            facts: what the prompt names; it must have all of it.
            accept: reads the answer strictly.
            schema: of the answer, where it is JSON.
            pictures: shown with the last message.
        """
        messages = [Message(role, text) for role, text in self.prompts.render(prompt, facts)]
        messages[-1] = Message(messages[-1].role, messages[-1].text, pictures)
        return Request(prompt, tuple(messages), self.settings, schema, accept, prompt, facts)

    def record(
        self,
        builder: str,
        source: Source,
        turns: Sequence[tuple[str, str]],
        *,
        suffix: str = "",
        **meta: Any,
    ) -> Mapping[str, Any]:
        """A row of LLaVA JSON, with evidence for each answer and where it comes from.

        Args:
            builder: the builder's name.
            source: what it was made from.
            turns: (question, answer), the first with the image.
            suffix: tells records of one unit apart.
            meta: more for ``Record.meta``.

        Raises:
            UserError: if the scene has no image, or the record cannot be trained on.
        """
        scene = source.scene
        if scene.image is None:
            raise UserError("the scene has no image, so no record can be about it", f"scene {scene.id!r}")
        said: list[Turn] = []
        for place, (question, answer) in enumerate(turns):
            for text in (question, answer):
                if IMAGE_PLACEHOLDER in text:
                    raise RecordError(f"the teacher wrote {IMAGE_PLACEHOLDER}", source.id)
            lead = f"{IMAGE_PLACEHOLDER}\n" if place == 0 else ""
            said += [Turn("user", lead + question), Turn("assistant", answer)]
        evidence = [list(check_answer(question, answer, scene).evidence) for question, answer in turns]
        provenance = {
            "builder": builder,
            "scene": scene.id,
            "evidence": {"scenes": [scene.id], "turns": evidence},
            "licence": scene.licence,
            "source": {"teacher": dict(self.teacher), "prompts": self.prompts.sha256},
        }
        name = f"{source.id}-{builder}{suffix}"
        record = Record(name, tuple(said), (scene.image,), {**provenance, **meta})
        record.check()
        return to_llava(record)


@dataclass(frozen=True)
class PromptedBuilder:
    """A way to have a teacher write data.

    Args:
        name: as on the command line.
        needs: what of a scene or a record, in a few words.
        makes: what comes out, in a few words.
        paper: whose method it is.
        steps: the work on one piece of input.
        rules: answer its prompts without a model, for tests and dry runs.
        prompts: folder of its prompts.
        takes: options of its own, of those that ``launching.launch`` knows.
        labelled: its prompts that judge what others wrote, and may go to a labeller of their own.
        finish: what is done with the folder once all units are built; gives more counts.
    """

    name: str
    needs: str
    makes: str
    paper: str
    steps: Callable[[Source, Kit], Steps]
    rules: Mapping[str, Rule]
    prompts: Path = SHIPPED
    takes: frozenset[str] = frozenset()
    labelled: frozenset[str] = frozenset()
    finish: Callable[[Path], Mapping[str, int]] | None = None

    def unit(self, source: Source, kit: Kit) -> Unit:
        """The work on one piece of input, to be built with ``data_builders.teachers.building.build``."""
        record = to_llava(source.record) if source.record else None
        content = json.dumps([source.scene.to_json(), record], sort_keys=True, ensure_ascii=True)
        digest = hashlib.sha256(content.encode()).hexdigest()
        return Unit(source.id, digest, lambda: self.steps(source, kit))


def true_turns(
    source: Source, turns: Sequence[tuple[str, str]]
) -> tuple[list[tuple[str, str]], list[Rejection]]:
    """The turns whose claims the scene does not contradict, and the others with the reason.

    Args:
        source: has the scene.
        turns: (question, answer).
    """
    kept: list[tuple[str, str]] = []
    rejected: list[Rejection] = []
    for question, answer in turns:
        reasons = check_answer(question, answer, source.scene).reasons
        if reasons:
            rejected.append(Rejection(source.id, "; ".join(reasons), f"{question} -> {answer}"))
        else:
            kept.append((question, answer))
    return kept, rejected


def one_record(
    kit: Kit, builder: str, source: Source, turns: Sequence[tuple[str, str]], **meta: Any
) -> Built:
    """One record of the turns that the scene does not contradict; none where none is left."""
    kept, rejected = true_turns(source, turns)
    rows = (kit.record(builder, source, kept, **meta),) if kept else ()
    return Built(rows, tuple(rejected))


def texts(replies: Sequence[Reply]) -> list[str]:
    """The texts of replies."""
    return [reply.text for reply in replies]
