"""Spares the last block what nobody reads.

Behind a prompt only its last positions' logits are wanted. What the last block's MLP, two thirds of a block,
makes of the others no layer reads any more, so it is not computed: their keys and values are made before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from mmtune.models.layers import decoder_layers


class LastBlock:
    """The last block's MLP of a language model, where it is transformers' own.

    Each of those takes every position by itself. Adapters around one may look further (``language_expert``),
    and so they are left alone.

    Args:
        language: a causal language model of transformers.
    """

    def __init__(self, language: Any) -> None:
        mlp = getattr(decoder_layers(language)[-1], "mlp", None)
        own = isinstance(mlp, nn.Module) and type(mlp).__module__.startswith("transformers.")
        self.mlp: nn.Module | None = mlp if own else None

    @contextmanager
    def only(self, wanted: Tensor | None) -> Iterator[None]:
        """Within it, what leaves the model is right at some positions alone, and undefined elsewhere.

        Args:
            wanted: (positions,) of the packed row; None for all of them.
        """
        if self.mlp is None or wanted is None:
            yield
            return
        rows: list[Tensor] = []

        def narrow(_mlp: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            rows.append(inputs[0])
            return (inputs[0][:, wanted], *inputs[1:])

        def widen(_mlp: nn.Module, _inputs: Any, output: Any) -> Any:
            found, *more = output if isinstance(output, tuple) else (output,)
            whole = found.new_zeros(rows.pop().shape)
            whole[:, wanted] = found
            return (whole, *more) if isinstance(output, tuple) else whole

        hooks = (self.mlp.register_forward_pre_hook(narrow), self.mlp.register_forward_hook(widen))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
