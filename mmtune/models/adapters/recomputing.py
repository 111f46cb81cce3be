"""Telling a forward pass that gradient checkpointing repeats from the one that it repeats."""

from __future__ import annotations

import torch


def recomputing() -> bool:
    """Whether this forward pass is run inside a backward pass.

    What an adapter keeps of such a pass would hold the graph of every block, and with it all the memory that
    checkpointing frees.
    """
    return bool(torch._C._current_graph_task_id() != -1)
