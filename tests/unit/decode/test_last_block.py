"""The last block's MLP works for the positions that are read, and what leaves the model there is the same."""

from __future__ import annotations

import torch
from torch import nn

from mmtune.decode.engine import Engine, Request, Settings
from mmtune.decode.last_block import LastBlock
from mmtune.models.layers import decoder_layers


def test_the_last_mlp_sees_one_position_of_each_prompt(llama: Engine, questions: list[Request]) -> None:
    seen: list[int] = []
    mlp = LastBlock(llama.model.language).mlp
    assert mlp is decoder_layers(llama.model.language)[-1].mlp
    hook = mlp.up_proj.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1]))
    try:
        llama.generate(questions, Settings(max_new_tokens=1), batch_size=len(questions))
    finally:
        hook.remove()
    assert sum(seen) == len(questions)
    assert not mlp._forward_hooks and not mlp._forward_pre_hooks


def test_wanted_positions_are_what_they_are_without_it(engine: Engine) -> None:
    language = engine.model.language
    ids, wanted = torch.arange(3, 12).unsqueeze(0), torch.tensor([2, 5, 8])
    with torch.inference_mode():
        whole = language(input_ids=ids, use_cache=False).logits[0, wanted]
        with LastBlock(language).only(wanted):
            spared = language(input_ids=ids, use_cache=False, logits_to_keep=wanted).logits[0]
    torch.testing.assert_close(spared, whole)


def test_what_is_put_around_an_mlp_is_left_alone(llama: Engine) -> None:
    block = decoder_layers(llama.model.language)[-1]
    own = block.mlp
    block.mlp = nn.Sequential(own)
    try:
        last = LastBlock(llama.model.language)
        assert last.mlp is None
        with last.only(torch.tensor([0])):
            assert not own._forward_hooks
    finally:
        block.mlp = own
