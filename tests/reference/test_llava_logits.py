"""Logits of the composed model against transformers' LLaVA and against the original one.

``tests/golden/tiny_llava.safetensors.gz`` holds a tiny random LLaVA in the original naming and every tenth column of
the logits that haotian-liu/LLaVA (c121f04, float32, eager attention) gave for it, row by row without padding.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import torch
from safetensors.torch import load
from torch import Tensor

from mmtune.batch import IMAGE_TOKEN_ID, PackedBatch
from mmtune.images.geometry import ViewGeometry
from mmtune.images.policies import get_policy
from mmtune.models import attention
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors import build_projector
from mmtune.models.vision.transformers_tower import TransformersTower
from mmtune.models.vlm import VisionLanguageModel

SIZE, PATCH, TOKENS = 56, 14, 16
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "image_size": SIZE,
    "patch_size": PATCH,
    "hidden_act": "quick_gelu",
    "projection_dim": 32,
}
TEXT = {
    "vocab_size": 2000,
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-5,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
}


def compose(
    vision: dict[str, Tensor], projector: dict[str, Tensor], language: dict[str, Tensor]
) -> VisionLanguageModel:
    """Our model of these weights; every name must fit."""
    from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

    attention.register()
    clip = CLIPVisionModel(CLIPVisionConfig(**VISION))
    llama = LlamaForCausalLM(LlamaConfig(**TEXT, attn_implementation=attention.ATTENTION))
    tower = TransformersTower(clip, ViewGeometry(SIZE, PATCH), layer=-2, select="patch")
    mlp = build_projector(ProjectorConfig("mlp", 2), 32, 48)
    tower.core.load_state_dict(vision)
    mlp.load_state_dict(projector)
    llama.load_state_dict(language)
    policy = get_policy("square", tower.geometry, mlp.out_tokens(tower.tokens))
    return VisionLanguageModel(tower, mlp, llama, policy).eval()


def row(cases: list[tuple[Tensor, Tensor | None]]) -> PackedBatch:
    """Documents with one ``IMAGE_TOKEN_ID`` an image, packed; every position counts as supervised."""
    expanded = [
        torch.cat([i.repeat(TOKENS) if i == IMAGE_TOKEN_ID else i[None] for i in ids.long()])
        for ids, _ in cases
    ]
    views = [pixels for _, pixels in cases if pixels is not None]
    pixels = torch.cat(views) if views else torch.zeros(0, 3, SIZE, SIZE)
    images = pixels.shape[0]
    return PackedBatch(
        input_ids=torch.cat(expanded),
        position_ids=torch.cat([torch.arange(len(e)) for e in expanded]),
        targets=torch.zeros(sum(len(e) for e in expanded), dtype=torch.int64),
        document_lengths=tuple(len(e) for e in expanded),
        pixels=pixels,
        image_views=(1,) * images,
        image_sizes=((SIZE, SIZE),) * images,
        image_token_counts=(TOKENS,) * images,
    )


@pytest.fixture(scope="module")
def llava():
    """transformers' LLaVA with wide random weights, and our model with the same ones."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    torch.manual_seed(0)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**VISION),
        text_config=LlamaConfig(**TEXT),
        image_token_index=1999,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        projector_hidden_act="gelu",
    )
    model = LlavaForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.15)
    inner = model.model
    vision = getattr(inner.vision_tower, "vision_model", inner.vision_tower).state_dict()
    linears = {"linear_1": "layers.0", "linear_2": "layers.2"}
    projector = {}
    for name, tensor in inner.multi_modal_projector.state_dict().items():
        linear, kind = name.split(".")
        projector[f"{linears[linear]}.{kind}"] = tensor
    language = {f"model.{n}": t for n, t in inner.language_model.state_dict().items()}
    return model, compose(vision, projector, language | {"lm_head.weight": model.lm_head.weight})


DOCUMENTS = {
    "image in front": [1, "image", 20, 21, 22],
    "image in the middle": [1, 30, 31, "image", 32, 33, 34],
    "three images": [1, "image", 40, "image", 41, 42, "image"],
    "text only": [1, 50, 51, 52, 53],
}


def test_logits_are_those_of_transformers(llava):
    theirs, ours = llava
    cases, expected = [], []
    for seed, document in enumerate(DOCUMENTS.values()):
        ids = torch.tensor([IMAGE_TOKEN_ID if item == "image" else item for item in document])
        images = int((ids == IMAGE_TOKEN_ID).sum())
        pixels = (
            torch.randn(images, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
            if images
            else None
        )
        cases.append((ids, pixels))
        places = row(cases[-1:]).input_ids
        with torch.no_grad():
            out = theirs(
                input_ids=places.where(places != IMAGE_TOKEN_ID, torch.tensor(1999))[None],
                pixel_values=pixels,
            )
        expected.append(out.logits[0])
    with torch.no_grad():
        packed = ours(row(cases))
        alone = torch.cat([ours(row([case])) for case in cases])
    wanted = torch.cat(expected)
    assert wanted.std() > 0.5
    assert (packed - wanted).abs().max() <= 1e-4
    assert (alone - wanted).abs().max() <= 1e-4


@pytest.fixture(scope="module")
def recorded(golden: Path) -> dict[str, Tensor]:
    """Weights, inputs and logits of the original LLaVA."""
    return load(gzip.decompress((golden / "tiny_llava.safetensors.gz").read_bytes()))


def test_logits_are_those_of_the_original_llava(recorded):
    weights = {n.removeprefix("weights."): t for n, t in recorded.items() if n.startswith("weights.")}
    prefix = "model.mm_projector."
    ours = compose(
        {n.removeprefix("vision.vision_model."): t for n, t in recorded.items() if n.startswith("vision.")},
        {f"layers.{n.removeprefix(prefix)}": t for n, t in weights.items() if n.startswith(prefix)},
        {n: t for n, t in weights.items() if not n.startswith(prefix)},
    )
    names = sorted({n.rsplit(".", 1)[0] for n in recorded if n.startswith("case.")})
    assert len(names) == 9
    cases = [(recorded[f"{n}.input_ids"], recorded.get(f"{n}.pixels")) for n in names]
    with torch.no_grad():
        logits = ours(row(cases))[:, ::10]
    expected = torch.cat([recorded[f"{n}.logits"] for n in names])
    assert logits.shape == expected.shape
    assert (logits - expected).abs().max() <= 5e-5
