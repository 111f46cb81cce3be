"""LLaVA's LoRA folders: an adapter of peft beside ``non_lora_trainables.bin``, put on its base."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from mmtune.errors import UserError
from mmtune.models.adapters.base import WEIGHTS
from mmtune.models.adapters.saved import attach_lora
from mmtune.models.bundle import reference_to
from mmtune.models.checkpoint import adapters, load, save
from mmtune.models.checkpoint.storage import write_tensors
from mmtune.models.convert import llava_config, original
from mmtune.models.convert.foreign import Foreign, Json, write_native
from mmtune.models.convert.hub import is_hub
from mmtune.models.convert.original import LORA_PREFIX, NON_LORA_FILE, Given, rules
from mmtune.models.convert.renaming import Split, named_as_there, split
from mmtune.models.differences import check_shapes, shapes_of
from mmtune.models.files import read_json
from mmtune.models.language import load_tokenizer
from mmtune.models.reading import read_file, read_weights

log = logging.getLogger(__name__)

_PEFT_CONFIG = "adapter_config.json"
_PICKLED = "adapter_model.bin"


def import_lora(
    folder: Path, out: Path, given: Given, *, merge: bool = False, dtype: torch.dtype | None = None
) -> Path:
    """Write a checkpoint with the LoRA of a folder on the model that it was made for.

    Args:
        folder: with ``adapter_config.json``, the adapter's weights and ``non_lora_trainables.bin``.
        out: a folder that does not exist yet, or is empty.
        given: ``base``, unless ``adapter_config.json`` names it: an original LLaVA or the language model.
        merge: fold the LoRA into the weights.
        dtype: type of the base's weights; by default their own.

    Raises:
        UserError: if a part is missing, damaged, or the LoRA was made for a base of other shapes. One of the
            same shapes but of another name is warned of.
    """
    foreign = _on_base(folder, given)
    with TemporaryDirectory(dir=_writable(out)) as scratch:
        place = Path(scratch)
        base = write_native(foreign, place / "base", dtype=dtype, include=("vision", "projector", "language"))
        bundle = load(base)
        bundle.source, bundle.references = None, dict(foreign.references)
        attach_lora(bundle.model, "language", _as_safetensors(folder, place / "lora"), folder)
        bundle.model.requires_grad_(False)
        if merge:
            adapters.fold(bundle)
        kept = [part for part in ("vision", "projector", "language") if part not in bundle.references]
        notes = {"naming": "original LoRA", "source": str(folder), **foreign.notes}
        return save(out, bundle, include=kept, manifest={"imported": notes})


def _writable(out: Path) -> Path:
    out.parent.mkdir(parents=True, exist_ok=True)
    return out.parent


def _on_base(folder: Path, given: Given) -> Foreign:
    """The base with the projector that was trained beside the LoRA."""
    peft = read_json(str(folder), _PEFT_CONFIG) or {}
    config = read_json(str(folder), "config.json")
    if config is None or not llava_config.is_original(config):
        raise UserError(
            "the LoRA folder has no config.json of LLaVA, which says how images are seen",
            str(folder),
            "copy it from the folder that training wrote, not from a checkpoint-N inside it",
        )
    named = peft.get("base_model_name_or_path")
    if given.base and named and _last(given.base) != _last(str(named)):
        log.warning(
            "%s names %s as its base, and the base given is %s: where shapes are the same, weights of another"
            " model cannot be told from the right ones",
            folder / _PEFT_CONFIG,
            named,
            given.base,
        )
    name = given.base or named
    if not name:
        raise UserError("nothing says which model the LoRA was made for", str(folder), "give --base")
    base = Path(str(name)).expanduser()
    base = base if base.is_dir() else next((p for p in (folder.parent / name,) if p.is_dir()), base)
    try:
        own = read_json(str(base), "config.json")
    except UserError as error:
        raise UserError(
            f"the base of the LoRA is not found: {error.what}", str(base), "say with --base where it is"
        ) from error
    if own is None:
        raise UserError("the base of the LoRA has no config.json", str(base), "check --base")
    foreign = (
        _whole(base, given) if llava_config.is_original(own) else _plain(folder, config, base, own, given)
    )
    if (folder / NON_LORA_FILE).is_file():
        tensors = {n.removeprefix(LORA_PREFIX): t for n, t in read_file(folder / NON_LORA_FILE).items()}
        foreign.rules = rules(foreign.projector.name)
        learned, unknown = split(tensors, foreign.rules)
        _demand_known(learned, unknown, foreign, folder / NON_LORA_FILE)
        for part, weights in learned.items():
            foreign.places[part] = str(folder / NON_LORA_FILE)
            before = foreign.weights.get(part, {})
            if part == "projector":
                # It learnt as a whole beside the LoRA: no older weight stands in for one that is lost.
                before = {name: tensor for name, tensor in before.items() if name.startswith("newline")}
            foreign.weights[part] = before | weights
            foreign.references.pop(part, None)
    elif not foreign.weights.get("projector"):
        raise UserError(
            f"the folder has no {NON_LORA_FILE}, and the base has no projector",
            str(folder),
            "copy it from the folder that training wrote, not from a checkpoint-N inside it",
        )
    return foreign


def _last(name: str) -> str:
    """A model's own name in a path or a hub name."""
    return Path(name).expanduser().resolve().name if Path(name).exists() else Path(name).name


def _demand_known(learned: Split[Tensor], unknown: list[str], foreign: Foreign, file: Path) -> None:
    """Refuse weights beside a LoRA that the base has no place for; they may be the projector's, misnamed."""
    language = learned.get("language", {})
    has = foreign.weights.get("language", {})
    # A head that the base has tied to its embeddings is compared with it later.
    lost = {n: t for n, t in language.items() if n not in has and not n.startswith("lm_head.")}
    lost = named_as_there("language", lost, foreign.rules)
    if unknown or lost:
        mine = foreign.weights.get("projector", {}) if "projector" not in learned else {}
        expected = named_as_there("projector", shapes_of(mine), foreign.rules)
        check_shapes("projector", expected, {}, str(file), unknown=[*unknown, *lost])


def _whole(base: Path, given: Given) -> Foreign:
    """The base is a LLaVA already."""
    return original.read_original(base, given)


def _plain(folder: Path, config: Json, base: Path, own: Json, given: Given) -> Foreign:
    """The base is the language model alone; LLaVA's configuration is the LoRA folder's."""
    if is_hub(own):
        raise UserError(
            "the base is in the Hub's naming, which LLaVA's LoRA folders are never made for",
            str(base),
            "give the original LLaVA or the language model",
        )
    foreign = original.describe(folder, config, given, load_tokenizer(str(base)))
    foreign.source, foreign.language = base, own
    foreign.generation = read_json(str(base), "generation_config.json")
    language, foreign.unknown = read_weights(base), []
    foreign.weights = {"language": language}
    foreign.references["language"] = reference_to(str(base))
    return original.with_tower(foreign, config)


def _as_safetensors(folder: Path, place: Path) -> Path:
    """The adapter's files with its weights in safetensors."""
    if (folder / WEIGHTS).is_file():
        return folder
    if not (folder / _PICKLED).is_file():
        raise UserError(
            "the folder has no LoRA weights", str(folder), f"there should be {WEIGHTS} or {_PICKLED}"
        )
    tensors = read_file(folder / _PICKLED)
    place.mkdir()
    (place / write_tensors(place, tensors)[0]).rename(place / WEIGHTS)
    shutil.copy(folder / _PEFT_CONFIG, place / _PEFT_CONFIG)
    return place
