"""LoRA and DoRA through peft; with ``bits: 4`` over a base that is held in four bits (QLoRA)."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from mmtune.errors import UserError
from mmtune.models.adapters import naming
from mmtune.models.adapters.base import WEIGHTS, Adapter
from mmtune.models.adapters.targets import leaf_names, linear_layers, replace_module
from mmtune.models.files import read_json
from mmtune.models.settings import at_least, share

log = logging.getLogger(__name__)

CONFIG = "adapter_config.json"
PREFIX = "base_model.model."
"""What peft puts before every name in its files."""
NAME = "default"
"""peft's name of the only adapter; it stands in the model's names and not in files."""

_UNSUPPORTED: dict[str, Any] = {
    "bias": "none",
    "modules_to_save": None,
    "rank_pattern": {},
    "alpha_pattern": {},
    "trainable_token_indices": None,
    "target_parameters": None,
    "layer_replication": None,
    "lora_bias": False,
    "use_qalora": False,
    "alora_invocation_tokens": None,
}
"""Settings of peft that a file may have only at this value (or null) to be read."""

_CHANGE_THE_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Beginnings of peft's ``init_lora_weights`` that take out of the base what they put into the LoRA."""


@dataclass(frozen=True)
class LoraSettings:
    """Settings of ``lora``; the defaults are those of LLaVA-1.5's own LoRA recipe."""

    rank: int = 128
    """Rank of the change of each weight."""
    alpha: float = 256
    """The change is scaled by alpha / rank."""
    dropout: float = 0.05
    """Probability of dropping an input of the change while it learns."""
    targets: list[str] | None = None
    """Ends of names of linear layers, as ``[q_proj, v_proj]``; by default all inside the part's blocks."""
    dora: bool = False
    """Learn the length of each weight's rows beside their direction (DoRA)."""
    bits: int | None = None
    """4 holds the part's own weights in four bits (QLoRA); needs a GPU and bitsandbytes."""

    def __post_init__(self) -> None:
        at_least("rank", self.rank, 1)
        share("dropout", self.dropout)
        if self.alpha <= 0:
            raise ValueError(f"alpha must be above 0, got {self.alpha}")
        if self.targets is not None and not self.targets:
            raise ValueError("targets is empty; leave it out to take every linear layer")
        if self.bits not in (None, 4):
            raise ValueError(f"bits must be 4 or left out, got {self.bits}")


class Lora(Adapter):
    """A low-rank change of linear layers.

    Source: Hu et al. 2021 (LoRA), Liu et al. 2024 (DoRA), Dettmers et al. 2023 (QLoRA); peft's layers.
    """

    Settings: ClassVar[type] = LoraSettings
    kind: ClassVar[str] = "lora"
    fits: ClassVar[tuple[str, ...]] = ("language", "vision")
    mergeable: ClassVar[bool] = True
    settings: LoraSettings

    @classmethod
    def portable(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """A LoRA that was trained over four bits also works over the full weights."""
        from mmtune.models.adapters.four_bits import can_hold_four_bits

        if settings.get("bits") is None or can_hold_four_bits():
            return settings
        log.warning("the LoRA was trained over weights of four bits; here they are held in full")
        return {**settings, "bits": None}

    @property
    def whole_weights(self) -> bool:
        """Four-bit weights cannot be cut into shards."""
        return self.settings.bits is not None

    def attach(self, module: nn.Module, blocks: Sequence[nn.Module]) -> None:
        """Put LoRA layers around the targets; their change starts at zero."""
        if self.settings.bits is not None and not next(module.parameters()).is_meta:
            from mmtune.models.adapters.four_bits import hold_in_four_bits

            hold_in_four_bits(blocks)
        chosen = linear_layers(module, blocks, self.settings.targets, f"stage.adapters.{self.part}")
        inject(blocks, list(chosen.values()), self.settings)

    def write(self, folder: Path, module: nn.Module, tensors: Mapping[str, Tensor], base: str) -> list[str]:
        """Write the folder that ``peft.PeftModel.from_pretrained`` reads."""
        from safetensors.torch import save_file

        adapted = [name for name, wrapper in naming.wrappers(module) if hasattr(wrapper, "lora_A")]
        config = _peft_config(self.settings, leaf_names(module, adapted)).to_dict()
        config |= {
            "base_model_name_or_path": base,
            "inference_mode": True,
            "task_type": "CAUSAL_LM" if self.part == "language" else None,
            "target_modules": leaf_names(module, adapted),
        }
        plain = json.loads(json.dumps(config, default=str))
        (folder / CONFIG).write_text(json.dumps(plain, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        save_file(self.names(tensors), folder / WEIGHTS, metadata={"format": "pt"})
        return [WEIGHTS]

    def names(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """By the names of peft's files."""
        return {PREFIX + _peft_name(name): tensor for name, tensor in tensors.items()}

    def merge(self, module: nn.Module) -> None:
        """Add the change to the weights.

        Raises:
            UserError: if the sum is not finite, or the weights are held in four bits.
        """
        if self.settings.bits is not None:
            raise UserError(
                "a LoRA over weights of four bits cannot be merged without rounding them again",
                self.part,
                "load the same LoRA over the full weights (bits left out) and merge there",
            )
        for name, layer in _layers(module):
            try:
                layer.merge(safe_merge=True)
            except ValueError as error:
                raise UserError(
                    f"merging would give numbers that are not finite: {error}", f"{self.part}.{name}"
                ) from error

    def unmerge(self, module: nn.Module) -> None:
        """Subtract the change again."""
        for _, layer in _layers(module):
            layer.unmerge()

    def fold(self, module: nn.Module) -> None:
        """Merge, then put the plain layers back in their places."""
        if not any(parameter.is_meta for parameter in self.parameters(module)):
            self.merge(module)
        for name, layer in list(_layers(module)):
            replace_module(module, name, layer.get_base_layer())


def inject(blocks: Sequence[nn.Module], layers: Sequence[nn.Module], settings: LoraSettings) -> None:
    """Replace linear layers of some blocks by peft's LoRA layers around them."""
    from peft import inject_adapter_in_model

    wanted = {id(layer) for layer in layers}
    # A bare list of the blocks: peft looks for no configuration in it and changes nothing outside the blocks.
    container = nn.ModuleList(blocks)
    container.is_loaded_in_4bit = settings.bits == 4  # type: ignore[assignment]  # where peft looks for it
    names = [name for name, inner in container.named_modules() if id(inner) in wanted]
    states = [(p, p.requires_grad) for p in container.parameters()]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to")  # Conv1D, which peft then knows
        inject_adapter_in_model(_peft_config(settings, names), container, adapter_name=NAME)
    for parameter, learns in states:  # peft freezes all else; the stage decides that here
        parameter.requires_grad_(learns)


def settings_of(folder: Path) -> LoraSettings:
    """Settings of a LoRA that peft has saved, ours or another's; the targets are the layers in its weights.

    Raises:
        UserError: if the folder is no LoRA of peft, or one with features that are not supported here.
    """
    config = read_json(str(folder), CONFIG)
    if config is None or config.get("peft_type") != "LORA":
        raise UserError(f"the folder holds no LoRA: it has no {CONFIG} of one", str(folder))
    for key, plain in _UNSUPPORTED.items():
        if config.get(key) not in (None, plain, [], {}):
            raise UserError(
                f"the LoRA uses peft's {key}, which is not supported",
                str(folder / CONFIG),
                "merge it with peft",
            )
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start.startswith(_CHANGE_THE_BASE):
        raise UserError(
            f"the LoRA started as {start}, so that it belongs to a base which that start has changed",
            str(folder / CONFIG),
            "save it with peft's path_initial_model_for_weight_conversion, or merge it with peft",
        )
    rank, alpha = int(config["r"]), float(config["lora_alpha"])
    return LoraSettings(
        rank=rank,
        # rank-stabilised LoRA divides by the root of the rank
        alpha=alpha * rank**0.5 if config.get("use_rslora") else alpha,
        dropout=float(config.get("lora_dropout", 0.0)),
        dora=bool(config.get("use_dora", False)),
    )


def _peft_config(settings: LoraSettings, targets: list[str]) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        lora_dropout=settings.dropout,
        use_dora=settings.dora,
        target_modules=targets,
    )


def _layers(module: nn.Module) -> list[tuple[str, Any]]:
    return [(name, wrapper) for name, wrapper in naming.wrappers(module) if hasattr(wrapper, "lora_A")]


def _peft_name(name: str) -> str:
    """``…lora_A.default.weight`` as ``…lora_A.weight``; DoRA's vector without ``weight``."""
    short = naming.file_name(name).replace(f".{NAME}", "")
    head, vector, _ = short.partition(".lora_magnitude_vector")
    return head + vector if vector else short
