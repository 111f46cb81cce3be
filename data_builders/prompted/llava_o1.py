"""``llava_o1``: four tagged stages from a question to its answer, kept where the conclusion is right."""

from __future__ import annotations

import re
from functools import partial

from data_builders.prompted import offline
from data_builders.prompted.base import Kit, PromptedBuilder, Source, true_turns
from data_builders.prompted.contexts import known
from data_builders.prompted.mmevol import first_pair
from data_builders.prompted.parsing import TRUTH, json_object, record_of, tagged, truth
from data_builders.teachers.building import Built, Rejection, Steps

NAME = "llava_o1"
STAGES = ("SUMMARY", "CAPTION", "REASONING", "CONCLUSION")
_TOLD = re.compile(r"\b(right|given|correct|gold|provided) answer\b", re.IGNORECASE)


def same(text: str) -> bool:
    """Whether the judge found both answers the same."""
    return truth(json_object(text, ["same"])["same"])


def steps(source: Source, kit: Kit) -> Steps:
    """One request for the stages; a judge only where the conclusion is not the gold answer word for word."""
    scene, pictures = source.scene, kit.pictures(source.scene)
    question, gold = first_pair(source.the_record())
    facts = {
        "facts": known(scene, seen=bool(pictures)),
        "question": question,
        "gold": gold,
        "scene": scene,
    }
    read = partial(tagged, tags=STAGES)
    (reply,) = yield [kit.request(NAME, facts, accept=read, pictures=pictures)]
    stages = read(reply.text)
    if told := _TOLD.search(reply.text):
        return Built((), (Rejection(source.id, f"it speaks of what it was told ({told[0]!r})", reply.text),))
    if _plain(stages["CONCLUSION"]) != _plain(gold):
        judged = {"question": question, "gold": gold, "conclusion": stages["CONCLUSION"]}
        schema = record_of(same=TRUTH)
        (verdict,) = yield [kit.request("llava_o1_judge", judged, accept=same, schema=schema)]
        if not same(verdict.text):
            reason = f"the conclusion is not {gold!r}"
            return Built((), (Rejection(source.id, reason, stages["CONCLUSION"]),))
    untrue = [
        rejection
        for stage in ("CAPTION", "REASONING", "CONCLUSION")
        for rejection in true_turns(source, [(question, stages[stage])])[1]
    ]
    if untrue:
        return Built((), tuple(untrue))
    answer = "\n".join(f"<{stage}>{stages[stage]}</{stage}>" for stage in STAGES)
    return Built((kit.record(NAME, source, [(question, answer)], gold=gold),))


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


BUILDER = PromptedBuilder(
    NAME,
    needs="records with a question and its right answer",
    makes="answers in four tagged stages",
    paper="LLaVA-o1, also LLaVA-CoT, arXiv 2411.10440",
    steps=steps,
    rules={NAME: offline.four_stages, "llava_o1_judge": offline.same_words},
)
