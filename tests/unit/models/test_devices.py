"""No tensor stays behind on the CPU, found without a GPU: by tensors that only know where they would be."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from mmtune.images.geometry import Grid
from mmtune.models.config import TowerConfig, VisionConfig
from mmtune.models.projectors import Text, build_projector
from mmtune.models.vision import build_vision
from tests.tiny_projectors import NAMES, tiny_projector

DEVICE = "cuda:0"
GRID = Grid(4, 5)

# PyTorch 2.8 that is built for GPUs asks the driver even for tensors that only pretend to be on one.
_ASKS = torch.__version__.startswith("2.8.") and torch.version.cuda and not torch.cuda.is_available()
pytestmark = pytest.mark.skipif(bool(_ASKS), reason="this PyTorch wants a driver for its fake tensors")


def moved(module: nn.Module, mode: FakeTensorMode) -> nn.Module:
    """The module with weights and buffers that pretend to be on the GPU."""
    for inner in module.modules():
        for store in (inner._parameters, inner._buffers):
            for name, tensor in store.items():
                if tensor is not None:
                    plain = tensor.detach()
                    with mode:
                        there = mode.from_tensor(plain).to(DEVICE)
                        wrap = isinstance(tensor, nn.Parameter)
                        store[name] = nn.Parameter(there, requires_grad=False) if wrap else there
    return module


@pytest.mark.parametrize("name", NAMES)
def test_projectors(name: str) -> None:
    mode = FakeTensorMode()
    projector = moved(build_projector(tiny_projector(name), 24, 32), mode)
    with mode:
        features = torch.empty(2, GRID.cells, 24, device=DEVICE)
        real = torch.ones(2, 3, dtype=torch.bool, device=DEVICE)
        for text in (None, Text(torch.empty(2, 3, 32, device=DEVICE), real)):
            assert projector(features, GRID, text).device.type == "cuda"


@pytest.mark.parametrize("kind", ["clip", "siglip", "open_clip", "fused"])
def test_towers(backbones: dict[str, str], kind: str) -> None:
    both = [TowerConfig(backbones["clip"]), TowerConfig(backbones["siglip"])]
    config = VisionConfig("fused", towers=both) if kind == "fused" else VisionConfig(backbones[kind])
    mode = FakeTensorMode()
    tower = build_vision(config)
    moved(tower, mode)
    with mode:
        assert tower(torch.empty(2, 3, 32, 32, device=DEVICE)).device.type == "cuda"
        if tower.native:
            patches = torch.empty(22, 3, 8, 8, device=DEVICE)
            assert tower.encode_grids(patches, [Grid(4, 4), Grid(2, 3)]).shape == (22, tower.width)
