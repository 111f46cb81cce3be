"""What must be right of a scene before anything is asked of it."""

from __future__ import annotations

import math

from data_builders.scenes import Scene


def faults_of(scene: Scene) -> list[str]:
    """Why nothing may be asked of a scene; empty where nothing is wrong."""
    if scene.image is None:
        return ["the scene has no image"]
    if scene.width < 1 or scene.height < 1:
        return ["the image's size is not known, so that no box can be told as a ratio"]
    faults: list[str] = []
    ids: set[str] = set()
    for item in scene.objects:
        x0, y0, x1, y1 = item.box_xyxy
        if item.id in ids:
            faults.append(f"two objects have the id {item.id!r}")
        ids.add(item.id)
        if not item.name.strip():
            faults.append(f"object {item.id!r} has no class name")
        if not all(map(math.isfinite, item.box_xyxy)) or x1 <= x0 or y1 <= y0:
            faults.append(f"object {item.id!r} has no box: {list(item.box_xyxy)}")
    for region in scene.regions:
        x0, y0, x1, y1 = region.box_xyxy
        if not all(map(math.isfinite, region.box_xyxy)) or x1 <= x0 or y1 <= y0:
            faults.append(f"region {region.id!r} has no box: {list(region.box_xyxy)}")
    for relation in scene.relations:
        if relation.subject not in ids or relation.object not in ids:
            faults.append(f"a relation {relation.predicate!r} is of an object that is not there")
    return faults
