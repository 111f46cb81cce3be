"""Real classes on real photographs: align, tune, save, reload, eval and chat by the commands that users type."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mmtune.assets import shipped
from mmtune.records import iter_llava
from tests import commands, processes, tiny_models
from tests.tiny_run import losses

DATA = Path("OUT/photos/data")
ROOT = Path(__file__).resolve().parents[2]
QUESTION = "What animal is this?"


@dataclass(frozen=True)
class Pairing:
    """Real classes that are trained together."""

    vision: Callable[[Path], Path]
    language: Callable[[Path], Path]
    template: str
    classes: tuple[str, str]
    """Of the vision tower's own module and of the language model."""
    prefix: str = ""
    own_processes: bool = False
    """Each command in a process of its own, as a user runs it; the others share this one, to save time."""


PAIRINGS = {
    "clip-llama": Pairing(
        tiny_models.tiny_full_clip,
        tiny_models.tiny_llama,
        "vicuna_v1",
        ("CLIPVisionModel", "LlamaForCausalLM"),
    ),
    "siglip-qwen2": Pairing(
        tiny_models.tiny_siglip,
        tiny_models.tiny_qwen2,
        "qwen",
        ("SiglipVisionModel", "Qwen2ForCausalLM"),
        own_processes=True,
    ),
    "openclip-qwen3": Pairing(
        tiny_models.tiny_open_clip,
        tiny_models.tiny_qwen3,
        "tokenizer",
        ("VisionTransformer", "Qwen3ForCausalLM"),
        prefix="open_clip:",
    ),
}


def run(words: list[str], folder: Path, own_process: bool) -> str:
    """What a command prints on standard output, run in ``folder``."""
    if own_process:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = processes.run(["-m", "mmtune", *words], cwd=folder, env=environment, timeout=300)
        assert done.returncode == 0, (words, done.stderr[-3000:])
        return done.stdout
    return commands.run(words, folder)


@dataclass(frozen=True)
class Chain:
    """A folder in which a pairing went through the whole job."""

    pairing: Pairing
    folder: Path
    checkpoint: Path
    chat: str
    """What ``mmtune chat`` printed."""


@pytest.fixture(scope="module", params=sorted(PAIRINGS))
def chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Build the photographs, align, tune, evaluate and chat."""
    pairing = PAIRINGS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    vision, language = pairing.vision(folder / "vision"), pairing.language(folder / "language")

    def command(*words: str) -> str:
        return run(list(words), folder, pairing.own_processes)

    command("build", "photos", "--out", str(DATA))
    names = ["--model.vision.name", f"{pairing.prefix}{vision}", "--model.language.name", str(language)]
    quick = ["--tensorboard", "false", "--validation.every", "60", "--checkpoint.every", "60"]
    command("train", str(shipped("recipes/photos/align.yaml")), *names, "--optim.lr", "1e-2", *quick)
    # Random weights have much to learn by heart; the recipe's own rate is one for trained ones.
    tune = [str(shipped("recipes/photos/tune.yaml")), "--template", pairing.template, "--optim.lr", "3e-3"]
    command("train", *tune, *quick)
    (checkpoint,) = (folder / "OUT" / "photos" / "tune" / "checkpoints").glob("step-*")
    images = f"images={DATA}/images"
    tasks = (
        f"pope:annotations={DATA}/pope/photos.json,{images}",
        f"vqav2:questions={DATA}/vqa/questions.json,annotations={DATA}/vqa/annotations.json,{images}",
        f"captions:annotations={DATA}/coco,{images},max_new_tokens=12",
    )
    words = [word for task in tasks for word in ("--task", task)]
    command("eval", str(checkpoint), *words, "--out", "OUT/photos/eval")
    photo = str(DATA / "images" / "cat_2.png")
    chat = command(
        "chat", str(checkpoint), "--image", photo, "--question", QUESTION, "--max-new-tokens", "16"
    )
    return Chain(pairing, folder, checkpoint, chat)


@pytest.mark.parametrize(("stage", "falls_to"), [("align", 0.95), ("tune", 0.6)])
def test_loss_is_finite_and_falls(chain: Chain, stage: str, falls_to: float) -> None:
    told = losses(chain.folder / "OUT" / "photos" / stage)
    assert all(math.isfinite(loss) for loss in told)
    first, last = told[:3], told[-3:]
    assert sum(last) / 3 < falls_to * sum(first) / 3, told


def test_classes_are_the_real_ones(chain: Chain) -> None:
    from mmtune.models.checkpoint import load

    model = load(chain.checkpoint).model
    assert type(model.language).__name__ == chain.pairing.classes[1]
    assert chain.pairing.classes[0] in {type(module).__name__ for module in model.vision.modules()}
    language = json.loads((chain.checkpoint / "language" / "config.json").read_text())
    assert language["architectures"] == [chain.pairing.classes[1]]


def test_align_left_the_backbones_alone_and_tune_did_not(chain: Chain) -> None:
    import torch

    from mmtune.models.checkpoint import load

    (aligned,) = (chain.folder / "OUT" / "photos" / "align" / "checkpoints").glob("step-*")
    align, tune = load(aligned).model, load(chain.checkpoint).model

    def same(part: str) -> bool:
        before, after = align.parts()[part].state_dict(), tune.parts()[part].state_dict()
        return all(torch.equal(before[name], after[name]) for name in before)

    assert same("vision") and not same("projector") and not same("language")
    from transformers import AutoModelForCausalLM

    original = AutoModelForCausalLM.from_pretrained(chain.folder / "language").state_dict()
    language = align.language.state_dict()
    assert all(torch.equal(tensor, language[name]) for name, tensor in original.items())


def test_the_reloaded_checkpoint_answers_as_the_model_in_training_did(chain: Chain) -> None:
    from functools import partial

    from mmtune.decode.engine import Engine, Request, Settings
    from mmtune.images.loading import load_image

    rows = (chain.folder / "OUT" / "photos" / "tune" / "samples.jsonl").read_text().splitlines()
    told = [json.loads(row) for row in rows]
    last = {row["id"]: row for row in told if row["step"] == told[-1]["step"]}
    assert len(last) == 4
    root = chain.folder / DATA
    requests = {
        record.id: Request(
            [partial(load_image, root / "images", image) for image in record.images], record.turns[:1]
        )
        for _, record in iter_llava(root / "llava" / "tune.json")
        if record.id in last
    }
    assert any(len(request.images) == 2 for request in requests.values())
    answers = Engine.from_checkpoint(chain.checkpoint).generate(
        list(requests.values()), Settings(max_new_tokens=64)
    )
    assert {key: answer.text for key, answer in zip(requests, answers, strict=True)} == {
        key: row["answer"] for key, row in last.items()
    }


def test_eval_writes_official_answers_to_every_question(chain: Chain) -> None:
    out = chain.folder / "OUT" / "photos" / "eval"
    root = chain.folder / DATA

    def lines(path: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in path.read_text().splitlines()]

    pope = lines(out / "answers" / "pope.answers.jsonl")
    asked = lines(root / "pope" / "photos.json")
    assert [row["question"] for row in pope] == [row["text"] for row in asked]
    assert all(isinstance(row["answer"], str) for row in pope)
    vqa = json.loads((out / "answers" / "vqav2.answers.json").read_text())
    questions = json.loads((root / "vqa" / "questions.json").read_text())["questions"]
    assert [row["question_id"] for row in vqa] == [row["question_id"] for row in questions]
    captions = lines(out / "answers" / "captions.answers.jsonl")
    assert [row["image_id"] for row in captions] == list(range(1, 10))
    results = json.loads((out / "metrics.json").read_text())["tasks"]
    assert {name: (task["n"], task["failed"]) for name, task in results.items()} == {
        "pope": (18, 0),
        "vqav2": (10, 0),
        "captions": (9, 0),
    }
    assert all(task["blind"] for task in results.values())


def test_chat_prints_the_engines_answer(chain: Chain) -> None:
    from mmtune.decode.engine import Engine, Request, Settings
    from mmtune.images.loading import load_image
    from mmtune.records import Turn

    photo = load_image(chain.folder / DATA / "images", "cat_2.png")
    request = Request([photo], (Turn("user", f"<image>\n{QUESTION}"),))
    (answer,) = Engine.from_checkpoint(chain.checkpoint).generate([request], Settings(max_new_tokens=16))
    assert answer.text
    assert chain.chat == f"{answer.text}\n"
