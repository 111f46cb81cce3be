"""Records as one HTML page that needs no network: boxes, evidence, and what changed from parent to child."""

from __future__ import annotations

import base64
import difflib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from data_builders.problems import Problem, problem_of
from data_builders.rows import iter_rows, write_whole
from data_builders.scenes import Scene
from mmtune.errors import RecordError, UserError
from mmtune.images.loading import load_image
from mmtune.records import IMAGE_PLACEHOLDER, Record

TEMPLATES = Path(__file__).parent / "templates"
SIDE = 384
"""Longest side of an embedded image in pixels."""


@dataclass(frozen=True)
class Shown:
    """One object's box on the page."""

    key: str
    """Scene and object, which turns name as their evidence."""
    name: str
    box: tuple[float, float, float, float]
    """Left, top, width and height in percent of the image."""


@dataclass(frozen=True)
class Picture:
    """An image with its boxes, or why it cannot be shown."""

    path: str
    url: str
    reason: str
    width: int
    height: int
    boxes: tuple[Shown, ...]


@dataclass(frozen=True)
class Line:
    """One turn."""

    role: str
    text: str
    evidence: tuple[str, ...]
    """Keys of the boxes that the answer rests on."""
    missing: tuple[str, ...]
    """Evidence that no box on the page has."""
    parts: tuple[tuple[str, str], ...]
    """Text cut into ("same" | "new" | "gone", words) against the parent's turn; empty without a parent."""


@dataclass(frozen=True)
class Entry:
    """One record."""

    row: int
    id: str
    pictures: tuple[Picture, ...]
    lines: tuple[Line, ...]
    facts: tuple[tuple[str, str], ...]
    parent: str
    """Id of the parent that is compared with, empty where there is none."""


def write_page(
    path: Path,
    out: Path,
    *,
    image_root: Path | None = None,
    scenes: Iterable[Scene] = (),
    parents: Path | None = None,
    first: int = 0,
    count: int = 60,
    heading: str | None = None,
) -> list[Problem]:
    """Write the page.

    Args:
        path: LLaVA JSON or JSON Lines.
        out: the HTML file.
        image_root: folder of the images; None shows none.
        scenes: of the records' evidence; their boxes are drawn where an image is the scene's, or the record
            names the scene.
        parents: records that those of ``path`` were evolved from, found by the id under ``parent`` or
            ``parents``, else by the same id.
        first: row to begin with.
        count: records at most.
        heading: the page's title; the file's name by default.

    Returns:
        Rows of that part that cannot be shown; the page lists them, too.

    Raises:
        UserError: the file cannot be read, or has no usable row there.
    """
    import jinja2
    from markupsafe import Markup

    records, problems = _part(path, first, count)
    if not records:
        detail = str(problems[0]) if problems else f"the file has no row {first}"
        raise UserError(f"there is nothing to show: {detail}", str(path))
    by_scene = {scene.id: scene for scene in scenes}
    originals = {} if parents is None else _originals(parents, records)
    entries = [_entry(row, record, image_root, by_scene, originals) for row, record in records]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    html = environment.get_template("browse.html.j2").render(
        heading=heading or path.name,
        first=records[0][0],
        last=records[-1][0],
        entries=entries,
        problems=problems,
        style=Markup((TEMPLATES / "browse.css").read_text(encoding="utf-8")),
        script=Markup((TEMPLATES / "browse.js").read_text(encoding="utf-8")),
    )
    # A lone surrogate, which JSON can spell, has no UTF-8 and must not stop the page.
    write_whole(out, html.encode("utf-8", "backslashreplace"))
    return problems


def _part(path: Path, first: int, count: int) -> tuple[list[tuple[int, Record]], list[Problem]]:
    records: list[tuple[int, Record]] = []
    problems: list[Problem] = []
    for row in iter_rows(path):
        if row.number < first:
            continue
        if len(records) == count:
            break
        try:
            records.append((row.number, row.record()))
        except RecordError as error:
            problems.append(problem_of(error, row.number))
    return records, problems


def _originals(path: Path, records: Iterable[tuple[int, Record]]) -> dict[str, Record]:
    """The parents of the shown records only."""
    wanted = {one for _, record in records for one in _parent_ids(record)}
    found: dict[str, Record] = {}
    for row in iter_rows(path):
        try:
            record = row.record()
        except RecordError:  # a parent that cannot be read is simply not compared with
            continue
        if record.id in wanted:
            found.setdefault(record.id, record)
    return found


def _parent_ids(record: Record) -> list[str]:
    """Ids under ``parent`` and ``parents``, else the record's own."""
    found: list[str] = []
    for key in ("parent", "parents"):
        value = record.meta.get(key)
        for one in value if isinstance(value, list) else [value]:
            one = one.get("id") if isinstance(one, Mapping) else one
            found += [str(one)] if isinstance(one, str | int) else []
    return found or [record.id]


def _entry(
    row: int, record: Record, root: Path | None, scenes: Mapping[str, Scene], originals: Mapping[str, Record]
) -> Entry:
    evidence = record.meta.get("evidence")
    named = [one for one in _scene_ids(record.meta, evidence) if one in scenes]
    of_image = {scene.image.path: scene for scene in scenes.values() if scene.image}
    pictures = []
    for number, image in enumerate(record.images):
        scene = scenes[named[number]] if number < len(named) else of_image.get(image.path)
        pictures.append(_picture(root, image.path, scene))
    keys = {box.key for picture in pictures for box in picture.boxes}
    parent = next((originals[one] for one in _parent_ids(record) if one in originals), None)
    return Entry(
        row,
        record.id,
        tuple(pictures),
        tuple(_lines(record, _turn_evidence(evidence), named, keys, parent)),
        tuple(_facts(record.meta)),
        "" if parent is None else parent.id,
    )


def _scene_ids(meta: Mapping[str, Any], evidence: Any) -> list[str]:
    if isinstance(evidence, Mapping) and isinstance(evidence.get("scenes"), list):
        return [str(one) for one in evidence["scenes"]]
    return [str(meta["scene"])] if isinstance(meta.get("scene"), str) else []


def _turn_evidence(evidence: Any) -> list[list[str]]:
    """Object ids of each answer: builders' ``turns``, or miniworld's list of questions with ``objects``."""
    turns = evidence.get("turns") if isinstance(evidence, Mapping) else evidence
    found: list[list[str]] = []
    for one in turns if isinstance(turns, list) else ():
        ids = one.get("objects") if isinstance(one, Mapping) else one
        found.append([str(part) for part in ids] if isinstance(ids, list) else [])
    return found


def _lines(
    record: Record, evidence: list[list[str]], named: list[str], keys: set[str], parent: Record | None
) -> Iterable[Line]:
    answers = 0
    for number, turn in enumerate(record.turns):
        ids: list[str] = []
        if turn.role == "assistant":
            ids = evidence[answers] if answers < len(evidence) else []
            answers += 1
        rests = [_key_of(one, named, keys) for one in ids]
        before = parent.turns[number].text if parent is not None and number < len(parent.turns) else ""
        text = turn.text.replace(IMAGE_PLACEHOLDER, "[image]")
        yield Line(
            turn.role,
            text,
            tuple(one for one in rests if one in keys),
            tuple(one for one in rests if one not in keys),
            () if parent is None else tuple(differences(before.replace(IMAGE_PLACEHOLDER, "[image]"), text)),
        )


def _key_of(object_id: str, named: list[str], keys: set[str]) -> str:
    """The box's key: evidence names an object alone where there is one scene, else ``scene/object``."""
    if object_id in keys:
        return object_id
    return next((f"{scene}/{object_id}" for scene in named if f"{scene}/{object_id}" in keys), object_id)


def differences(before: str, after: str) -> Iterable[tuple[str, str]]:
    """Words that stayed, came and went, in reading order."""
    old, new = before.split(), after.split()
    for kind, start, end, new_start, new_end in difflib.SequenceMatcher(None, old, new, False).get_opcodes():
        if kind == "equal":
            yield "same", " ".join(new[new_start:new_end])
            continue
        if end > start:
            yield "gone", " ".join(old[start:end])
        if new_end > new_start:
            yield "new", " ".join(new[new_start:new_end])


def _facts(meta: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for key, value in meta.items():
        if key not in ("evidence", "arguments", "parents") and isinstance(value, str | int | float):
            yield str(key), str(value)[:200]


def _picture(root: Path | None, path: str, scene: Scene | None) -> Picture:
    boxes: tuple[Shown, ...] = ()
    if scene is not None and scene.width > 0 and scene.height > 0:
        boxes = tuple(_shown(scene, one.id, one.name, one.box_xyxy) for one in scene.objects)
    if root is None:
        return Picture(path, "", "no image root was given", 0, 0, boxes)
    try:
        image = load_image(root, path)
    except UserError as error:
        return Picture(path, "", str(error), 0, 0, boxes)
    width, height = image.size
    return Picture(path, _data_url(image), "", width, height, boxes)


def _shown(scene: Scene, object_id: str, name: str, box: tuple[float, float, float, float]) -> Shown:
    left, top, right, bottom = box
    across, down = 100 / scene.width, 100 / scene.height
    placed = (left * across, top * down, (right - left) * across, (bottom - top) * down)
    x, y, width, height = (round(one, 2) for one in placed)
    return Shown(f"{scene.id}/{object_id}", name, (x, y, width, height))


def _data_url(image: Image.Image) -> str:
    small = image.copy()
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    encoded = []
    for kind, options in (("PNG", {"optimize": True}), ("JPEG", {"quality": 85})):
        buffer = io.BytesIO()
        small.save(buffer, kind, **options)
        encoded.append((len(buffer.getvalue()), kind.lower(), buffer.getvalue()))
    _, kind, data = min(encoded)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
