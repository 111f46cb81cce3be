"""How much a mixture of LoRA experts costs beside one LoRA of the same rank: step times in one run.

    python benchmarks/mole.py --experts 2 3 4 8

Both adapters sit on the same linear layers of the same tiny Llama. Steps of the kinds alternate, so that what
else the machine does meets all of them alike; the median of each kind's steps is compared. On a CPU the time
is the processor's own, which waits for no other program.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from mmtune.models.adapters import make_adapter
from mmtune.models.adapters.base import Adapter
from mmtune.models.adapters.routing import RoutedMLP


def main() -> None:
    """Print one line for each number of experts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experts", type=int, nargs="+", default=[2, 3, 4, 8])
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    shared = {"rank": arguments.rank, "alpha": 2 * arguments.rank, "dropout": 0.0}
    steps = {"lora": step_of("lora", shared, arguments)}
    for experts in arguments.experts:
        steps[f"mole, {experts} experts"] = step_of("mole", {**shared, "experts": experts}, arguments)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(arguments.steps + 2):
        for name, step in steps.items():
            seconds = timed(step, arguments.device)
            if number >= 2:  # the first ones warm up
                times[name].append(seconds)
    base = statistics.median(times["lora"])
    for name, found in times.items():
        middle = statistics.median(found)
        print(f"{name:<18} {middle * 1000:8.1f} ms a step, {middle / base:.2f} of the LoRA's")


def step_of(kind: str, settings: dict[str, object], arguments: argparse.Namespace) -> Callable[[], None]:
    """Forward, backward and update of one adapter on a model of its own."""
    torch.manual_seed(0)
    width = arguments.width
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=width,
        intermediate_size=width * 8 // 3 // 8 * 8,
        num_hidden_layers=arguments.layers,
        num_attention_heads=8,
        attn_implementation="sdpa",
    )
    model = LlamaForCausalLM(config)
    adapter = make_adapter("language", kind, settings)
    adapter.attach(model, list(model.model.layers))
    model.to(arguments.device)
    learning = adapter.parameters(model)
    model.requires_grad_(False)
    for parameter in learning:
        parameter.requires_grad_(True)
    model.train()
    optimizer = torch.optim.AdamW(learning, lr=1e-4, fused=True)
    ids = torch.randint(0, 512, (1, arguments.tokens), device=arguments.device)

    def step() -> None:
        with torch.autocast(arguments.device, torch.bfloat16, enabled=arguments.device == "cuda"):
            loss = model(input_ids=ids, labels=ids, use_cache=False).loss + balance(model, adapter)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def balance(model: nn.Module, adapter: Adapter) -> Tensor | float:
    """The load-balance loss of the pass that has just run, over one document."""
    layers = [module for module in model.modules() if isinstance(module, RoutedMLP)]
    if not layers:
        return 0.0
    shares = [
        p.mean(0) * torch.bincount(c, minlength=p.shape[1]) / len(c) for p, c in (x.record for x in layers)
    ]  # type: ignore[misc]
    return adapter.settings.balance * sum(share.sum() * len(share) for share in shares) / len(shares)  # type: ignore[no-any-return]


def timed(step: Callable[[], None], device: str) -> float:
    """Seconds of a step: of the clock on a GPU, of the processor on a CPU."""
    if device == "cpu":
        start = time.process_time()
        step()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
