"""A chat template in Jinja that writes what a template here writes, for other tools (transformers, vLLM)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmtune.records import IMAGE_PLACEHOLDER
from mmtune.templates.base import RoundLayout, Template
from mmtune.templates.from_tokenizer import TokenizerTemplate
from mmtune.templates.plain import Plain
from mmtune.templates.vocabulary import vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Parts of a message stand in their own order; a newline parts an image from what is beside it, as in the
# records that LLaVA models are tuned on.
_WORDS = (
    "{%- macro words(content) -%}"
    "{%- if content is string -%}"
    "{{ content | replace(PLACE, IMAGE) | replace(IMAGE + IMAGE, PAIR) }}{%- else -%}"
    "{%- for part in content -%}"
    "{%- if not loop.first and 'image' in (part['type'], loop.previtem['type']) -%}{{ '\\n' }}{%- endif -%}"
    "{%- if part['type'] == 'image' -%}{{ IMAGE }}{%- else -%}{{ part['text'] }}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{%- endmacro -%}"
)

# Where a special token follows an image, there is no text for the gap behind it to open.
_CLOSED = "{%- macro closed(text) -%}{{ text[:-1] if text.endswith(PLACE + ' ') else text }}{%- endmacro -%}"

_ROUNDS = (
    "{%- if messages[0]['role'] == 'system' -%}"
    "{%- set system = WORDS_OF_FIRST -%}{%- set turns = messages[1:] -%}"
    "{%- else -%}{%- set system = SYSTEM -%}{%- set turns = messages -%}{%- endif -%}"
    "{%- if system -%}{{ SYSTEM_OPEN + system + SYSTEM_CLOSE }}{%- endif -%}"
    "{%- for message in turns -%}"
    "{%- if message['role'] == 'user' -%}"
    "{{ (FIRST_OPEN if loop.first and system else USER_OPEN) + USER_WORDS + USER_CLOSE }}"
    "{%- if not loop.last or add_generation_prompt -%}{{ ASSISTANT_OPEN }}{%- endif -%}"
    "{%- else -%}{{ ANSWER_LEAD + WORDS + END }}{%- endif -%}"
    "{%- endfor -%}"
)

_CAPTIONS = (
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'user' -%}"
    "{%- for piece in words(message['content']).split(IMAGE)[1:] -%}{{ IMAGE }}{%- endfor -%}"
    "{%- elif message['role'] == 'assistant' -%}{{ words(message['content']) + END }}{%- endif -%}"
    "{%- endfor -%}"
)

_FLATTENED = (
    "{%- set flat = namespace(messages=[]) -%}"
    "{%- for message in messages -%}"
    "{%- set flat.messages = flat.messages + "
    "[{'role': message['role'], 'content': USER_WORDS}] -%}"
    "{%- endfor -%}{%- set messages = flat.messages -%}"
)


def chat_template(template: Template, tokenizer: PreTrainedTokenizerBase) -> str:
    """Jinja source that renders messages as ``template`` does, without the tokenizer's first token.

    A message's content is a text, or a list of ``{"type": "image"}`` and ``{"type": "text", "text": …}``.

    Args:
        template: a template that is fitted to the tokenizer.
        tokenizer: the one that reads the text. It may put a space before a text, as Llama's does, which LLaVA
            is trained with behind an image, too; other tools do so only at the start, so it is written.

    Raises:
        TypeError: the template is of a kind that has no Jinja form.
    """
    gap = _gap(tokenizer)
    if isinstance(template, TokenizerTemplate):
        source = (_WORDS + _CLOSED + _FLATTENED).replace("USER_WORDS", "closed(words(message['content']))")
        return _filled(source, IMAGE=IMAGE_PLACEHOLDER + gap) + str(tokenizer.chat_template)
    if isinstance(template, Plain):
        return _filled(_WORDS + _CAPTIONS, IMAGE=IMAGE_PLACEHOLDER, END=template.end)
    if not isinstance(template, RoundLayout):
        raise TypeError(f"no Jinja form for {type(template).__name__}")
    trim = " | trim" if template.strips else ""
    source = (_WORDS + _CLOSED + _ROUNDS).replace("WORDS_OF_FIRST", f"(words(messages[0]['content']){trim})")
    told = f"(words(message['content']){trim})"
    following = vocabulary(tokenizer).split_special(template.user_close + template.assistant_open)
    ended = f"closed({told})" if gap and not following[0] else told
    source = source.replace("USER_WORDS", ended).replace(" WORDS ", f" {told} ")
    first = template.user_open if template.first_user_open is None else template.first_user_open
    return _filled(
        source,
        IMAGE=template.image_open + IMAGE_PLACEHOLDER + gap + template.image_close,
        SYSTEM_OPEN=template.system_open,
        SYSTEM_CLOSE=template.system_close,
        SYSTEM=template.system,
        FIRST_OPEN=first,
        USER_OPEN=template.user_open,
        USER_CLOSE=template.user_close,
        ASSISTANT_OPEN=template.assistant_open,
        ANSWER_LEAD=template.answer_lead,
        END=template.end + template.after_end,
    )


def _gap(tokenizer: PreTrainedTokenizerBase) -> str:
    """The space that the tokenizer puts before a text and not inside one, or nothing."""
    words = vocabulary(tokenizer)
    opening = words.encode("a", opening=True)
    inside = words.encode("a", opening=False)
    return " " if opening != inside and opening == words.encode(" a", opening=False) else ""


def _filled(source: str, **texts: str) -> str:
    """Put string literals in place of the names in capitals, longer names first."""
    texts["PLACE"] = IMAGE_PLACEHOLDER
    texts["PAIR"] = texts["IMAGE"].replace(IMAGE_PLACEHOLDER + " ", IMAGE_PLACEHOLDER) + texts["IMAGE"]
    parts = [source]
    for name in sorted(texts, key=len, reverse=True):
        literal = texts[name].replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
        # Only gaps are searched on, so that no name is found inside a text that has been put in.
        parts = [
            piece
            for number, part in enumerate(parts)
            for piece in (part.replace(name, f"\0'{literal}'\0").split("\0") if number % 2 == 0 else [part])
        ]
    return "".join(parts)
