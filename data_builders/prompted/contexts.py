"""A scene in words, for a teacher that cannot see it."""

from __future__ import annotations

from data_builders.frames import ORIGINAL, convert, to_fractions
from data_builders.scenes import Scene, SceneObject
from mmtune.errors import UserError


def captions(scene: Scene) -> str:
    """One caption a line.

    Raises:
        UserError: if the scene has none.
    """
    lines = [" ".join(caption.split()) for caption in scene.captions if caption.strip()]
    if not lines:
        raise UserError("the scene has no captions", f"scene {scene.id!r}", "use a builder that needs none")
    return "\n".join(lines)


def boxes(scene: Scene) -> str:
    """``name: [x1, y1, x2, y2]``, one instance a line, as shares of width and height with three decimals.

    Raises:
        UserError: if the scene has no objects.

    Source: the context that LLaVA gave its teacher.
    """
    if not scene.objects:
        raise UserError("the scene has no objects", f"scene {scene.id!r}", "use a builder that needs none")
    return "\n".join(f"{item.name}: {_share(scene, item)}" for item in scene.objects)


def objects(scene: Scene) -> str:
    """Every object with attributes, place and what is written on it, then the relations."""
    called = {item.id: f"{item.name} {place}" for place, item in enumerate(scene.objects, start=1)}
    lines = []
    for item in scene.objects:
        written = f', which reads "{item.text}"' if item.text else ""
        attributes = f" ({', '.join(item.attributes)})" if item.attributes else ""
        lines.append(f"{called[item.id]}{attributes}{written}: {_share(scene, item)}")
    lines += [f"{called[r.subject]} is {r.predicate} {called[r.object]}" for r in scene.relations]
    return "\n".join(lines)


def text_lines(scene: Scene) -> list[str]:
    """What is written in the image, from top to bottom; in the order given where no places are known.

    Raises:
        UserError: if nothing is.
    """
    written = [item for item in scene.objects if item.text and item.text.strip()]
    if not written and scene.texts:
        return list(scene.texts)
    if not written:
        raise UserError("nothing is written in the scene", f"scene {scene.id!r}")
    return [
        str(item.text) for item in sorted(written, key=lambda item: (item.center[1], item.center[0], item.id))
    ]


def _share(scene: Scene, item: SceneObject) -> str:
    """A box as shares of the image; where its size is not known they are shares already.

    Raises:
        UserError: if the box is in pixels of an image of unknown size.
    """
    box, extent = item.box_xyxy, scene.extent
    if scene.width and scene.height:
        box = convert(box, scene.width, scene.height, scene.frame, ORIGINAL)
        extent = scene.width, scene.height
    corners = to_fractions(box, extent)
    return (
        "["
        + ", ".join(f"{min(1.0, max(0.0, corner)):.3f}".rstrip("0").rstrip(".") for corner in corners)
        + "]"
    )


def known(scene: Scene, *, seen: bool = False) -> str:
    """Captions and objects together.

    Args:
        scene: what is known.
        seen: whether the teacher is shown the image; there may be nothing else then.

    Raises:
        UserError: if there is nothing, and the teacher does not see the image either.
    """
    lines = [" ".join(caption.split()) for caption in scene.captions if caption.strip()]
    text = "\n".join([*lines, objects(scene)]).strip()
    if not text and not seen:
        raise UserError(
            "the scene has neither captions nor objects",
            f"scene {scene.id!r}",
            "give the image root, for a teacher that sees",
        )
    return text


def page(scene: Scene) -> str:
    """Text as it is laid out: what stands side by side is on one line, with a gap as wide as there.

    Raises:
        UserError: if nothing is written in the scene.

    Source: the layout-aware document prompt of ProcTag; the forty columns are ours.
    """
    lines = text_lines(scene)
    if not any(item.text for item in scene.objects):
        return "\n".join(lines)
    written = sorted(
        (item for item in scene.objects if item.text), key=lambda item: (item.center[1], item.id)
    )
    rows: list[list[SceneObject]] = []
    for item in written:
        height = item.box_xyxy[3] - item.box_xyxy[1]
        if rows and abs(rows[-1][0].center[1] - item.center[1]) < height / 2:
            rows[-1].append(item)
        else:
            rows.append([item])
    lines = []
    for row in rows:
        line = ""
        for item in sorted(row, key=lambda item: item.box_xyxy[0]):
            column = int(item.box_xyxy[0] / scene.extent[0] * 40)
            line = line.ljust(max(column, len(line) + bool(line))) + str(item.text)
        lines.append(line)
    return "\n".join(lines)
