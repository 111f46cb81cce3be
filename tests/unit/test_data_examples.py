"""The annotations and the recipe that the documents show are read as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from data_builders.readers import read_annotations
from mmtune.train.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[2]
BUILDING = (ROOT / "docs" / "building.md").read_text(encoding="utf-8")
DOCUMENT = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
SECTION = BUILDING.split("## Annotations that mmtune reads", 1)[1].split("\n## ", 1)[0]
ANNOTATIONS = re.findall(r"^```json\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("number", "names"),
    [(0, ["dog"]), (1, ["dog", "ball"]), (2, ["line", "line"])],
    ids=["coco", "genome", "ocr"],
)
def test_annotations_are_read_as_the_docs_show_them(tmp_path: Path, number: int, names: list[str]) -> None:
    Image.new("RGB", (96, 96)).save(tmp_path / "1.jpg")
    file = tmp_path / ("instances.json", "scene_graphs.json", "pages.json")[number]
    file.write_text(ANNOTATIONS[number])
    (scene,) = read_annotations([file], images=tmp_path)
    assert [item.name for item in scene.objects] == names
    assert scene.image is not None
    assert scene.image.path == "1.jpg"
    assert all(width > 0 for width in (scene.width, scene.height))


def test_the_recipe_over_shards_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"^```yaml\n# on-shards\.yaml\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    path = tmp_path / "on-shards.yaml"
    path.write_text(text.replace("recipes/", f"{ROOT}/recipes/"))
    recipe = load_recipe(path)
    assert recipe.optim.steps == 20
    assert recipe.data.train[0].path == "shards/"
