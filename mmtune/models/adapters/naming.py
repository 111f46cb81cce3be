"""Which weights of a part are its own and which are an adapter's, and what they are called in files.

An adapter wraps a module and keeps it as its child ``base_layer``, as peft does. Everything else below the
wrapper is the adapter's; the wrapped module's weights keep, in files, the name that they have without it.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

BASE = "base_layer"
"""Name of the wrapped module inside its wrapper."""


def wrappers(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every adapter's wrapper inside a module, with its name; the outer before the inner ones."""
    return ((name, inner) for name, inner in module.named_modules() if BASE in inner._modules)


def adapter_modules(module: nn.Module) -> Iterator[nn.Module]:
    """The modules that adapters have added: wrappers without what they wrap, and their other children."""
    for _, wrapper in wrappers(module):
        for name, child in wrapper.named_children():
            if name != BASE:
                yield from child.modules()


def is_adapters(name: str, wrapper_names: set[str]) -> bool:
    """Whether the tensor of this name belongs to an adapter.

    Args:
        name: of a tensor of a module.
        wrapper_names: names of the module's wrappers.
    """
    steps = name.split(".")
    return any(".".join(steps[:end]) in wrapper_names and steps[end] != BASE for end in range(1, len(steps)))


def file_name(name: str) -> str:
    """Name of a part's own tensor in files: as if nothing had been wrapped."""
    return ".".join(step for step in name.split(".") if step != BASE)


def own_state(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers that are the part's own, by their name in files; tied ones each."""
    return {file_name(name): tensor for name, tensor in _split(module)[0].items()}


def adapter_state(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers of the adapters in a module, by their name in it."""
    return _split(module)[1]


def _split(module: nn.Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    names = {name for name, _ in wrappers(module)}
    own: dict[str, Tensor] = {}
    adapters: dict[str, Tensor] = {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        (adapters if is_adapters(name, names) else own)[name] = tensor
    return own, adapters


def own_parameters(module: nn.Module) -> list[nn.Parameter]:
    """Parameters that are the module's own, each once."""
    names = {name for name, _ in wrappers(module)}
    return [p for name, p in module.named_parameters() if not is_adapters(name, names)]


def adapter_parameters(module: nn.Module) -> list[nn.Parameter]:
    """Parameters of the adapters in a module, each once."""
    names = {name for name, _ in wrappers(module)}
    return [p for name, p in module.named_parameters() if is_adapters(name, names)]
