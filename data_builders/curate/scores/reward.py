"""What a reward model of transformers, trained on people's preferences, makes of a conversation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmtune.errors import RecordError, UserError
from mmtune.records import IMAGE_PLACEHOLDER, Record


class RewardModel:
    """A sequence classifier with one output (the reward), or two (the log odds of the second).

    It reads the text alone. Images have no part in it.

    Args:
        folder: as ``save_pretrained`` of transformers writes it, with its tokenizer.
        device: where it runs.

    Raises:
        UserError: the folder cannot be loaded, lacks weights, or has another number of outputs.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        if not folder.is_dir():
            raise UserError("there is no such folder of a reward model", str(folder), "check the path")
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model, told = AutoModelForSequenceClassification.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"the reward model cannot be loaded: {reason}", str(folder)) from error
        # transformers only warns where a head is missing, and draws one at random.
        if missing := sorted(told["missing_keys"]):
            raise UserError(
                f"the reward model lacks weights: {', '.join(missing[:3])}",
                str(folder),
                "give a trained sequence classifier, not the language model that it was made from",
            )
        self._outputs = int(model.config.num_labels)
        if self._outputs not in (1, 2):
            raise UserError(
                f"the reward model has {self._outputs} outputs", str(folder), "give one with 1 or 2"
            )
        self._model: Any = model.eval().to(device)
        self._device = device
        self._longest = int(
            min(
                getattr(model.config, "max_position_embeddings", None) or 10**9,
                self._tokenizer.model_max_length,
            )
        )

    def reward(self, record: Record) -> float:
        """Of the whole conversation.

        Raises:
            RecordError: the conversation is longer than the model reads.
        """
        return self._of(record.id, [(turn.role, turn.text) for turn in record.turns])

    def question_reward(self, record: Record) -> float:
        """Of the questions alone, as a model that was trained on people's choice of questions sees them.

        Raises:
            RecordError: the questions are longer than the model reads.
        """
        return self._of(record.id, [(turn.role, turn.text) for turn in record.turns if turn.role == "user"])

    def _of(self, name: str, turns: list[tuple[str, str]]) -> float:
        import torch

        said = [(role, text.replace(IMAGE_PLACEHOLDER, "").strip()) for role, text in turns]
        if getattr(self._tokenizer, "chat_template", None):
            messages = [{"role": role, "content": text} for role, text in said]
            text = self._tokenizer.apply_chat_template(messages, tokenize=False)
            ids = self._tokenizer(text, add_special_tokens=False, return_tensors="pt")
        else:
            ids = self._tokenizer("\n\n".join(text for _, text in said), return_tensors="pt")
        length = ids["input_ids"].shape[1]
        if length > self._longest:
            raise RecordError(f"the reward model reads {self._longest} tokens, the record has {length}", name)
        with torch.inference_mode():
            logits = self._model(**ids.to(self._device)).logits[0].float()
        return float(logits[0] if self._outputs == 1 else logits[1] - logits[0])
