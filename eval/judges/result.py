"""What a judged score says: the figures, what they are over, who judged and how."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from eval.environment import versions
from eval.judges.asking import Interview, Protocol
from eval.judges.checklist import Checklist, Checklists
from eval.judges.judgements import Judgement
from eval.judges.judging import Judging
from eval.judges.marking import Case, Marked, Marking
from eval.judges.pairwise import Pairwise

log = logging.getLogger(__name__)

_LISTED = 20


def header_of(
    case: Case,
    how: Judging,
    protocol: Protocol,
    identity: Mapping[str, Any],
    checklists: Checklists,
    described: Mapping[str, Any],
) -> dict[str, Any]:
    """The first line of the judgements: all that a replay needs besides benchmark and answers."""
    settings = protocol.settings
    return {
        "judge": dict(identity),
        "task": case.task.config.task,
        "mode": how.mode,
        "prompt": protocol.prompt.described(),
        "settings": {
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "max_tokens": settings.max_tokens,
            "seed": settings.seed,
        },
        "runs": protocol.runs,
        "attempts": protocol.attempts,
        "swap": how.swap is not False,
        "show_images": how.show_images,
        **({"checklists": dict(checklists)} if how.mode == "checklist" else {}),
        **described,
    }


def result_of(
    case: Case,
    how: Judging,
    marking: Marking,
    header: Mapping[str, Any],
    found: Interview,
    marked: Marked,
) -> dict[str, Any]:
    """The content of ``judged.json``; see ``eval.judges.run.judge``."""
    failed = found.failed()
    scored = set(marked.items)
    lost = {
        item.id: failed.get(item.id, _why_not(marking, item.id))
        for item in case.answered()
        if item.id not in scored
    }
    missing = [item.id for item in case.items if item.id not in case.answers]
    last: Sequence[Judgement] = list(found.last().values())
    answered = [one for one in last if one.reply is not None]
    models = found.models()
    if len(models) > 1:
        log.warning("the replies come from several models: %s", ", ".join(models))
    # The prompt's text is in the judgements; the result names it by its hash.
    prompt = {name: value for name, value in header["prompt"].items() if name != "text"}
    return {
        "task": case.task.config.task,
        "title": case.task.title,
        "mode": how.mode,
        "n": len(marked.items),
        "of": len(case.items),
        "answered": len(case.answers),
        "complete": len(marked.items) == len(case.items) == len(case.answers),
        "missing": missing[:_LISTED],
        "missing_counted_as_wrong": sum(item in scored for item in missing),
        "extra": case.extra,
        "without_verdict": lost,
        "items_without_verdict": len(lost),
        "replies": len(answered),
        "unparsed": sum(not marking.readable(one.reply or "") for one in answered),
        **({"unread_as": marking.unread_as} if marking.unread_as else {}),
        "primary": marked.primary,
        "lower_is_better": list(marked.lower_is_better),
        "metrics": dict(marked.metrics),
        "by": dict(marked.by),
        **marked.more,
        "judge": {
            "asked": header["judge"],
            "models": models,
            "prompt": prompt,
            "settings": header["settings"],
            "runs": header["runs"],
            "attempts": header["attempts"],
            "swap": header["swap"],
            "show_images": header["show_images"],
            "prompt_tokens": sum(one.usage.prompt_tokens for one in found.judgements),
            "completion_tokens": sum(one.usage.completion_tokens for one in found.judgements),
        },
        "settings": {
            "level": how.sampling.level,
            "resamples": how.sampling.resamples,
            "seed": how.sampling.seed,
        },
        **{name: header[name] for name in ("predictions", "annotations", "against") if name in header},
        "versions": versions(),
    }


def _why_not(marking: Marking, item: str) -> str:
    if isinstance(marking, Checklist) and not marking.checklists.get(item):
        return "it has no checklist"
    if isinstance(marking, Pairwise) and item not in marking.case.against:
        return "the other file has no answer to it"
    return "a run of the judge has no reply"
