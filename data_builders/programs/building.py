"""Build records from scenes: block by block, on one core or on all, the same records either way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from data_builders.builders import Built
from data_builders.draws import Draws
from data_builders.engines import get_engine
from data_builders.problems import Problem, Problems, beside
from data_builders.programs.asking import Settings, stable_number, view_of
from data_builders.programs.blocks import BLOCK, records_of_block
from data_builders.programs.drawn.registry import DRAWINGS
from data_builders.programs.inputs import Annotations, sound_scenes
from data_builders.programs.marking import draw_marks
from data_builders.programs.records import marks_of, records_of_scene
from data_builders.programs.registry import PROGRAMS
from data_builders.programs.view import Names
from data_builders.programs.wording import Mode
from data_builders.scenes import Scene, write_scenes
from mmtune.errors import RecordError, UserError
from mmtune.images.loading import load_image
from mmtune.records import Record, write_llava

ALL = "programs"
"""The name that stands for every program about images as they are."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Work:
    """What is done with a block of scenes; plain values, so that it can be sent to another process.

    Args:
        names: of the programs.
        settings: of all of them.
        image_root: of the scenes' images, where they are drawn into.
        copies: where the copies go that have marks.
    """

    names: tuple[str, ...]
    settings: Settings
    image_root: Path | None = None
    copies: Path | None = None


@dataclass
class BlockRecords:
    """What came out of a block."""

    scenes: int
    records: list[Record] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def work_on(work: Work, scenes: Sequence[Scene]) -> BlockRecords:
    """The records of a block, and the copies of images that they need."""
    done = BlockRecords(len(scenes))
    by_id = {scene.id: scene for scene in scenes}
    for record in records_of_block(scenes, [PROGRAMS[name] for name in work.names], work.settings):
        try:
            record.check()
            if work.copies is not None and PROGRAMS[record.meta["builder"]].marks is not None:
                _draw_copy(work, record, by_id[record.meta["evidence"]["scenes"][0]], work.copies)
        except RecordError as error:
            done.problems.append(Problem(f"record {record.id}", error.reason))
        except UserError as error:
            done.problems.append(Problem(f"record {record.id}", str(error).rstrip(".")))
        else:
            done.records.append(record)
    return done


def _draw_copy(work: Work, record: Record, scene: Scene, folder: Path) -> None:
    assert scene.image is not None
    picture = load_image(work.image_root or Path("."), scene.image)
    marks = marks_of(PROGRAMS[record.meta["builder"]], record)
    copy = draw_marks(picture, view_of(scene, work.settings), marks)
    copy.save(folder / record.images[0].path, "PNG", compress_level=1)


def build(
    name: str,
    inputs: Sequence[Path],
    out: Path,
    *,
    seed: int = 0,
    mode: Mode = "both",
    turns: int = 4,
    names: Names = "exhaustive",
    digits: int = 2,
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
    """Write what one program, or all of them, ask of the scenes.

    Args:
        name: of a program, or ``ALL``, which leaves out those that draw into copies of the images.
        inputs: annotation files or folders of one format, or miniworld folders.
        out: the records, LLaVA JSON (``.json``) or one a line (``.jsonl``). What was left out goes to
            ``OUT.problems.jsonl``, copies of images to a folder ``OUT-images``.
        seed: same seed and scenes, same records, in any number of processes.
        mode: "short", "choice" or "both".
        turns: most questions of one program in one record.
        names: when a class name alone may refer to an object; see ``View``.
        digits: of coordinates.
        image_root: folder of the images, which must then be there; needed where marks are drawn into copies.
        unpack: folder to write the images to that are inside the annotations (shards, parquet).
        reader: the annotation's format; None finds it out.
        exhaustive: classes of which every instance is annotated, with commas between.
        licence: of scenes whose annotation states none.
        limit: scenes to read at most.
        workers: processes.
        engine: where the scenes are asked about, out of ``data_builders.engines``.
        progress: called with the scenes done so far, twice.

    Raises:
        UserError: if nothing can be read, nothing came out, or a file cannot be written.
    """
    settings, run_on = Settings(seed, mode, turns, names, digits), get_engine(engine, workers)
    chosen = tuple(PROGRAMS) if name == ALL else (name,)
    if name == ALL:
        chosen = tuple(key for key in chosen if PROGRAMS[key].marks is None)
    copies = None
    pictures = image_root or unpack
    if any(PROGRAMS[key].marks for key in chosen):
        if pictures is None:
            raise UserError(f"{name} draws into copies of the images", "--image-root", "say where they are")
        copies = out.with_name(f"{out.stem}-images")
        copies.mkdir(parents=True, exist_ok=True)
    work = Work(chosen, settings, pictures, copies)
    claimed = claimed_classes(exhaustive)
    annotations = Annotations(tuple(inputs), image_root, reader, claimed, licence, limit, unpack)
    counts: Counter[str] = Counter()
    noted = _problems_file(out)
    with Problems(noted) as problems:
        blocks = _blocks(sound_scenes(annotations, problems))

        def records() -> Iterator[Record]:
            for done in run_on.map(partial(work_on, work), blocks):
                counts["scenes"] += done.scenes
                for problem in done.problems:
                    problems(problem)
                for record in done.records:
                    counts["records"] += 1
                    counts["questions"] += len(record.turns) // 2
                    yield record
                if progress is not None:
                    progress(counts["scenes"], counts["scenes"])

        _write(out, records(), name, problems)
    return Built(dict(counts), problems.summary())


def _write(out: Path, records: Iterator[Record], name: str, problems: Problems) -> None:
    """Write the records; a file without any would be a success that is none."""
    first = next(records, None)
    if first is None:
        fix = problems.summary() or "`mmtune build --list` says what each builder needs"
        raise UserError(f"{name} has nothing to ask about these scenes", str(out), fix)

    def again() -> Iterator[Record]:
        yield first
        yield from records

    write_llava(out, again())


def _problems_file(out: Path) -> Path:
    """Where problems of this build go; those of an earlier one are removed."""
    path = beside(out)
    path.unlink(missing_ok=True)
    return path


def _blocks(scenes: Iterator[Scene]) -> Iterator[list[Scene]]:
    while block := list(islice(scenes, BLOCK)):
        yield block


def build_drawn(
    name: str,
    out: Path,
    *,
    count: int = 1000,
    seed: int = 0,
    mode: Mode = "both",
    turns: int = 4,
    progress: Progress | None = None,
) -> Built:
    """Draw pictures and ask about them.

    Args:
        name: a key of ``DRAWINGS``.
        out: folder for ``images/``, ``records.jsonl`` (paths relative to ``images/``) and ``scenes.jsonl``.
        count: pictures.
        seed: same seed, same scenes and records.
        mode: "short", "choice" or "both".
        turns: most questions of one program in one record.
        progress: called with the pictures done and all.
    """
    if count < 1:
        raise UserError("a build needs at least one picture", "--count")
    settings, drawing = Settings(seed, mode, turns), DRAWINGS[name]
    programs = [PROGRAMS[key] for key in drawing.programs]
    (out / "images").mkdir(parents=True, exist_ok=True)
    scenes: list[Scene] = []

    def records() -> Iterator[Record]:
        for number in range(count):
            scene, picture = drawing.draw(Draws(seed, stable_number(name), number), f"{name}-{number:06d}")
            picture.save(out / "images" / f"{scene.id}.png", "PNG", compress_level=1)
            scenes.append(scene)
            yield from records_of_scene(programs, scene, settings)
            if progress is not None:
                progress(number + 1, count)

    written = write_llava(out / "records.jsonl", records())
    write_scenes(out / "scenes.jsonl", scenes)
    return Built({"images": count, "records": written})


def claimed_classes(names: str | None) -> frozenset[str] | None:
    """Classes as a person lists them, with commas between; None where nothing is claimed."""
    return None if names is None else frozenset(name.strip() for name in names.split(",") if name.strip())
