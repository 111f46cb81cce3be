"""``povid_noised``: what a model says to a noised image, where it is untrue, against the truth."""

from __future__ import annotations

from data_builders.preference import offline
from data_builders.preference.asking import (
    PROMPTS,
    answering,
    candidate,
    facts_for,
    pair_row,
    pictures_of,
    prompt_of,
    question_in,
    refuted,
    rejection,
    untrue,
)
from data_builders.preference.noise import NoisedPicture, kept_share
from data_builders.preference.povid_teacher import truth_of
from data_builders.prompted.base import Kit, PromptedBuilder, Source
from data_builders.teachers.building import Built, Steps
from mmtune.errors import UserError

NAME = "povid_noised"
STEP = 500


def steps(source: Source, kit: Kit) -> Steps:
    """One request, about the noised image."""
    step = int(kit.option("noise_step", STEP))
    kept_share(step)
    pictures = tuple(
        NoisedPicture(plain.root, plain.ref, plain.side_px, step, kit.seed)
        for plain in pictures_of(source, kit)
    )
    if not pictures:
        raise UserError("noise goes over images", "--image-root", "say where they are")
    instruction, answer = truth_of(source, kit)
    prompt = prompt_of(source, instruction=instruction)
    question = question_in(prompt)
    if reasons := untrue(source, question, answer):
        return Built(
            (), (rejection(source, f"what is to be the truth is untrue: {'; '.join(reasons)}", answer),)
        )
    facts = answering({**facts_for(source, pictures), "question": question}, pictures)
    (reply,) = yield [kit.request("candidate", facts, accept=candidate, pictures=pictures)]
    said = candidate(reply.text)
    edits = refuted(source, question, said)
    if not edits:
        reason = "the scene does not refute what was said to the noised image"
        return Built((), (rejection(source, reason, said),))
    row = pair_row(
        kit,
        NAME,
        source,
        prompt,
        (answer, said),
        facts=[{"text": answer}],
        edits=edits,
        margin=float(len(edits)),
        noised={"step": step, "seed": kit.seed},
    )
    return Built((row,))


BUILDER = PromptedBuilder(
    NAME,
    needs="records with a true answer, captions or objects; the images",
    makes="pairs of the truth and what a model says to the noised image, where the scene refutes it",
    paper="POVID, arXiv 2402.11411",
    steps=steps,
    rules={"candidate": offline.blurred},
    prompts=PROMPTS,
    takes=frozenset({"noise_step"}),
)
