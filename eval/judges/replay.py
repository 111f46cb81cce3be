"""Scores judgements again without their judge, after making sure that they are about these answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_builders.teachers.base import Settings
from eval.judges.asking import Interview, Protocol, first_keys, interview
from eval.judges.checklist import Checklists
from eval.judges.checklist_writing import read_checklists
from eval.judges.judgements import Recorded, read_judgements, same
from eval.judges.judging import Judging, marking_of, protocol_with
from eval.judges.marking import Case, Marking
from eval.judges.prompts import Prompt, checked, prompt_of
from mmtune.errors import UserError


def replayed(
    case: Case, how: Judging, path: Path
) -> tuple[Judging, Marking, Protocol, dict[str, Any], Interview]:
    """What a judge said of a case, from the file; with how it was asked, and the file's header.

    Raises:
        UserError: if answers, benchmark, prompt or settings are not those of the judgements.
    """
    header, judgements = read_judgements(path)
    same(header, "task", case.task.config.task, path)
    same(header, "mode", how.mode, path)
    for name, value in (("runs", how.runs), ("swap", how.swap)):
        if value is not None:
            same(header, name, value, path)
    if how.show_images:
        same(header, "show_images", True, path)
    for name, setting in (("max_tokens", how.max_tokens), ("temperature", how.temperature)):
        if setting is not None:
            same(header["settings"], name, setting, path)
    how = replace(how, swap=header["swap"], show_images=header["show_images"])
    checklists: Checklists = header.get("checklists", {})
    if how.checklists is not None and read_checklists(how.checklists) != checklists:
        raise UserError(
            "The checklists are not those of the judgements", str(how.checklists), "leave them out"
        )
    marking = marking_of(case, how, checklists)
    prompt = _recorded_prompt(header, marking, how.prompt)
    settings, runs, attempts = Settings(**header["settings"]), header["runs"], header["attempts"]
    protocol = protocol_with(case, marking, prompt, settings, runs, attempts, how.show_images)
    recorded = Recorded(header, judgements, path)
    questions = marking.questions()
    recorded.check_answers({(one.item, one.part): one.answer for one in questions})
    recorded.check_keys(first_keys(recorded, questions, protocol))
    return how, marking, protocol, header, interview(recorded, questions, protocol)


def _recorded_prompt(header: Mapping[str, Any], marking: Marking, file: Path | None) -> Prompt:
    told = header["prompt"]
    prompt = checked(Prompt(told["name"], told["text"], told["from"]), marking.needs, marking.knows)
    if prompt.sha256 != told["sha256"]:
        raise UserError(
            "The prompt in the judgements is not the one that its hash names", fix="mend the file"
        )
    if file is None:
        return prompt
    other = prompt_of(marking.prompt, marking.needs, marking.knows, file)
    if other.sha256 != prompt.sha256:
        raise UserError(
            f"The judgements were made with the prompt {prompt.sha256}, not {other.sha256}",
            str(file),
            "leave --prompt out, or name a judge with --judge",
        )
    return prompt
