"""Build the two embedded backbones: ``python -m data_builders.miniworld.backbones [--part …] [--out …]``."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_builders.miniworld.backbones import BACKBONES

log = logging.getLogger(__name__)

IMAGE_TEXT_SEED = 1000
LANGUAGE_SEED = 2000
TOKENIZER_DOCUMENTS = 6000


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and build the parts that it names."""
    parser = argparse.ArgumentParser(prog="build_backbones", description=__doc__)
    parser.add_argument("--part", choices=("image_text", "language", "all"), default="all")
    parser.add_argument("--out", type=Path, default=BACKBONES, help="folder of the backbones")
    parser.add_argument("--image-text-steps", type=int, default=8000)
    parser.add_argument("--image-text-from", type=Path, help="go on from the image-text model in this folder")
    parser.add_argument("--language-steps", type=int, default=12500)
    parser.add_argument("--language-from", type=Path, help="go on from the language model in this folder")
    parser.add_argument(
        "--documents", type=int, default=16000, help="texts for each phase of the language model"
    )
    parser.add_argument("--threads", type=int, default=1, help="another number may round differently")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    os.environ.setdefault("OMP_NUM_THREADS", str(arguments.threads))
    import torch

    torch.set_num_threads(arguments.threads)
    tokenizer = _tokenizer()
    if arguments.part in ("image_text", "all"):
        start = arguments.image_text_from
        build_image_text(arguments.out / "image_text", tokenizer, arguments.image_text_steps, start)
    if arguments.part in ("language", "all"):
        build_language(
            arguments.out / "language",
            tokenizer,
            arguments.documents,
            arguments.language_steps,
            arguments.language_from,
        )


def _tokenizer() -> Any:
    from data_builders.miniworld.backbones.corpus import PHASES, documents
    from data_builders.miniworld.backbones.tokenizer import train_tokenizer
    from data_builders.miniworld.world import World

    log.info("training the tokenizer")
    texts = (d.text for d in documents(World(seed=LANGUAGE_SEED), TOKENIZER_DOCUMENTS, PHASES[-1]))
    return train_tokenizer(texts)


def build_image_text(folder: Path, tokenizer: Any, steps: int, start: Path | None = None) -> None:
    """Train and store the image-text model.

    Args:
        folder: where it goes, in open_clip's own layout.
        tokenizer: the shared tokenizer; a model to go on from keeps its own.
        steps: optimiser steps.
        start: folder of the model to go on from, at half the learning rate and on pictures it has not seen.
    """
    import numpy as np
    import torch
    from tokenizers import Tokenizer
    from torch import Tensor

    from data_builders.miniworld.backbones import image_text
    from data_builders.miniworld.backbones.tokenizer import EOS, PAD, save_caption_tokenizer
    from data_builders.miniworld.backbones.variants import CrowdedWorld, variants
    from data_builders.scenes import Scene

    started = time.monotonic()
    world = CrowdedWorld(seed=IMAGE_TEXT_SEED)
    settings: dict[str, Any] = {"steps": steps, "seed": IMAGE_TEXT_SEED}
    seen = 0
    if start is not None:
        settings["from"] = json.loads((start / "build.json").read_text(encoding="utf-8"))
        seen = settings["from"]["steps"] * image_text.BATCH // 2
        tokenizer = Tokenizer.from_file(str(start / "tokenizer.json"))
    config = image_text.model_config(tokenizer.get_vocab_size(), world.settings.size)
    model = image_text.build_model(config, seed=0)
    if start is not None:
        image_text.load(model, start)
    end, pad = tokenizer.token_to_id(EOS), tokenizer.token_to_id(PAD)

    def pairs(first: int, count: int) -> list[Scene]:
        return [
            scene
            for number in range(seen + first, seen + first + count)
            for scene in variants(world.scene(number), 2, np.random.default_rng((IMAGE_TEXT_SEED, number)))
        ]

    def encode(captions: Sequence[str]) -> Tensor:
        ids = torch.full((len(captions), image_text.CONTEXT), pad)
        encoded = tokenizer.encode_batch(list(captions), add_special_tokens=False)
        for row, caption in enumerate(encoded):
            kept = [*caption.ids[: image_text.CONTEXT - 1], end]
            ids[row, : len(kept)] = torch.tensor(kept)
        return ids

    save_caption_tokenizer(tokenizer, folder)
    image_text.pretrain(
        model,
        pairs,
        world.render,
        encode,
        out=folder,
        steps=steps,
        lr=image_text.LR / (1 if start is None else 2),
        save=lambda: image_text.save(model, config, folder),
    )
    _write_build(folder, settings, started)


def build_language(
    folder: Path, tokenizer: Any, documents: int, steps: int, start: Path | None = None
) -> None:
    """Train and store the language model with its tokenizer.

    Args:
        folder: where it goes, as transformers saves it.
        tokenizer: the shared tokenizer; a model to go on from keeps its own.
        documents: texts to write and learn from in each phase.
        steps: optimiser steps.
        start: folder of the model to go on from, with new texts of the last phase and half the learning rate.
    """
    from tokenizers import Tokenizer

    from data_builders.miniworld.backbones import corpus, language_model
    from data_builders.miniworld.backbones.tokenizer import language_tokenizer
    from data_builders.miniworld.world import World

    started = time.monotonic()
    settings: dict[str, Any] = {"documents": documents, "steps": steps, "seed": LANGUAGE_SEED}
    phases: Sequence[corpus.Phase] = corpus.PHASES
    seed, lr = LANGUAGE_SEED, language_model.LR
    if start is not None:
        settings["from"] = json.loads((start / "build.json").read_text(encoding="utf-8"))
        tokenizer = Tokenizer.from_file(str(start / "tokenizer.json"))
        settings["seed"] = seed = settings["from"]["seed"] + 1
        phases, lr = (replace(phases[-1], steps=1.0),), lr / 2
    words = language_tokenizer(tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    words.save_pretrained(folder)
    log.info("writing %d texts", documents)
    world = World(seed=seed)
    lessons = []
    for phase in phases:
        texts = corpus.documents(world, documents, phase)
        encoded = [language_model.positions(text, words) for text in texts]
        lessons.append((round(phase.steps * steps), encoded))
    model = language_model.build_model(len(words), eos=words.eos_token_id, pad=words.pad_token_id, seed=0)
    if start is not None:
        language_model.load(model, start)
    language_model.pretrain(model, lessons, pad=words.pad_token_id, out=folder, lr=lr)
    _write_build(folder, settings, started)


def _write_build(folder: Path, settings: dict[str, Any], started: float) -> None:
    """Record how the folder's weights were made, beside them."""
    import open_clip
    import torch
    import transformers

    weights = sorted(folder.glob("*.safetensors"))
    row = {
        **settings,
        "minutes": round((time.monotonic() - started) / 60, 1),
        "threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "open_clip": open_clip.__version__,
        },
        "sha256": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in weights},
    }
    (folder / "build.json").write_text(json.dumps(row, indent=2) + "\n", encoding="utf-8")
    log.info("wrote %s", folder)


if __name__ == "__main__":
    main()
