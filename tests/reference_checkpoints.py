"""The tiny LLaVA and LLaVA-NeXT that the reference code was run on, laid out as the folders that it wrote.

``golden/convert`` holds their weights in original naming once; which name each tensor has in the Hub's naming was
found by comparing the bytes of both of the reference's files, so that no rule of this project is in it.
"""

from __future__ import annotations

import functools
import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save_file
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"
CONVERT = GOLDEN / "convert"
ROWS = {"tiny_llava": 2000, "tiny_llava_next": 2000}
HUB_ROWS = 2048
TOWER = "vision_model."


@functools.cache
def known() -> dict[str, Any]:
    """Names, configuration files and greedy answers."""
    return json.loads(gzip.decompress((CONVERT / "checkpoints.json.gz").read_bytes()))


@functools.cache
def archive(name: str) -> dict[str, Tensor]:
    """One of the stored archives."""
    place = GOLDEN if name == "tiny_llava" else CONVERT
    return load(gzip.decompress((place / f"{name}.safetensors.gz").read_bytes()))


def weights(model: str) -> dict[str, Tensor]:
    """All tensors in original naming; the tower of ``tiny_llava`` under its own folder's names."""
    found = archive(model)
    own = {n.removeprefix("weights."): t for n, t in found.items() if n.startswith("weights.")}
    tower = {n.removeprefix("vision."): t for n, t in found.items() if n.startswith("vision.")}
    return own | tower


def cases(model: str) -> list[dict[str, Tensor]]:
    """Input ids, pixels and every tenth column of the logits of the original code."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in archive(model).items():
        if name.startswith("case."):
            case, _, what = name.removeprefix("case.").rpartition(".")
            found.setdefault(case, {})[what] = tensor
    return [found[name] for name in sorted(found)]


def write_json(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")


def write_files(folder: Path, prefix: str) -> None:
    """The configuration files that are stored under a prefix."""
    for name, content in known()["files"].items():
        if name.startswith(prefix):
            write_json(folder / name.removeprefix(prefix), content)


def vision_tower(folder: Path) -> Path:
    """The tower that ``tiny_llava`` names, as a folder of its own."""
    write_files(folder, "vision_tower/")
    tower = {n: t for n, t in weights("tiny_llava").items() if n.startswith(TOWER)}
    save_file(tower, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _tokenizer(folder: Path) -> None:
    for file in (GOLDEN / "tokenizers" / "llama").iterdir():
        shutil.copy(file, folder / file.name)


def original(place: Path, model: str) -> Path:
    """``original`` beside ``vision_tower``, as the reference wrote them; weights pickled for 1.5."""
    folder = place / model / "original"
    write_files(folder, f"{model}/original/")
    _tokenizer(folder)
    tensors = {n: t for n, t in weights(model).items() if not n.startswith(TOWER)}
    if model == "tiny_llava":
        torch.save(tensors, folder / "pytorch_model.bin")
    else:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    tower = place / "tiny_llava" / "vision_tower"
    if not tower.is_dir():
        vision_tower(tower)
    return folder


def hub_tensors(model: str) -> dict[str, Tensor]:
    """The tensors in the Hub's naming, with rows for ``<image>`` and ``<pad>``."""
    own = weights(model)
    named = {hub: own[name] for name, hub in known()["names"][model].items()}
    generator = torch.Generator().manual_seed(0)
    for name, tensor in named.items():
        if tensor.shape[0] == ROWS[model]:
            extra = torch.randn(HUB_ROWS - tensor.shape[0], *tensor.shape[1:], generator=generator)
            named[name] = torch.cat([tensor, extra * 1e-3])
    return named


def hub(place: Path, model: str) -> Path:
    """``hf_legacy``, as the reference wrote it."""
    folder = place / model / "hf_legacy"
    write_files(folder, f"{model}/hf_legacy/")
    _tokenizer(folder)
    write_json(folder / "tokenizer_config.json", known()["files"][f"{model}/hf_legacy/tokenizer_config.json"])
    write_json(folder / "added_tokens.json", {"<image>": 2000, "<pad>": 2001})
    (folder / "special_tokens_map.json").unlink()
    save_file(hub_tensors(model), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def lora(place: Path, *, pickled: bool) -> Path:
    """The LoRA folder that LLaVA's training wrote for ``original``."""
    folder = place / "llava-tiny-lora"
    write_files(folder, "lora/")
    found = archive("lora")
    adapter = {n.removeprefix("adapter."): t for n, t in found.items() if n.startswith("adapter.")}
    learned = {n.removeprefix("learned."): t for n, t in found.items() if n.startswith("learned.")}
    if pickled:
        torch.save(adapter, folder / "adapter_model.bin")
    else:
        save_file(adapter, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    torch.save(learned, folder / "non_lora_trainables.bin")
    return folder
