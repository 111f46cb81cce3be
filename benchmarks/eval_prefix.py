"""POPE-shaped evaluation by mmtune's engine beside transformers' ``generate``, on the same weights.

    python benchmarks/eval_prefix.py --images 3 --rounds 5

A random LLaVA of 576 visual tokens (a CLIP tower of 6 layers on views of 336 pixels, a Llama of 8 layers and
width 512) answers 18 questions about each image with 2 new tokens. transformers answers them as evaluation
scripts do that batch: left-padded batches of 16, an image for every question. Both run in this process in
turns, so that what else the machine does meets both alike; each round's ratio is one of neighbours, and the
median of them is told, of wall time and of the processor's own, which waits for no other program. Preparing
pixels is timed for mmtune only. The answers must be the same, token for token.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from PIL import Image

from mmtune.decode.engine import Engine, Request, Settings
from mmtune.records import Turn

OBJECTS = """snowboard backpack car dog dining-table person truck fork cup bird bench umbrella chair bottle
cat sheep train laptop"""


def main() -> None:
    """Print the questions a second of both, and how they compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64, help="of mmtune (default 64, as mmtune eval)")
    parser.add_argument("--new-tokens", type=int, default=2)
    parser.add_argument("--width", type=int, default=512, help="of the tower")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--alone", action="store_true", help="only mmtune, for a profiler")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        engine, hub = build(Path(place), arguments)
    requests = ask(arguments.images)
    settings = Settings(max_new_tokens=arguments.new_tokens)

    def ours() -> list[tuple[int, ...]]:
        answers = engine.generate(requests, settings, batch_size=arguments.batch_size)
        return [answer.ids for answer in answers]

    inputs = prepare(engine, requests)
    lengths = [len(ids) for ids, _ in inputs]
    print(f"prompts of {min(lengths)} to {max(lengths)} tokens, of which 576 visual")

    def theirs() -> list[tuple[int, ...]]:
        return generate(hub, engine, inputs, arguments.new_tokens)

    if arguments.alone:
        for _ in range(arguments.rounds):
            print("{:.3f} s, {:.3f} s of the processor".format(*timed(ours, arguments.device)[1]))
        return
    ratios = []
    for number in range(arguments.rounds + 1):
        first, seconds = timed(ours, arguments.device)
        second, their_seconds = timed(theirs, arguments.device)
        differ = sum(a != b for a, b in zip(first, second, strict=True))
        assert differ == 0 or arguments.dtype != "float32", f"{differ} answers differ"
        if number:  # the first one warms up
            wall, processor = (b / a for a, b in zip(seconds, their_seconds, strict=True))
            ratios.append((wall, processor))
            own, other = len(requests) / seconds[0], len(requests) / their_seconds[0]
            print(
                f"round {number}: mmtune {own:.2f} questions/s, transformers {other:.2f}, {wall:.1f} x "
                f"({processor:.1f} x in processor time), {len(requests) - differ} of {len(requests)} the same"
            )
    wall, processor = (statistics.median(each) for each in zip(*ratios, strict=True))
    print(f"{len(set(first))} different answers; median {wall:.1f} x, {processor:.1f} x in processor time")


def build(place: Path, arguments: argparse.Namespace) -> tuple[Engine, Any]:
    """One random model twice: in mmtune's engine, and exported and opened by transformers."""
    from transformers import LlavaForConditionalGeneration

    from mmtune.commands.export_checkpoint import add_arguments, run
    from mmtune.models.building import build as build_bundle
    from mmtune.models.checkpoint import save
    from mmtune.models.config import LanguageConfig, ModelConfig, ProjectorConfig, VisionConfig
    from tests.tiny_models import tiny_clip, tiny_llama

    tower = tiny_clip(
        place / "clip",
        image_size=336,
        patch=14,
        hidden_size=arguments.width,
        intermediate_size=4 * arguments.width,
        num_hidden_layers=6,
        num_attention_heads=arguments.width // 64,
    )
    language = tiny_llama(
        place / "llama",
        tokenizer=train_tokenizer(place),
        hidden_size=512,
        intermediate_size=1376,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=2048,
        initializer_range=0.1,
    )
    config = ModelConfig(
        vision=VisionConfig(name=str(tower)),
        projector=ProjectorConfig(name="mlp"),
        language=LanguageConfig(name=str(language)),
        image_policy="square",
    )
    bundle = build_bundle(config, template="vicuna_v1", seed=0)
    save(place / "own", bundle)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    run(parser.parse_args([str(place / "own"), "--naming", "hub", "--out", str(place / "hub")]))
    dtype = getattr(torch, arguments.dtype)
    hub = LlavaForConditionalGeneration.from_pretrained(place / "hub", dtype=dtype)
    bundle.model.to(dtype)
    return Engine(bundle, arguments.device), hub.to(arguments.device).eval()


def train_tokenizer(place: Path) -> Path:
    """A tokenizer that knows the words of the prompts, as that of a real model does."""
    from mmtune.templates import get_template
    from mmtune.templates.segments import rendered_text
    from tests.tiny_models import llama_style_tokenizer

    small = llama_style_tokenizer(place / "small")
    texts = [rendered_text(get_template("vicuna_v1", small).render(r.turns, generate=True)) for r in ask(1)]
    small.train_new_from_iterator(texts, 1024).save_pretrained(place / "tokenizer")
    return place / "tokenizer"


def ask(images: int) -> list[Request]:
    """Eighteen questions about each of some noisy photographs."""
    requests = []
    for number in range(images):
        pixels = np.random.default_rng(number).integers(0, 256, (336, 336, 3), dtype=np.uint8)
        image = Image.fromarray(pixels)
        for thing in OBJECTS.split():
            text = f"Is there a {thing} in the image?\nAnswer the question using a single word or phrase."
            requests.append(Request([image], (Turn("user", f"<image>\n{text}"),), keys=(number,)))
    return requests


def prepare(engine: Engine, requests: list[Any]) -> list[tuple[list[int], torch.Tensor]]:
    """Ids with ``IMAGE_TOKEN_ID`` at visual tokens, and normalised pixels, of every question."""
    policy = engine.model.policy
    found = []
    for number, request in enumerate(requests):
        image = request.images[0]
        pixels = policy.prepare(image)
        count = policy.token_count(*image.size)
        found.append((engine.prompts.encode(request, [count], str(number)), pixels.reshape(1, 3, 336, 336)))
    return found


@torch.inference_mode()
def generate(
    hub: Any, engine: Engine, inputs: list[tuple[list[int], torch.Tensor]], new_tokens: int
) -> list[tuple[int, ...]]:
    """transformers' greedy answers, in left-padded batches of 16."""
    place = hub.config.image_token_id
    answers: list[tuple[int, ...]] = []
    for start in range(0, len(inputs), 16):
        batch = inputs[start : start + 16]
        longest = max(len(ids) for ids, _ in batch)
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, (own, _) in enumerate(batch):
            ids[row, longest - len(own) :] = torch.tensor([place if i < 0 else i for i in own])
            mask[row, longest - len(own) :] = 1
        pixels = torch.cat([pixels for _, pixels in batch]).to(hub.dtype)
        out = hub.generate(
            input_ids=ids.to(hub.device),
            attention_mask=mask.to(hub.device),
            pixel_values=pixels.to(hub.device),
            max_new_tokens=new_tokens,
            do_sample=False,
            eos_token_id=list(engine.stops.ids),
            pad_token_id=0,
        )
        for row in out[:, longest:].tolist():
            ends = [place for place, token in enumerate(row) if token in engine.stops.ids]
            answers.append(tuple(row[: ends[0] + 1] if ends else row))
    return answers


def timed(work: Any, device: str) -> tuple[Any, tuple[float, float]]:
    """What ``work`` gives, and the seconds that it took: on the clock, and of the processor."""
    if device != "cpu":
        torch.cuda.synchronize()
    start, processor = time.perf_counter(), time.process_time()
    result = work()
    if device != "cpu":
        torch.cuda.synchronize()
    return result, (time.perf_counter() - start, time.process_time() - processor)


if __name__ == "__main__":
    main()
