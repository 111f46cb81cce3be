"""Top-1 routing inside an MLP: tokens are sorted by their expert once, and every expert sees its own only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmtune.batch import IGNORE, PackedBatch
from mmtune.models.adapters.recomputing import recomputing
from mmtune.models.adapters.targets import widths


class Groups:
    """Which expert each of some sorted tokens goes to.

    Args:
        counts: (experts,) tokens of each expert.
        weight: (tokens, 1), one with the gradient of the router's choice.
    """

    def __init__(self, counts: Tensor, weight: Tensor) -> None:
        self.counts = counts
        self.weight = weight

    @cached_property
    def ends(self) -> Tensor:
        """(experts,) int32 place behind each expert's last token."""
        return self.counts.cumsum(0, dtype=torch.int32)

    @cached_property
    def sizes(self) -> list[int]:
        """Tokens of each expert, as numbers."""
        sizes: list[int] = self.counts.tolist()
        return sizes


class Switch:
    """What an MLP's router tells the layers inside the MLP; no module, since it holds no weights."""

    def __init__(self) -> None:
        self.groups: Groups | None = None


class Router(nn.Linear):
    """Scores of the experts, in float32 whatever the precision: training under autocast and
    decoding without it must choose alike.

    Source: the selective precision of Switch Transformers.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(tokens, width) to (tokens, experts) float32."""
        with torch.autocast(input.device.type, enabled=False):
            return F.linear(input.float(), self.weight.float())


class RoutedMLP(nn.Module):
    """An MLP whose linear layers have experts, and the router that sends each token to one of them.

    An MLP treats each token alone, so that it can run on the tokens in the order of their experts: one sort
    before it and one after it serve all of its layers.

    Args:
        base_layer: the MLP, whose linear layers become ``RoutedLinear``.
        layers: names of these layers in it.
        experts: number of experts.
        rank: of each expert's change.
        scale: of the change.
        dropout: of the change's input.
        width: channels of a token.
    """

    def __init__(
        self,
        base_layer: nn.Module,
        layers: Sequence[str],
        *,
        experts: int,
        rank: int,
        scale: float,
        dropout: float,
        width: int,
    ) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.router = Router(width, experts, bias=False)
        self.switch = Switch()
        self.record: tuple[Tensor, Tensor] | None = None
        """Probabilities (tokens, experts) and choice (tokens,) of the last row that was learnt from."""
        for name in layers:
            parent, _, last = name.rpartition(".")
            owner = base_layer.get_submodule(parent)
            layer = getattr(owner, last)
            setattr(owner, last, RoutedLinear(layer, self.switch, experts, rank, scale, dropout))

    def forward(self, hidden: Tensor) -> Tensor:
        """Change of any tokens (…, width); each is changed by the expert with the highest score.

        The chosen expert's change counts whole, as in the paper. Dividing its probability by itself leaves
        that as it is and still tells the router which way to go.
        """
        tokens = hidden.reshape(-1, hidden.shape[-1])
        probabilities = self.router(tokens).softmax(-1)
        best, choice = probabilities.max(-1)
        if self.training and torch.is_grad_enabled() and not recomputing():
            self.record = (probabilities, choice)
        order = choice.argsort(stable=True)
        counts = torch.bincount(choice, minlength=probabilities.shape[-1])
        weight = (best / best.detach())[order].unsqueeze(1)
        self.switch.groups = Groups(counts, weight)
        out = self.base_layer(tokens.index_select(0, order).unsqueeze(0)).squeeze(0)
        self.switch.groups = None  # it holds the graph, too
        back = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        return out.index_select(0, back).reshape(*hidden.shape[:-1], out.shape[-1])


class RoutedLinear(nn.Module):
    """A frozen linear layer with one low-rank change for each expert.

    The weights of all experts are one parameter, so that an expert without tokens still has a gradient (of
    zero), and no rank waits for another's.

    Args:
        base_layer: the linear layer.
        switch: filled by the MLP's router.
        experts: number of experts.
        rank: of each change.
        scale: of the change.
        dropout: of its input.
    """

    def __init__(
        self, base_layer: nn.Module, switch: Switch, experts: int, rank: int, scale: float, dropout: float
    ) -> None:
        super().__init__()
        inputs, outputs = widths(base_layer)
        self.base_layer = base_layer
        self.switch = switch
        self.scale = scale
        self.dropout = nn.Dropout(dropout)
        weight = base_layer.weight
        assert isinstance(weight, nn.Parameter)
        self.lora_a = nn.Parameter(torch.empty(experts, rank, inputs, device=weight.device))
        self.lora_b = nn.Parameter(torch.zeros(experts, outputs, rank, device=weight.device))
        for expert in self.lora_a:
            nn.init.kaiming_uniform_(expert, a=math.sqrt(5))

    def forward(self, tokens: Tensor) -> Tensor:
        """(1, tokens, inputs), sorted by expert, to (1, tokens, outputs)."""
        out: Tensor = self.base_layer(tokens)
        groups = self.switch.groups
        assert groups is not None
        narrow = grouped_linear(self.dropout(tokens.squeeze(0)), self.lora_a, groups)
        change = grouped_linear(narrow * (groups.weight.to(narrow.dtype) * self.scale), self.lora_b, groups)
        return out + change.unsqueeze(0).to(out.dtype)


def grouped_linear(tokens: Tensor, weights: Tensor, groups: Groups) -> Tensor:
    """Each token through the weights of its own expert, every token once.

    Args:
        tokens: (tokens, inputs), sorted by expert.
        weights: (experts, outputs, inputs).
        groups: how many tokens each expert has.

    Returns:
        (tokens, outputs).
    """
    device = tokens.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tokens.dtype
    tokens, weights = tokens.to(dtype), weights.to(dtype)
    if _one_kernel(tokens, weights):
        product: Tensor = F.grouped_mm(tokens, weights.transpose(1, 2), offs=groups.ends)
        return product
    pairs = zip(tokens.split(groups.sizes), weights.unbind(0), strict=True)
    return torch.cat([F.linear(own, weight) for own, weight in pairs if len(own)])


def _one_kernel(tokens: Tensor, weights: Tensor) -> bool:
    """Whether the fused kernel takes these: bfloat16 on a GPU, rows aligned to 16 bytes."""
    aligned = all(size % 8 == 0 for size in weights.shape[1:])
    return tokens.is_cuda and tokens.dtype == torch.bfloat16 and aligned and hasattr(F, "grouped_mm")


def load_balance(layers: Sequence[RoutedMLP], batch: PackedBatch, coefficient: float) -> Tensor:
    """How unevenly a row's documents use the experts, as a sum over its supervised tokens.

    For each document and layer: experts times the sum over experts of the share of tokens that went there and
    their mean probability, which is 1 where all are used alike. Layers are averaged; documents count by their
    supervised tokens, so that the step's loss does not depend on how documents were packed.

    Args:
        layers: after a forward pass over ``batch`` in training.
        batch: the row.
        coefficient: factor of the loss.

    Returns:
        A scalar; 0 if the layers did not learn.

    Source: the released LLaVA-MoLE code takes it per document; the formula is Switch Transformer's.
    """
    records = [layer.record for layer in layers if layer.record is not None]
    if not records:
        return torch.zeros((), device=batch.input_ids.device)
    for layer in layers:
        layer.record = None  # it holds the graph
    probabilities = torch.stack([p for p, _ in records])
    choices = torch.stack([c for _, c in records])
    count, tokens, experts = probabilities.shape
    device = probabilities.device
    lengths = torch.tensor(batch.document_lengths, device=device)
    document = torch.repeat_interleave(torch.arange(len(lengths), device=device), lengths, output_size=tokens)
    blank = probabilities.new_zeros(count, len(lengths), experts)
    sizes = lengths.view(1, -1, 1)
    mean = blank.index_add(1, document, probabilities) / sizes
    used = blank.index_add(1, document, F.one_hot(choices, experts).to(probabilities.dtype)) / sizes
    uneven = experts * (mean * used).sum(-1).mean(0)
    supervised = blank.new_zeros(len(lengths)).index_add(
        0, document, (batch.targets != IGNORE).to(probabilities.dtype)
    )
    return coefficient * (uneven * supervised).sum()
