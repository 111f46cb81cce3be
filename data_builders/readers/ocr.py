"""What is written in an image: lines with boxes (FUNSD, XFUND, OCR of documents) and LLaVAR's text alone.

Source: the released JSON of FUNSD and XFUND, whose segments ProcTag's data share with ``layout_info`` beside
them, and LLaVAR's context file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from data_builders.problems import Problem, Report
from data_builders.readers.fields import (
    RowError,
    box_of,
    first_of,
    id_of,
    name_of,
    row_name,
    rows_of,
    size_of,
    text_of,
)
from data_builders.readers.inputs import Inputs, Reader
from data_builders.readers.peek import Peek, peek
from data_builders.readers.pictures import SUFFIXES, Pictures
from data_builders.readers.rows import stream_rows
from data_builders.readers.streaming import stream_items
from data_builders.scenes import Scene, SceneObject

LINE = "line"
"""The class of a segment of writing; those of ``layout_info`` keep their own."""
_SEGMENTS = ("form", "document", "ocr", "lines")
_LISTS = (*_SEGMENTS, "layout_info")
_IMAGE = ("image", "file_name", "fname")


def recognises(peek: Peek) -> bool:
    """Segments with box and text, or LLaVAR's rows whose captions are one text; or a folder of such files."""
    if peek.names:
        return peek.first_json is not None and recognises(peek.first_json)
    row = peek.row
    if peek.is_rows:
        captions = row.get("captions")
        read_out = isinstance(captions, str) and "\n\n" in captions
        writing = read_out or any(_is_segments(row.get(key)) for key in _SEGMENTS)
        return ("image" in row and writing) or {"box", "text"} <= set(row)
    # The first file of a folder may be of an empty page.
    return "documents" in peek.keys or "form" in peek.keys or "layout_info" in peek.keys


def read(inputs: Inputs, report: Report) -> Iterator[Scene]:
    """One scene a page: its lines as objects with ``text``, in the order given, taken as reading order.

    The words of a line, where they are boxed, are in its ``source``. A file of one page (FUNSD's, or a bare
    list of segments) names its image, or has its name.

    Args:
        inputs: files or their folder.
        report: told of every page, line and layout box that is left out.

    Raises:
        UserError: a file is not readable or malformed.
    """
    pictures = Pictures(inputs.images)
    for path in inputs.paths:
        files = sorted(path.glob("*.json")) + sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
        for file in files:
            for name, row in _pages(file, report):

                def problem(part: str, reason: str, page: str = name, where: str = str(file)) -> None:
                    report(Problem(f"{page}, {part}" if part else page, reason, where))

                try:
                    yield _scene(row, pictures, problem)
                except RowError as error:
                    problem("", error.reason)


def _pages(file: Path, report: Report) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and content of each page of a file."""
    seen = peek(file)
    if seen.is_rows and {"box", "text"} <= set(seen.row):
        lines = []
        for item in stream_items(file):
            if item.error:
                report(Problem(row_name("line", item.value, "id", index=item.index), item.error, str(file)))
            else:
                lines.append(item.value)
        yield f"page {file.stem}", {"id": file.stem, "form": lines}
    elif seen.is_rows:
        has_pages = False
        for name, row in stream_rows(file, report):
            has_pages = True
            yield row_name(f"{name}, page", row, "id", "image"), row
        if not has_pages:
            report(Problem(f"page {file.stem}", "there is nothing in its file", str(file)))
    else:
        yield from _page_file(file, report)


def _page_file(file: Path, report: Report) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The page of FUNSD's file, or the pages of XFUND's."""
    page: dict[str, Any] = {"id": file.stem}
    has_documents = False
    for item in stream_items(file, opened=lambda key: key in ("documents", *_LISTS)):
        row = item.value
        if item.key in _LISTS and item.index >= 0:
            # One by one, so that a line which is not UTF-8 is one bad line.
            listed = page.setdefault(item.key, [])
            if item.error:
                report(Problem(row_name("line", row, "id", index=item.index), item.error, str(file)))
            else:
                listed.append(row)
            continue
        if item.key != "documents":
            if item.error:
                report(Problem(item.key, item.error, str(file)))
            else:
                page[item.key] = row
            continue
        has_documents = True
        name = row_name("document", row, "id", index=item.index)
        if item.error or not isinstance(row, dict):
            report(Problem(name, item.error or "it is not an object", str(file)))
            continue
        picture = row.get("img")
        yield name, {**row, **(picture if isinstance(picture, dict) else {})}
    if not has_documents:
        yield f"page {file.stem}", page


def _scene(row: Mapping[str, Any], pictures: Pictures, problem: Callable[[str, str], None]) -> Scene:
    stated = first_of(row, *_IMAGE)
    if stated is not None and not isinstance(stated, str):
        raise RowError(f"its image is a {type(stated).__name__}")
    page_id = id_of(row, "id", "uid", *_IMAGE)
    image = pictures.find([stated] if stated else [f"{page_id}{suffix}" for suffix in reversed(SUFFIXES[:3])])
    size = pictures.size(image, size_of(row))
    captions, texts = _llavar(row)
    objects = _lines(row, size, problem) + _layout(row, size, problem)
    if not objects and not texts and not captions:
        raise RowError("nothing that can be read is left of it")
    source = {"format": "ocr", "id": page_id}
    return Scene(page_id, image, *size, tuple(objects), captions=captions, source=source, texts=texts)


def _llavar(row: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A caption, a blank line, and what OCR read, all in one text."""
    context = row.get("captions")
    if not isinstance(context, str):
        return (), ()
    caption, _, writing = context.replace("\r\n", "\n").partition("\n\n")
    if not caption.strip() and not writing.strip():
        raise RowError("the captions are empty")
    captions = (text_of(caption, "caption"),) if caption.strip() else ()
    return captions, tuple(text_of(line, "line") for line in writing.split("\n") if line.strip())


def _lines(
    row: Mapping[str, Any], size: tuple[int, int], problem: Callable[[str, str], None]
) -> list[SceneObject]:
    found: list[SceneObject] = []
    for index, line in enumerate(rows_of(first_of(row, *_SEGMENTS), "the list of lines")):
        try:
            if not isinstance(line, Mapping):
                raise RowError("it is not an object")
            text = text_of(line.get("text"), "text")
            box, _ = box_of(_corners(line.get("box")), "xyxy", size)
        except RowError as error:
            problem(row_name("line", line, "id", index=index), error.reason)
            continue
        source = {key: line[key] for key in ("id", "label", "words", "linking") if key in line}
        found.append(SceneObject(f"t{index}", LINE, box, text=text, source=source))
    return found


def _layout(
    row: Mapping[str, Any], size: tuple[int, int], problem: Callable[[str, str], None]
) -> list[SceneObject]:
    found: list[SceneObject] = []
    for index, part in enumerate(rows_of(row.get("layout_info"), "layout_info")):
        try:
            if not isinstance(part, Mapping):
                raise RowError("it is not an object")
            box, _ = box_of(_corners(part.get("box")), "xyxy", size)
            found.append(SceneObject(f"r{index}", name_of(part.get("class"), "class"), box))
        except RowError as error:
            problem(f"layout box number {index}", error.reason)
    return found


def _corners(box: Any) -> Any:
    """A box of two corners, or around the four points that OCR engines give; anything else as it is."""
    try:
        xs, ys = [point[0] for point in box], [point[1] for point in box]
        return [min(xs), min(ys), max(xs), max(ys)] if len(xs) == 4 else box
    except (TypeError, IndexError, KeyError):
        return box


def _is_segments(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) and "box" in item for item in value)


READER = Reader("OCR lines: FUNSD, XFUND, documents, LLaVAR", recognises, read)
