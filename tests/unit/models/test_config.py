"""Wrong settings are refused when they are made."""

from __future__ import annotations

import pytest

from mmtune.errors import UserError
from mmtune.models.config import LanguageConfig, ModelConfig, ProjectorConfig, VisionConfig


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: VisionConfig(""), "model.vision.name"),
        (lambda: VisionConfig("x", select="cls"), "model.vision.select"),
        (lambda: VisionConfig("x", image_size=0), "model.vision.image_size"),
        (lambda: ProjectorConfig(depth=0), "model.projector.depth"),
        (lambda: LanguageConfig(""), "model.language.name"),
        (lambda: LanguageConfig("x", dtype="float8"), "model.language.dtype"),
        (lambda: LanguageConfig("x", attention="fast"), "model.language.attention"),
        (lambda: ModelConfig(vision=VisionConfig("x")), "model.language"),
        (lambda: ModelConfig(language=LanguageConfig("x")), "model.vision"),
    ],
)
def test_refuses_and_names_the_key(make, key):
    with pytest.raises(UserError) as error:
        make()
    assert error.value.where == key


def test_a_checkpoint_stands_for_the_parts():
    config = ModelConfig(checkpoint="somewhere")
    assert config.vision is None and config.language is None


def test_defaults_are_llava_15():
    config = ModelConfig(VisionConfig("clip"), None, LanguageConfig("vicuna")).resolved()
    assert (config.vision.layer, config.vision.select) == (-2, "patch")
    assert (config.projector.name, config.projector.linear_layers) == ("mlp", 2)
    assert config.image_policy == "square"
