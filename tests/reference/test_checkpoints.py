"""Checkpoints of original LLaVA and of the Hub, in and out, against logits and answers of the reference code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mmtune.batch import IMAGE_TOKEN_ID, PackedBatch
from mmtune.cli import main
from mmtune.images.fitting import normalise
from mmtune.models.bundle import Bundle
from mmtune.models.checkpoint import load, read_manifest
from tests import reference_checkpoints as reference

MODELS = ("tiny_llava", "tiny_llava_next")
FOLDERS = {"original": reference.original, "hub": reference.hub}
TOLERANCE = 1e-4


def run(*words: object) -> None:
    """One command, which must succeed."""
    assert main([str(word) for word in words]) == 0


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    """Checkpoints of mmtune from both models in both namings."""
    place = tmp_path_factory.mktemp("imported")
    found = {}
    for model in MODELS:
        for naming, make in FOLDERS.items():
            out = place / f"{model}-{naming}"
            run("import", make(place, model), "--out", out)
            found[model, naming] = out
    return found


def pixels_of(bundle: Bundle, case: dict[str, Tensor]) -> Tensor | None:
    pixels = case.get("pixels")
    if pixels is None or pixels.dtype != torch.uint8:
        return pixels
    geometry = bundle.model.vision.geometry
    return normalise(pixels, geometry.mean, geometry.std)


def logits_of(bundle: Bundle, case: dict[str, Tensor]) -> Tensor:
    """Logits at every position of one document."""
    ids, pixels = case["input_ids"].long(), pixels_of(bundle, case)
    side = bundle.model.vision.geometry.size
    size = tuple(case["size"].tolist()) if "size" in case else (side, side)
    images = int((ids == IMAGE_TOKEN_ID).sum())
    count = bundle.policy.token_count(*size)
    expanded = torch.cat([i.repeat(count) if i == IMAGE_TOKEN_ID else i[None] for i in ids])
    views = 0 if pixels is None else pixels.shape[0] // images
    batch = PackedBatch(
        input_ids=expanded,
        position_ids=torch.arange(len(expanded)),
        targets=torch.zeros(len(expanded), dtype=torch.int64),
        document_lengths=(len(expanded),),
        pixels=torch.zeros(0, 3, side, side) if pixels is None else pixels,
        image_views=(views,) * images,
        image_sizes=(size,) * images,
        image_token_counts=(count,) * images,
    )
    with torch.no_grad():
        return bundle.model.eval()(batch)


@pytest.mark.parametrize("naming", FOLDERS)
@pytest.mark.parametrize("model", MODELS)
def test_logits_are_those_of_the_reference(
    imported: dict[tuple[str, str], Path], model: str, naming: str
) -> None:
    bundle = load(imported[model, naming])
    cases = reference.cases(model)
    assert len(cases) == {"tiny_llava": 9, "tiny_llava_next": 3}[model]
    for case in cases:
        logits = logits_of(bundle, case)
        assert logits.shape[1] == reference.ROWS[model]
        assert (logits[:, ::10] - case["logits"]).abs().max() <= TOLERANCE


@pytest.mark.parametrize("model", MODELS)
def test_both_namings_give_the_same_checkpoint(imported: dict[tuple[str, str], Path], model: str) -> None:
    one, other = (tensors_of(imported[model, naming]) for naming in FOLDERS)
    assert one.keys() == other.keys()
    assert all(same_bytes(one[name], other[name]) for name in one)
    contents = [read_manifest(imported[model, naming]) for naming in FOLDERS]
    assert [c["template"] for c in contents] == ["vicuna_v1"] * 2
    if model == "tiny_llava_next":
        assert contents[0]["model"]["images"] == contents[1]["model"]["images"]


def test_blocks_that_llava_left_out_come_from_the_tower_itself(tmp_path: Path) -> None:
    """LLaVA-NeXT trains a SigLIP without the last block, which it does not read."""
    folder = reference.original(tmp_path, "tiny_llava_next")
    file = folder / "model.safetensors"
    tensors = load_file(file)
    blocks = {name.split("encoder.layers.")[1].split(".")[0] for name in tensors if "encoder.layers." in name}
    unread = (f"encoder.layers.{max(blocks)}.", "post_layernorm")
    kept = {name: t for name, t in tensors.items() if not any(end in name for end in unread)}
    assert 0 < len(tensors) - len(kept) < 40
    save_file(kept, file, metadata={"format": "pt"})
    run("import", folder, "--vision", tmp_path / "tiny_llava" / "vision_tower", "--out", tmp_path / "out")
    bundle = load(tmp_path / "out")
    case = reference.cases("tiny_llava_next")[0]
    assert (logits_of(bundle, case)[:, ::10] - case["logits"]).abs().max() <= TOLERANCE


def tensors_of(checkpoint: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for file in sorted(checkpoint.glob("*/*.safetensors")):
        found |= {f"{file.parent.name}.{name}": tensor for name, tensor in load_file(file).items()}
    return found


def same_bytes(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(
        one.contiguous().view(torch.uint8), other.contiguous().view(torch.uint8)
    )


@pytest.mark.parametrize("model", MODELS)
def test_every_tensor_keeps_its_bytes_through_all_namings(
    imported: dict[tuple[str, str], Path], tmp_path: Path, model: str
) -> None:
    run("export", imported[model, "original"], "--naming", "hub", "--out", tmp_path / "hub")
    run("import", tmp_path / "hub", "--out", tmp_path / "again")
    run("export", tmp_path / "again", "--naming", "original", "--out", tmp_path / "original")
    exported = load_file(tmp_path / "original" / "model.safetensors")
    exported |= load_file(tmp_path / "original" / "vision_tower" / "model.safetensors")
    first = reference.weights(model)
    inside = model == "tiny_llava_next"
    assert set(first) == {n for n in exported if not (inside and n.startswith("vision_model."))}
    assert all(same_bytes(first[name], exported[name]) for name in first)
    hub = load_file(tmp_path / "hub" / "model.safetensors")
    assert hub.keys() == reference.hub_tensors(model).keys()
    run("import", tmp_path / "original", "--out", tmp_path / "last")
    once, twice = tensors_of(imported[model, "original"]), tensors_of(tmp_path / "last")
    assert once.keys() == twice.keys() and all(same_bytes(once[name], twice[name]) for name in once)
    before, after = (read_manifest(f) for f in (imported[model, "original"], tmp_path / "last"))
    for key in ("template", "image_policy"):
        assert before[key] == after[key]
    assert before["model"]["images"] == after["model"]["images"]


@pytest.fixture(scope="module")
def exported(
    imported: dict[tuple[str, str], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Hub folders that mmtune wrote."""
    place = tmp_path_factory.mktemp("exported")
    for model in MODELS:
        run("export", imported[model, "original"], "--out", place / model)
    return {model: place / model for model in MODELS}


def theirs(folder: Path) -> Any:
    from transformers import AutoModelForImageTextToText

    model, info = AutoModelForImageTextToText.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    return model.eval()


def hub_inputs(model: Any, bundle: Bundle, case: dict[str, Tensor]) -> dict[str, Tensor]:
    """The case as transformers takes it: places of visual tokens written out."""
    ids, pixels = case["input_ids"].long(), pixels_of(bundle, case)
    side = bundle.model.vision.geometry.size
    size = tuple(case["size"].tolist()) if "size" in case else (side, side)
    count = bundle.policy.token_count(*size)
    image = torch.tensor(model.config.image_token_index)
    ids = torch.cat([image.repeat(count) if i == IMAGE_TOKEN_ID else i[None] for i in ids])[None]
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if pixels is None:
        return inputs
    if "size" in case:
        return inputs | {"pixel_values": pixels[None], "image_sizes": torch.tensor([size[::-1]])}
    return inputs | {"pixel_values": pixels}


@pytest.mark.parametrize("model", MODELS)
def test_transformers_gives_the_same_logits_and_greedy_tokens(
    exported: dict[str, Path], imported: dict[tuple[str, str], Path], model: str
) -> None:
    hub, bundle = theirs(exported[model]), load(imported[model, "original"])
    rows = [row for row in reference.known()["greedy"] if row["model"] == model]
    greedy = {tuple(row["input_ids"]): row["new_ids"] for row in rows}
    recorded = 0
    for case in reference.cases(model):
        inputs = hub_inputs(hub, bundle, case)
        with torch.no_grad():
            logits = hub(**inputs).logits[0, :, : reference.ROWS[model]]
            own = logits_of(bundle, case)
            assert (logits - own).abs().max() <= TOLERANCE
            tokens = hub.generate(**inputs, max_new_tokens=24, do_sample=False, eos_token_id=None)
        new = tokens[0, inputs["input_ids"].shape[1] :].tolist()
        assert new == own_greedy(bundle, case, 24)
        if (key := tuple(case["input_ids"].tolist())) in greedy:
            recorded += 1
            assert new == greedy[key]
    assert recorded == 1


def own_greedy(bundle: Bundle, case: dict[str, Tensor], count: int) -> list[int]:
    """The likeliest next token, over and over, each from a whole new forward pass."""
    ids, new = case["input_ids"].long(), []
    for _ in range(count):
        new.append(int(logits_of(bundle, {**case, "input_ids": ids})[-1].argmax()))
        ids = torch.cat([ids, torch.tensor(new[-1:])])
    return new


@pytest.mark.parametrize("pickled", [True, False])
@pytest.mark.parametrize("merge", [True, False])
def test_a_lora_folder_gives_the_logits_of_the_merged_model(
    tmp_path: Path, pickled: bool, merge: bool
) -> None:
    base, folder = reference.original(tmp_path, "tiny_llava"), reference.lora(tmp_path, pickled=pickled)
    out = tmp_path / "out"
    run("import", folder, "--base", base, "--out", out, *(["--merge"] if merge else []))
    assert (out / "adapters").is_dir() != merge
    bundle = load(out)
    pixels = {tuple(c["input_ids"].tolist()): c.get("pixels") for c in reference.cases("tiny_llava")}
    (case,) = cases_of_lora()
    case["pixels"] = pixels[tuple(case["input_ids"].tolist())]
    assert (logits_of(bundle, case)[:, ::10] - case["logits"]).abs().max() <= TOLERANCE


def cases_of_lora() -> list[dict[str, Tensor]]:
    return reference.cases("lora")


def test_plain_peft_loads_the_language_models_lora(tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base, folder = reference.original(tmp_path, "tiny_llava"), reference.lora(tmp_path, pickled=True)
    run("import", folder, "--base", base, "--out", tmp_path / "out")
    language = AutoModelForCausalLM.from_pretrained(tmp_path / "out" / "language")
    ids = torch.arange(10, 30)[None]
    with torch.no_grad():
        plain = language(ids).logits
        adapted = PeftModel.from_pretrained(language, tmp_path / "out" / "adapters" / "language").eval()
        changed = adapted(ids).logits
        run("import", folder, "--base", base, "--out", tmp_path / "merged", "--merge")
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged" / "language")(ids).logits
    assert (changed - plain).abs().max() > 1
    assert (changed - merged).abs().max() <= TOLERANCE


def test_a_lora_folder_comes_back_bit_for_bit(tmp_path: Path) -> None:
    base, folder = reference.original(tmp_path, "tiny_llava"), reference.lora(tmp_path, pickled=False)
    run("import", folder, "--base", base, "--out", tmp_path / "out")
    run("export", tmp_path / "out", "--naming", "lora", "--out", tmp_path / "back")
    for name in ("adapter_model.safetensors", "non_lora_trainables.bin"):
        before, after = (read(path / name) for path in (folder, tmp_path / "back"))
        assert before.keys() == after.keys()
        assert all(same_bytes(before[key], after[key]) for key in before), name
    settings = [json.loads((f / "adapter_config.json").read_text()) for f in (folder, tmp_path / "back")]
    for key in ("r", "lora_alpha", "peft_type"):
        assert settings[0][key] == settings[1][key]


def read(file: Path) -> dict[str, Tensor]:
    return load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True)


def test_a_projector_alone_comes_in_and_goes_out(
    imported: dict[tuple[str, str], Path], tmp_path: Path
) -> None:
    source = imported["tiny_llava", "original"]
    run("export", source, "--naming", "projector", "--out", tmp_path / "stage-1")
    tensors = read(tmp_path / "stage-1" / "mm_projector.bin")
    first = {n: t for n, t in reference.weights("tiny_llava").items() if "mm_projector" in n}
    assert first.keys() == tensors.keys() and all(same_bytes(first[n], tensors[n]) for n in first)
    run(
        *("import", tmp_path / "stage-1" / "mm_projector.bin", "--language", source / "language"),
        *("--vision", tmp_path / "stage-1" / "vision_tower", "--out", tmp_path / "in"),
    )
    manifest = read_manifest(tmp_path / "in")
    assert [bool(manifest["parts"][p]["files"]) for p in ("vision", "projector", "language")] == [0, 1, 0]
    assert manifest["template"] == "plain"
    bundle = load(tmp_path / "in")
    case = next(c for c in reference.cases("tiny_llava") if "pixels" in c)
    assert (logits_of(bundle, case)[:, ::10] - case["logits"]).abs().max() <= TOLERANCE


@pytest.mark.parametrize("model", MODELS)
def test_the_folder_works_as_it_is_in_a_pipeline(
    exported: dict[str, Path], imported: dict[tuple[str, str], Path], model: str
) -> None:
    """Same ids, same pixels and same answer through transformers' own processor and pipeline."""
    import numpy as np
    from PIL import Image
    from transformers import AutoProcessor, pipeline

    from mmtune.decode.engine import Engine
    from mmtune.decode.requests import Request, Settings
    from mmtune.records import Turn
    from mmtune.templates import encode, expand, get_template

    bundle = load(imported[model, "original"])
    processor = AutoProcessor.from_pretrained(exported[model])
    template = get_template("vicuna_v1", bundle.tokenizer)
    # No side is resized to a size of its own, so that the fast processor's filter leaves no trace.
    image = Image.fromarray(np.random.default_rng(1).integers(0, 255, (56, 56, 3), dtype=np.uint8))
    place = processor.tokenizer.convert_tokens_to_ids("<image>")
    for texts in (["What is this?"], ["What?", "A cat.", "Where is it?"]):
        turns = [Turn(("user", "assistant")[n % 2], text) for n, text in enumerate(texts)]
        turns[0] = Turn("user", f"<image>\n{texts[0]}")
        messages: list[Any] = [{"role": t.role, "content": [{"type": "text", "text": t.text}]} for t in turns]
        messages[0]["content"] = [{"type": "image", "image": image}, {"type": "text", "text": texts[0]}]
        inputs = processor.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
        count = bundle.policy.token_count(*image.size)
        own = expand(encode(template.render(turns, generate=True), bundle.tokenizer), [count]).ids
        assert inputs["input_ids"][0].tolist() == [place if i == IMAGE_TOKEN_ID else i for i in own]
        pixels = bundle.policy.prepare(image)
        assert (inputs["pixel_values"].reshape(pixels.shape) - pixels).abs().max() <= 1e-3
    answering = pipeline("image-text-to-text", model=str(exported[model]))
    question = messages[:1]
    said = answering(
        text=question, return_full_text=False, generate_kwargs={"max_new_tokens": 24, "do_sample": False}
    )
    engine = Engine(bundle)
    request = Request(images=[image], turns=(turns[0],))
    (completion,) = engine.generate([request], Settings(max_new_tokens=24))
    first, second = (" ".join(text.split()) for text in (said[0]["generated_text"], completion.text))
    assert first == second and len(first) > 20
