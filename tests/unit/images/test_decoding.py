"""Opening images that may be anything: each refusal is one clear sentence, each kind becomes RGB."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from mmtune.images.decoding import ImageError
from mmtune.images.loading import image_size, load_image
from mmtune.records import ImageRef


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (6, 4), (200, 100, 50)).save(folder / "good.png")
    Image.new("RGB", (6, 4), (1, 2, 3)).save(tmp_path / "outside.png")
    return folder


def _png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_a_reference_and_its_path_give_the_same_image(root: Path) -> None:
    image = load_image(root, ImageRef("good.png"))
    assert image.mode == "RGB" and image.size == (6, 4) and image.getpixel((0, 0)) == (200, 100, 50)
    assert image_size(root, "good.png") == (6, 4)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing.png", "does not exist"),
        ("no/such/folder/a.png", "does not exist"),
        ("good.png/a.png", "cannot be reached"),
        ("", "empty"),
        (".", "not a file"),
        ("a\0b.png", "zero byte"),
        ("../outside.png", "climbs out"),
        ("sub/../../outside.png", "climbs out"),
        ("..\\outside.png", "climbs out"),
        ("/etc/hostname", "absolute"),
        ("C:\\pictures\\a.png", "absolute"),
        ("link.png", "symbolic link"),
        ("linked/outside.png", "symbolic link"),
    ],
)
def test_a_path_must_lead_to_a_file_inside_the_root(root: Path, path: str, reason: str) -> None:
    (root / "link.png").symlink_to(root.parent / "outside.png")
    (root / "linked").symlink_to(root.parent)
    for read in (load_image, image_size):
        with pytest.raises(ImageError, match=reason) as caught:
            read(root, path)
        assert str(caught.value).count("\n") == 0


def test_links_within_the_root_and_a_linked_root_are_fine(root: Path) -> None:
    (root / "twin.png").symlink_to(root / "good.png")
    (root.parent / "root-link").symlink_to(root)
    assert load_image(root.parent / "root-link", "twin.png").size == (6, 4)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("zero.jpg", b"", r"empty \(0 bytes\)"),
        ("page.jpg", b"<!DOCTYPE html><html>404</html>", "not an image"),
        ("bomb.png", _png_header(60_000, 60_000), "gigantic"),
        ("large.png", _png_header(10_000, 10_000), "gigantic: 10000 x 10000"),
        ("strip.png", _png_header(2_000_000, 1), "strip of 2000000 x 1 pixels"),
        ("hollow.png", _png_header(30, 30), "damaged or cut short"),
        ("script.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    ],
)
def test_bad_files_are_refused(root: Path, name: str, content: bytes, reason: str) -> None:
    (root / name).write_bytes(content)
    with pytest.raises(ImageError, match=reason) as caught:
        load_image(root, name)
    assert name in str(caught.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_a_truncated_image_is_refused_and_pillow_is_left_alone(root: Path, kind: str) -> None:
    whole = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(whole, kind)
    (root / "cut").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    with pytest.raises(ImageError):
        load_image(root, "cut")
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_a_wrong_suffix_does_not_matter(root: Path) -> None:
    os.rename(root / "good.png", root / "really-a-png.jpg")
    assert load_image(root, "really-a-png.jpg").size == (6, 4)


def test_the_size_limit_is_a_parameter(root: Path) -> None:
    with pytest.raises(ImageError, match="more than the 23 allowed"):
        load_image(root, "good.png", max_pixels=23)
    assert load_image(root, "good.png", max_pixels=24).size == (6, 4)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "YCbCr", "F", "I"])
def test_every_mode_becomes_rgb(root: Path, mode: str) -> None:
    suffix = "jpg" if mode == "YCbCr" else "tif"
    Image.new("L", (5, 3), 255).convert(mode).save(root / f"x.{suffix}")
    image = load_image(root, f"x.{suffix}")
    assert image.mode == "RGB" and image.size == (5, 3) and image.info == {}


def test_sixteen_bit_grey_is_scaled_not_clipped(root: Path) -> None:
    values = np.array([[0, 257, 25_700, 65_535]], dtype=np.uint16)
    Image.fromarray(values).save(root / "deep.png")
    assert [p[0] for p in np.asarray(load_image(root, "deep.png"))[0]] == [0, 1, 100, 255]


def test_an_animation_gives_its_first_frame(root: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(root / "a.gif", save_all=True, append_images=frames[1:])
    red, _, blue = load_image(root, "a.gif").getpixel((0, 0))
    assert red > 250 and blue < 5


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_exif_rotation_is_applied_and_sizes_agree(root: Path, tag: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = tag
    Image.new("RGB", (32, 16), "white").save(root / f"x.{kind}", exif=exif)
    upright = (16, 32) if tag >= 5 else (32, 16)
    assert load_image(root, f"x.{kind}").size == upright == image_size(root, f"x.{kind}")
    assert load_image(root, f"x.{kind}", orientation="ignore").size == (32, 16)
    assert image_size(root, f"x.{kind}", orientation="ignore") == (32, 16)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
@pytest.mark.parametrize("tag", range(1, 9))
def test_a_tiff_is_turned_once(root: Path, tag: int, compression: str) -> None:
    picture = Image.fromarray(np.random.RandomState(0).randint(0, 256, (16, 32, 3)).astype(np.uint8))
    picture.save(root / "x.tif", tiffinfo={0x0112: tag}, compression=compression)
    exif = Image.Exif()
    exif[0x0112] = tag
    picture.save(root / "x.png", exif=exif)
    for orientation in ("exif", "ignore"):
        turned = load_image(root, "x.tif", orientation=orientation)
        assert image_size(root, "x.tif", orientation=orientation) == turned.size
        assert turned.tobytes() == load_image(root, "x.png").tobytes()


def test_broken_exif_does_not_cost_the_image(root: Path) -> None:
    Image.new("RGB", (8, 8)).save(root / "x.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert load_image(root, "x.jpg").size == (8, 8)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"]))
def test_a_damaged_image_is_an_image_or_an_image_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, kind: str
) -> None:
    root = tmp_path_factory.getbasetemp()
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize((24, 24)).convert("RGB").save(buffer, kind)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (root / "damaged").write_bytes(bytes(content))
    try:
        outcome = load_image(root, "damaged", max_pixels=1_000_000).mode
    except ImageError as error:
        outcome = str(error)
    assert outcome == "RGB" or "\n" not in outcome


def test_the_error_survives_a_process_border() -> None:
    error = ImageError("the image file is empty", "a.png", "copy it again")
    assert (
        str(pickle.loads(pickle.dumps(error)))
        == str(error)
        == "the image file is empty (a.png); copy it again."
    )
