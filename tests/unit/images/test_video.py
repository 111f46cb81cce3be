"""Videos: frames of a folder, of a GIF and of a video file, chosen evenly and within a budget of tokens."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmtune.errors import UserError
from mmtune.images.decoding import ImageError
from mmtune.images.geometry import Grid, ViewGeometry, ViewTokens
from mmtune.images.loading import image_size, load_image
from mmtune.images.policies import get_policy
from mmtune.images.policies.base import ImagePolicy
from mmtune.images.settings import ImagesConfig
from mmtune.images.video import choose_frames, find_video, load_clip, load_frames, plan_frames
from mmtune.records import ImageRef

FRAMES = 12
SIZE = (64, 48)


def _frame(number: int) -> Image.Image:
    return Image.new("RGB", SIZE, (number * 20, 255 - number * 20, 100))


def _number(image: Image.Image) -> int:
    """Which frame an image shows, by its colour."""
    return round(float(np.asarray(image)[..., 0].mean()) / 20)


def _write_mp4(file: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(FRAMES):
            for packet in stream.encode(av.VideoFrame.from_image(_frame(number))):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("videos")
    (root / "folder").mkdir()
    for number in range(FRAMES):
        _frame(number).save(root / "folder" / f"frame{number}.png")  # frame10 comes before frame2 by letters
    frames = [_frame(number) for number in range(FRAMES)]
    frames[0].save(root / "clip.gif", save_all=True, append_images=frames[1:], duration=100)
    (root / "empty").mkdir()
    _write_mp4(root / "clip.mp4")
    return root


def _policy(name: str = "square", **more: int) -> ImagePolicy:
    return get_policy(name, ViewGeometry(16, 4), ViewTokens(16, Grid(4, 4)), ImagesConfig(**more))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(count=st.integers(1, 5000), most=st.integers(1, 64))
def test_frames_are_spread_from_the_first_to_the_last(count: int, most: int) -> None:
    chosen = choose_frames(count, most)
    assert len(chosen) == min(count, most) and chosen == sorted(set(chosen))
    assert chosen[0] == 0 and (len(chosen) == 1 or chosen[-1] == count - 1)
    gaps = np.diff(chosen)
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("path", ["folder", "clip.gif", "clip.mp4"])
def test_every_kind_gives_the_frames_asked_for(root: Path, path: str) -> None:
    video = find_video(root, path)
    assert (video.count(), video.size()) == (FRAMES, SIZE)
    frames = load_clip(root, ImageRef(path, video=True), _policy(video_frames=4))
    assert [_number(frame) for frame in frames] == [0, 3, 7, 11]
    assert all(frame.size == SIZE and frame.mode == "RGB" for frame in frames)
    assert image_size(root, ImageRef(path, frame=5)) == SIZE
    assert _number(load_image(root, ImageRef(path, frame=5))) == 5


def test_a_budget_of_tokens_takes_fewer_frames(root: Path) -> None:
    ref = ImageRef("clip.gif", video=True)
    assert len(plan_frames(root, ref, _policy(video_frames=8))) == 8
    planned = plan_frames(root, ref, _policy(video_frames=8, video_tokens=50))
    assert planned == [ImageRef("clip.gif", frame=number) for number in (0, 5, 11)]
    assert len(plan_frames(root, ref, _policy("anyres", video_frames=8, video_tokens=50))) == 2, (
        "newlines count"
    )
    with pytest.raises(ImageError, match="one frame gives 16 visual tokens and the limit is 9"):
        plan_frames(root, ref, _policy(video_tokens=9))


def test_a_video_shorter_than_it_says_repeats_its_last_frame(root: Path) -> None:
    refs = [ImageRef("clip.mp4", frame=number) for number in (2, 50, 90)]
    assert [_number(frame) for frame in load_frames(root, refs)] == [2, 2, 2]


def test_names_may_hold_digits_of_any_kind(tmp_path: Path) -> None:
    for name in ("²10.png", "²9.png"):
        _frame(1).save(tmp_path / name)
    assert find_video(tmp_path.parent, tmp_path.name).count() == 2


def test_frames_of_other_sizes_are_brought_to_the_first(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    for number, size in enumerate([(20, 10), (40, 40)]):
        Image.new("RGB", size).save(tmp_path / "v" / f"{number}.png")
    frames = load_clip(tmp_path, ImageRef("v", video=True), _policy())
    assert [frame.size for frame in frames] == [(20, 10), (20, 10)]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("empty", "holds no frames"),
        ("gone.mp4", "does not exist"),
        ("../clip.gif", "climbs out"),
        ("text.mp4", "cannot be decoded"),
        ("list.m3u8", "cannot be decoded"),
        ("cut.gif", "not an image|cannot be decoded|header"),
    ],
)
def test_what_is_no_video_is_refused(root: Path, path: str, message: str) -> None:
    (root / "text.mp4").write_text("no video " * 50)
    (root / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:1,\n{root / 'clip.mp4'}\n#EXT-X-ENDLIST\n")
    (root / "cut.gif").write_bytes((root / "clip.gif").read_bytes()[:20])
    with pytest.raises(ImageError, match=message):
        load_clip(root, ImageRef(path, video=True), _policy())


def test_without_pyav_the_message_says_what_to_install(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert find_video(root, "clip.gif").count() == FRAMES
    with pytest.raises(UserError, match=r"pip install 'mmtune\[video\]'"):
        find_video(root, "clip.mp4").count()
