"""``povid``: true descriptions of scenes, and the same with hallucinations injected, without a teacher."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from data_builders.builders import Built
from data_builders.draws import Draws
from data_builders.engines import get_engine
from data_builders.preference.asking import instructions
from data_builders.preference.injecting import Edit, Fact, inject, text_of, true_facts
from data_builders.preference.noise import kept_share, noised
from data_builders.preference.statements import KINDS
from data_builders.problems import Problem, Problems, beside
from data_builders.programs.asking import stable_number
from data_builders.programs.blocks import BLOCK
from data_builders.programs.building import Progress, claimed_classes
from data_builders.programs.inputs import Annotations, sound_scenes
from data_builders.programs.marking import copy_name
from data_builders.programs.view import Names, View
from data_builders.scenes import Scene
from mmtune.errors import UserError
from mmtune.images.loading import load_image
from mmtune.records import IMAGE_PLACEHOLDER, Preference, Turn, write_preferences

NAME = "povid"
_STREAM = stable_number(NAME)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person can choose.

    Args:
        seed: same seed and scenes, same pairs.
        edits: hallucinations in a rejected answer at most.
        facts: statements of a description at most.
        names: when a class name alone may refer to an object; see ``View``.
        noise_step: of the noised copies of the images; None writes none.
    """

    seed: int = 0
    edits: int = 1
    facts: int = 6
    names: Names = "exhaustive"
    noise_step: int | None = None

    def __post_init__(self) -> None:
        if self.edits < 1 or self.facts < 1:
            what = "a description has 1 statement or more, a rejected one 1 edit or more"
            raise UserError(what, "--facts, --edits")
        if self.names not in ("exhaustive", "annotated"):
            raise UserError(f"unknown rule {self.names!r}", "--names", "use exhaustive or annotated")
        if self.noise_step is not None:
            kept_share(self.noise_step)


def pairs_of_scene(scene: Scene, settings: Settings) -> Iterator[Preference]:
    """One pair for each kind of hallucination that the scene proves to be one.

    Each of ``Preference.chosen_facts`` is true of the scene, each of ``rejected_edits`` is false of it, and
    ``data_builders.preference.verifying.verify`` shows both again.

    Raises:
        UserError: if the scene has no objects, or nothing about it can be proven untrue.
    """
    if not scene.objects:
        raise UserError("the scene has no objects")
    view = View(scene, settings.names)
    draws = Draws(settings.seed, _STREAM, stable_number(scene.id))
    facts = true_facts(view, draws)
    found = False
    for kind in KINDS:
        chosen, edits = inject(view, facts, kind, settings.edits, settings.facts, draws)
        if edits:
            found = True
            yield _pair(view, kind, chosen, edits, settings, draws)
    if not found:
        raise UserError("nothing that is annotated of the scene can be proven untrue")


def _pair(
    view: View, kind: str, facts: Sequence[Fact], edits: Sequence[Edit], settings: Settings, draws: Draws
) -> Preference:
    scene, pair_id = view.scene, f"{view.scene.id}-{NAME}-{kind}"
    assert scene.image is not None
    chosen_facts = tuple(fact.to_json(view) for fact in facts)
    told = dict.fromkeys(name for fact in chosen_facts for name in fact["evidence"])
    meta = {
        "builder": NAME,
        "kind": kind,
        "evidence": {"scenes": [scene.id], "turns": [list(told)]},
        "arguments": {"names": settings.names},
        "licence": scene.licence or "unknown",
        "source": str(scene.source.get("dataset") or scene.source.get("format") or scene.id),
    }
    if settings.noise_step is not None:
        meta["noised"] = {
            "image": copy_name(scene.id),
            "step": settings.noise_step,
            "seed": settings.seed,
        }
    question = f"{IMAGE_PLACEHOLDER}\n{draws.choice(instructions())}"
    return Preference(
        pair_id,
        (Turn("user", question),),
        text_of(facts),
        text_of(facts, edits),
        (scene.image,),
        meta,
        chosen_facts,
        tuple(edit.to_json() for edit in edits),
        float(len(edits)),
    )


@dataclass
class _Done:
    scenes: int
    pairs: list[Preference]
    problems: list[Problem]


def _work(settings: Settings, image_root: Path | None, copies: Path | None, scenes: Sequence[Scene]) -> _Done:
    done = _Done(len(scenes), [], [])
    for scene in scenes:
        try:
            pairs = list(pairs_of_scene(scene, settings))
            for pair in pairs:
                pair.check()
            if copies is not None and settings.noise_step is not None and scene.image is not None:
                picture = load_image(image_root or Path("."), scene.image)
                copy = noised(picture, settings.noise_step, settings.seed, str(scene.image))
                copy.save(copies / copy_name(scene.id), "PNG", compress_level=1)
        except UserError as error:
            done.problems.append(Problem(f"scene {scene.id}", error.what))
        else:
            done.pairs += pairs
    return done


def build(
    out: Path,
    *,
    inputs: Sequence[Path],
    seed: int = 0,
    edits: int = 1,
    facts: int = 6,
    names: Names = "exhaustive",
    noise_step: int | None = None,
    image_root: Path | None = None,
    unpack: Path | None = None,
    reader: str | None = None,
    exhaustive: str | None = None,
    licence: str = "",
    limit: int | None = None,
    workers: int = 1,
    engine: str | None = None,
    progress: Progress | None = None,
) -> Built:
    """Write the pairs of all scenes.

    Args:
        out: the pairs (``.json`` or ``.jsonl``). What was left out goes to ``OUT.problems.jsonl``, noised
            copies of the images to a folder ``OUT-noised``.
        inputs: annotation files or folders of one format, or miniworld folders.
        seed: same seed and scenes, same pairs and pixels, in any number of processes.
        edits: as in ``Settings``.
        facts: as in ``Settings``.
        names: as in ``Settings``.
        noise_step: as in ``Settings``; needs ``image_root``.
        image_root: folder of the images, which must then be there.
        unpack: folder to write the images to that are inside the annotations (shards, parquet).
        reader: the annotation's format; None finds it out.
        exhaustive: classes of which every instance is annotated, with commas between.
        licence: of scenes whose annotation states none.
        limit: scenes to read at most.
        workers: processes.
        engine: where the scenes are worked on, out of ``data_builders.engines``.
        progress: called with the scenes done so far, twice.

    Raises:
        UserError: if nothing can be read, not one pair came out, or a file cannot be written.
    """
    settings, run_on = Settings(seed, edits, facts, names, noise_step), get_engine(engine, workers)
    pictures = image_root or unpack
    copies = None
    if noise_step is not None:
        if pictures is None:
            raise UserError("noise goes over copies of the images", "--image-root", "say where they are")
        copies = out.with_name(f"{out.stem}-noised")
        copies.mkdir(parents=True, exist_ok=True)
    claimed = claimed_classes(exhaustive)
    annotations = Annotations(tuple(inputs), image_root, reader, claimed, licence, limit, unpack)
    noted = beside(out)
    noted.unlink(missing_ok=True)
    counts = dict.fromkeys(("scenes", "pairs", *KINDS), 0)
    with Problems(noted) as problems:
        scenes = sound_scenes(annotations, problems)
        blocks = iter(lambda: list(islice(scenes, BLOCK)), [])
        work = partial(_work, settings, pictures, copies)

        def pairs() -> Iterator[Preference]:
            for done in run_on.map(work, blocks):
                counts["scenes"] += done.scenes
                for problem in done.problems:
                    problems(problem)
                for pair in done.pairs:
                    counts["pairs"] += 1
                    counts[pair.meta["kind"]] += 1
                    yield pair
                if progress is not None:
                    progress(counts["scenes"], counts["scenes"])

        stream = pairs()
        first = next(stream, None)
        if first is None:
            raise UserError("not one pair was built", str(out), problems.summary())

        def again() -> Iterator[Preference]:
            yield first
            yield from stream

        write_preferences(out, again())
    return Built(counts, problems.summary())
