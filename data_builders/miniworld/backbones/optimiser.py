"""The optimiser of both backbones: Muon for the matrices of the transformer blocks, AdamW for the rest."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEPS = 5
_MOMENTUM = 0.95


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal, for matrices.

    torch's own ``torch.optim.Muon`` iterates in bfloat16, which takes ten times as long as the whole step on
    a CPU without bfloat16 units; this one stays in the parameters' precision.

    Args:
        parameters: matrices.
        lr: size of the update, scaled so that its root mean square is AdamW's.
        weight_decay: decoupled.

    Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); the scale is
    that of Liu et al., "Muon is scalable for LLM training" (2025).
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                state["momentum"].lerp_(parameter.grad, 1 - _MOMENTUM)
                update = orthogonal(parameter.grad.lerp(state["momentum"], _MOMENTUM))
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update, alpha=-group["lr"] * 0.2 * max(parameter.shape) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """The matrix with its singular values brought near one, by Newton-Schulz iteration.

    Args:
        matrix: (rows, columns).
    """
    a, b, c = _COEFFICIENTS
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / (x.norm() + 1e-7)
    for _ in range(_STEPS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x if wide else x.T


class Optimiser:
    """Muon and AdamW under one learning rate.

    Args:
        blocks: modules whose matrices Muon takes.
        parameters: all that is trained.
        lr: peak learning rate.
        weight_decay: of the matrices; vectors and scalars have none.
    """

    def __init__(
        self, blocks: Iterable[nn.Module], parameters: Iterable[nn.Parameter], lr: float, weight_decay: float
    ) -> None:
        parameters = list(parameters)
        hidden = [p for block in blocks for p in block.parameters() if p.ndim == 2]
        taken = {id(p) for p in hidden}
        rest = [p for p in parameters if id(p) not in taken]
        decayed = {"params": [p for p in rest if p.ndim >= 2], "weight_decay": weight_decay}
        plain = {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0}
        self._parameters = parameters
        self._parts = [
            Muon(hidden, lr, weight_decay),
            torch.optim.AdamW([decayed, plain], lr=lr, betas=(0.9, 0.98)),
        ]

    def step(self, lr: float) -> None:
        """Clip the gradients to a norm of one, update at this learning rate and clear them."""
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = lr
            part.step()
            part.zero_grad()
