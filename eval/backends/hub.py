"""Any image-text-to-text model of transformers, through its own processor and ``generate``.

Prompts are what the model's processor makes of a chat with its images (some chat templates put those first,
wherever they stand), padded on the left, those of like length together. An imported checkpoint (``mmtune
import``) of the same model answers many times faster, since it shares images and prefixes; this is for what
mmtune does not import, and to check one against the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from eval.asking import Ask
from eval.backends.base import Answer, Opening
from eval.conversations import check, conversation
from mmtune.errors import UserError

_TOLD = 200
"""Letters of a processor's complaint that are told."""


class HubModel:
    """A model and its processor.

    Args:
        model: of a class that ``AutoModelForImageTextToText`` knows, on its device.
        processor: with a chat template.
        batch_size: questions that are answered together.
    """

    def __init__(self, model: Any, processor: Any, batch_size: int = 16) -> None:
        self.model, self.processor, self.batch_size = model, processor, batch_size
        self._identity: Mapping[str, Any] | None = None

    @classmethod
    def open(cls, place: str, opening: Opening) -> HubModel:
        """The model of a folder or hub name, in the type that its weights are stored in.

        Raises:
            UserError: if it or its processor cannot be loaded, or the processor has no chat template.
        """
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor

        device = opening.device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            model = AutoModelForImageTextToText.from_pretrained(place, dtype="auto")
            processor = AutoProcessor.from_pretrained(place)
        except (OSError, ValueError, KeyError, ImportError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UserError(
                f"the model cannot be loaded: {reason}", place, "give a transformers folder or a hub name"
            ) from error
        if getattr(processor, "chat_template", None) is None:
            raise UserError(
                "the processor has no chat template", place, "add chat_template.jinja, or use mmtune import"
            )
        processor.tokenizer.padding_side = "left"
        if processor.tokenizer.pad_token is None:
            processor.tokenizer.pad_token = processor.tokenizer.eos_token
        return cls(model.to(device).eval(), processor, opening.batch_size)

    def identity(self) -> Mapping[str, Any]:
        """Hashes of weights, settings, tokenizer and processor, and the version of transformers."""
        if self._identity is None:
            import hashlib

            import transformers

            from mmtune.decode.identity import tokenizer_hash, weights_hash

            described = f"{self.processor!r} {self.processor.chat_template} {self.model.generation_config}"
            # The weights say nothing of positions, norms and which features of an image are taken.
            settings = self.model.config.to_json_string(use_diff=False)
            self._identity = {
                "kind": "hf",
                "weights": weights_hash(self.model),
                "settings": hashlib.sha256(settings.encode()).hexdigest(),
                "tokenizer": tokenizer_hash(self.processor.tokenizer),
                "processor": hashlib.sha256(described.encode()).hexdigest(),
                "dtype": str(self.model.dtype),
                "device": self.model.device.type,
                "transformers": transformers.__version__,
            }
        return self._identity

    def ask(self, asks: Sequence[Ask]) -> Iterator[tuple[int, Answer | UserError]]:
        """As ``Backend.ask``.

        Raises:
            UserError: if options are to be ranked by likelihood, which takes the shared prefixes of a
                checkpoint of mmtune.
        """
        if any(ask.how == "likelihood" for ask in asks):
            raise UserError(
                "the likelihood of options is not computed for this kind of model",
                "hf",
                "import the model with mmtune import, or use --how next_token",
            )
        order = sorted(range(len(asks)), key=lambda place: (self._kind(asks[place]), len(asks[place].text)))
        batch: list[int] = []
        for place in order:
            alike = batch and self._kind(asks[batch[0]]) == self._kind(asks[place])
            if batch and (len(batch) == self.batch_size or not alike):
                yield from self._batch(asks, batch)
                batch = []
            batch.append(place)
        if batch:
            yield from self._batch(asks, batch)

    @staticmethod
    def _kind(ask: Ask) -> tuple[str, int, int]:
        return ask.how, ask.max_new_tokens, len(ask.images)

    def _batch(self, asks: Sequence[Ask], places: list[int]) -> Iterator[tuple[int, Answer | UserError]]:
        import torch

        from eval.backends.images import open_all

        images, texts, readable = [], [], []
        for place in places:
            opened, text = open_all(asks[place]), self._prompt(asks[place])
            if isinstance(opened, UserError) or isinstance(text, UserError):
                yield place, opened if isinstance(opened, UserError) else text  # type: ignore[misc]
                continue
            images.append(opened)
            texts.append(text)
            readable.append(place)
        if not readable:
            return
        refused: str | None = None
        try:
            found = self._answers(asks, readable, texts, images if asks[readable[0]].images else None)
        except (ValueError, torch.OutOfMemoryError) as error:
            if len(readable) == 1 and not isinstance(error, ValueError):
                raise
            refused = " ".join(str(error).split())[:_TOLD]
        # Not in the handler, which would hold on to the memory of what has failed.
        if refused is None:
            yield from found
        elif len(readable) == 1:
            yield readable[0], UserError(f"the model or its processor refuses this: {refused}")
        else:  # one item's fault, such as an image far too narrow, is not that of the batch
            half = len(readable) // 2
            for part in (readable[:half], readable[half:]):
                yield from self._batch(asks, part)

    def _answers(
        self,
        asks: Sequence[Ask],
        places: Sequence[int],
        texts: Sequence[str],
        images: Sequence[Any] | None,
    ) -> list[tuple[int, Answer | UserError]]:
        """Answers to asks of one kind.

        Raises:
            ValueError: if the processor or the model refuses a text or an image.
        """
        import torch

        inputs = self._inputs(texts, images)
        with torch.inference_mode():
            if asks[places[0]].how == "next_token":
                logits = self.model(**inputs, **_last_only(self.model)).logits[:, -1].float()
                return list(self._chosen(asks, places, torch.log_softmax(logits, dim=-1)))
            sureness = Sureness()
            out = self.model.generate(
                **inputs,
                max_new_tokens=asks[places[0]].max_new_tokens,
                do_sample=False,
                num_beams=1,
                logits_processor=[sureness],
            )
        new = out[:, inputs["input_ids"].shape[1] :]
        ends = _ends(self.model)
        found: list[tuple[int, Answer | UserError]] = []
        for row, (place, ids) in enumerate(zip(places, new.tolist(), strict=True)):
            text = self.processor.tokenizer.decode(ids, skip_special_tokens=True).strip()
            stop = next((step for step, token in enumerate(ids) if token in ends), None)
            length = len(ids) if stop is None else stop + 1
            stopped = "length" if stop is None else "stop"
            found.append((place, Answer(text, stopped, sure=sureness.of(row, length))))
        return found

    def _inputs(self, texts: Sequence[str], images: Sequence[Any] | None) -> Any:
        """What the model takes, on its device.

        Raises:
            ValueError: if the processor refuses a text or an image.
        """
        settings: dict[str, Any] = {} if images is None else {"images": images}
        first = self.processor.tokenizer.bos_token
        if first and all(text.startswith(first) for text in texts):
            settings["add_special_tokens"] = False  # the chat template has written the first token
        inputs = self.processor(text=texts, padding=True, return_tensors="pt", **settings)
        return inputs.to(self.model.device, self.model.dtype)

    def _prompt(self, ask: Ask) -> str | UserError:
        turns = conversation(ask)
        try:
            check(ask, turns)
        except UserError as error:
            return error
        chat = [
            {
                "role": said.role,
                "content": [
                    {"type": "image"} if piece is None else {"type": "text", "text": piece}
                    for piece in said.pieces()
                ],
            }
            for said in turns
        ]
        return str(self.processor.apply_chat_template(chat, add_generation_prompt=True))

    def _chosen(
        self, asks: Sequence[Ask], places: Sequence[int], logprobs: Any
    ) -> Iterator[tuple[int, Answer | UserError]]:
        """The option whose first token is likeliest, with or without a space before it."""
        for place, row in zip(places, logprobs, strict=True):
            options = asks[place].options
            firsts = self._firsts(options)
            if not all(firsts):
                told = ", ".join(map(repr, options))
                yield place, UserError(f"the options {told} cannot be told apart by their first token")
                continue
            scores = tuple(max(float(row[token]) for token in tokens) for tokens in firsts)
            best = max(range(len(options)), key=scores.__getitem__)
            yield place, Answer(asks[place].meanings[best], "decided", scores)

    def _firsts(self, options: Sequence[str]) -> list[set[int]]:
        """First tokens of each option; what stands before an answer differs between chat templates.

        What two options begin with speaks for neither: Llama's tokenizer makes a lone space and a letter of
        " A", and that space is the first token of " B" as well.
        """
        tokenizer = self.processor.tokenizer
        found = [
            {tokenizer(text, add_special_tokens=False).input_ids[0] for text in (option, f" {option}")}
            for option in options
        ]
        times = Counter(token for tokens in found for token in tokens)
        return [{token for token in tokens if times[token] == 1} for tokens in found]


class Sureness:
    """Notes what probability the likeliest token has at each step, which greedy decoding takes.

    It stands behind the processors of the model's own generation settings and changes nothing. Keeping all
    logits instead would take as much memory as the vocabulary is large.
    """

    def __init__(self) -> None:
        self._steps: list[Any] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Takes (rows, vocabulary) scores of the next token, and gives them back."""
        wide = scores.float()
        self._steps.append(wide.amax(dim=-1) - wide.logsumexp(dim=-1))
        return scores

    def of(self, row: int, length: int) -> float:
        """Log-probability of the first tokens of a row."""
        return float(sum(float(step[row]) for step in self._steps[:length]))


def _last_only(model: Any) -> dict[str, int]:
    """What spares a model the logits of all positions but the last, where it knows how."""
    import inspect

    return {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}


def _ends(model: Any) -> set[int]:
    ids = model.generation_config.eos_token_id
    return set() if ids is None else {ids} if isinstance(ids, int) else set(ids)
