"""The demo page: images and videos in, a streamed conversation out, and every error as it really is."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmtune.errors import UserError
from mmtune.serve.conversation import Conversation
from mmtune.serve.files import Shown, looks_like_video, open_all

if TYPE_CHECKING:
    from mmtune.decode.engine import Engine
    from mmtune.records import Turn

log = logging.getLogger(__name__)

LARGEST_UPLOAD = "64mb"
MOST_TOKENS = 1024

Messages = list[dict[str, str]]
Memory = tuple[tuple[str, ...], tuple["Turn", ...]]
"""The files that the conversation is about, and its turns."""

NOTHING: Memory = ((), ())


def _gradio() -> Any:
    """gradio, without its telemetry.

    Raises:
        UserError: if it is not installed.
    """
    # Read at import: nothing about the page or its users leaves this machine.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import gradio
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "gradio":
            raise
        raise UserError("The demo page needs gradio", fix="run: pip install 'mmtune[demo]'") from error
    return gradio


def launch(checkpoint: str | Path, host: str = "127.0.0.1", port: int = 7860, share: bool = False) -> None:
    """Serve a checkpoint as a page until interrupted.

    Args:
        checkpoint: folder of the checkpoint.
        host: address to listen on; the default is this machine only.
        port: port to listen on.
        share: also through gradio's public tunnel.

    Raises:
        UserError: if gradio is missing, the checkpoint cannot be used, or the port is taken.
    """
    _gradio()
    from mmtune.decode.engine import Engine

    engine = Engine.from_checkpoint(checkpoint)
    page, url = start(build(engine, title=f"mmtune: {Path(checkpoint).resolve().name}"), host, port, share)
    log.info("the page is at %s (Ctrl-C ends it)", url)
    try:
        page.block_thread()
    finally:
        page.close(verbose=False)


def start(page: Any, host: str, port: int, share: bool = False) -> tuple[Any, str]:
    """Serve a built page in the background; the page and its address.

    Raises:
        UserError: if the address or port cannot be had.
    """
    gradio = _gradio()
    # Fonts of the system: the page asks nothing of any other server.
    theme = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    try:
        _, local, public = page.queue(default_concurrency_limit=1, max_size=32).launch(
            server_name=host,
            server_port=port,
            share=share,
            prevent_thread_lock=True,
            quiet=True,
            show_error=True,
            ssr_mode=False,
            max_file_size=LARGEST_UPLOAD,
            theme=theme,
        )
    except OSError as error:
        raise UserError(
            f"The page cannot be served: {str(error).splitlines()[0].rstrip('.')}",
            f"{host}:{port}",
            "choose another --port or --host",
        ) from error
    return page, str(public or local)


def build(engine: Engine, title: str = "mmtune") -> Any:
    """The page: image, further files, conversation, question, settings.

    Args:
        engine: answers the questions.
        title: of the page.

    Returns:
        ``gradio.Blocks``; its endpoint ``/ask`` is for programs.
    """
    gradio = _gradio()
    with gradio.Blocks(title=title, analytics_enabled=False) as page:
        gradio.Markdown(f"# {title}")
        memory = gradio.State(NOTHING)
        with gradio.Row():
            with gradio.Column(scale=1):
                # The file itself, so that it is opened under the same limits as everywhere in mmtune.
                image = gradio.Image(
                    label="Image", type="filepath", image_mode=None, sources=["upload", "clipboard"]
                )
                more = gradio.File(label="More images, or videos", file_count="multiple", type="filepath")
                temperature = gradio.Slider(0.0, 2.0, 0.0, step=0.05, label="Temperature (0: the likeliest)")
                top_p = gradio.Slider(0.05, 1.0, 1.0, step=0.05, label="Top p")
                tokens = gradio.Slider(1, MOST_TOKENS, 256, step=1, label="Longest answer, in tokens")
            with gradio.Column(scale=2):
                # What a model writes is shown as text: neither Markdown nor HTML in it has any effect.
                chat = gradio.Chatbot(label="Conversation", render_markdown=False)
                question = gradio.Textbox(label="Question", placeholder="Ask about the image", lines=1)
                with gradio.Row():
                    ask = gradio.Button("Ask", variant="primary")
                    clear = gradio.Button("Clear")

        def answer(*values: Any) -> Iterator[tuple[Messages, Memory, str]]:
            yield from respond(engine, *values)

        asked = gradio.on(
            [question.submit, ask.click],
            answer,
            inputs=[question, image, memory, chat, temperature, top_p, tokens, more],
            outputs=[chat, memory, question],
            api_name="ask",
        )
        clear.click(
            lambda: ([], NOTHING, "", None, None),
            None,
            [chat, memory, question, image, more],
            queue=False,
            cancels=[asked],
            api_name="clear",
        )
    return page


def respond(
    engine: Engine,
    question: str,
    image: str | None,
    memory: Memory,
    shown: list[Any],
    temperature: float,
    top_p: float,
    max_new_tokens: float,
    more: list[str] | None = None,
) -> Iterator[tuple[Messages, Memory, str]]:
    """One question of the page: what it shows, remembers and leaves in the question box, piece by piece.

    Other files begin another conversation. An error is shown in the conversation, but not remembered.
    """
    from mmtune.decode.requests import Settings

    before, turns = memory
    looked_at = [Shown(Path(image))] if image else []
    looked_at += [Shown(Path(file), video=looks_like_video(file)) for file in more or []]
    files = tuple(str(file.path) for file in looked_at)
    if files != before:
        turns, shown = (), []
    shown = [*shown, {"role": "user", "content": question}]
    reply = ""
    yield [*shown, {"role": "assistant", "content": "…"}], memory, ""
    try:
        settings = Settings(int(max_new_tokens), float(temperature), float(top_p))
        conversation = Conversation(engine, open_all(looked_at, engine.bundle.policy), turns)
        for piece in conversation.ask(question, settings):
            reply += piece
            yield [*shown, {"role": "assistant", "content": reply}], memory, ""
    except Exception as error:  # the page is the outermost frame, and must show what happened
        log.exception("the question could not be answered")
        message = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        yield [*shown, {"role": "assistant", "content": f"{reply}\n⚠ {message}".strip()}], memory, question
        return
    reply = reply or "(an empty answer)"
    yield [*shown, {"role": "assistant", "content": reply}], (files, conversation.turns), ""
