"""AdamW's state comes back to where its parameters are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from mmtune.errors import UserError
from mmtune.train.engines import optimizer_state


class OneNumber(nn.Module):
    """A parameter whose moments have the shape of a step count."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))


def trained(model: nn.Module) -> torch.optim.Optimizer:
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return optimizer


@pytest.mark.parametrize("model", [nn.Linear(3, 2), OneNumber()], ids=["matrix", "one number"])
def test_every_tensor_is_on_the_device_of_its_parameter(model: nn.Module, tmp_path: Path) -> None:
    """A fused AdamW on a GPU cannot use a step count that lies in the memory of the processor."""
    optimizer_state.write(tmp_path, optimizer_state.collect(trained(model), model, torch.Tensor.detach))
    elsewhere = type(model)(3, 2) if isinstance(model, nn.Linear) else OneNumber()
    elsewhere.to("meta")
    optimizer = torch.optim.AdamW(elsewhere.parameters(), lr=0.1)
    placed: list[str] = []

    def layout(tensor: torch.Tensor, parameter: nn.Parameter) -> torch.Tensor:
        placed.append(str(tuple(tensor.shape)))
        return tensor.to(parameter.device)

    optimizer_state.restore(tmp_path, optimizer, elsewhere, layout)
    for parameter in elsewhere.parameters():
        state = optimizer.state[parameter]
        assert set(state) == {"step", "exp_avg", "exp_avg_sq"}
        assert {tensor.device.type for tensor in state.values()} == {"meta"}
    assert len(placed) == 2 * len(list(elsewhere.parameters()))


def test_the_state_of_deepspeed_is_called_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "deepspeed").mkdir()
    model = OneNumber()
    with pytest.raises(UserError, match="DeepSpeed"):
        optimizer_state.restore(tmp_path, trained(model), model, lambda tensor, parameter: tensor)
