"""The byte-pair tokenizer that both tiny backbones share, trained on miniworld's own text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

BOS, PAD, IM_START, IM_END, EOS = "<|begin|>", "<|pad|>", "<|im_start|>", "<|im_end|>", "<|endoftext|>"
VOCAB_SIZE = 768


def train_tokenizer(texts: Iterable[str], vocab_size: int = VOCAB_SIZE) -> Any:
    """Train a byte-level BPE tokenizer whose ``<|endoftext|>`` has the highest id.

    open_clip's text tower pools at the highest id of a sequence, so the end token has to be the last one.

    Args:
        texts: text to learn merges from.
        vocab_size: tokens in all, the special ones included.

    Returns:
        A ``tokenizers.Tokenizer`` with ids 0..vocab_size-1 and no post-processor.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    specials = [BOS, PAD, IM_START, IM_END]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 1,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([EOS])
    return tokenizer


def language_tokenizer(tokenizer: Any) -> Any:
    """Wrap the tokenizer for the language model: no BOS is added, turns end with ``<|im_end|>``."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=IM_END,
        pad_token=PAD,
        additional_special_tokens=[IM_START, EOS],
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
    )


def save_caption_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Save the tokenizer for the image-text model, ending each caption with ``<|endoftext|>``."""
    from tokenizers import Tokenizer, processors
    from transformers import PreTrainedTokenizerFast

    own = Tokenizer.from_str(tokenizer.to_str())
    own.post_processor = processors.TemplateProcessing(
        single=f"$A {EOS}", special_tokens=[(EOS, own.token_to_id(EOS))]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=own, eos_token=EOS, pad_token=PAD, clean_up_tokenization_spaces=False
    ).save_pretrained(folder)
