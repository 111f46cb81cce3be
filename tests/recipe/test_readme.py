"""Every command that README shows is run here as it stands there, on small data."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests import processes
from tests.tiny_run import write_recipe

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MMTUNE = ["-m", "mmtune"]


def shell_lines(text: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [re.sub(r"\s+#.*$", "", line).strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


COMMANDS = shell_lines(README)


def run(words: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """``python WORDS``, forked from a process that has PyTorch already."""
    return ended_well(processes.run(words, cwd=cwd, env=environment()))


def run_alone(words: list[str], cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """As a user runs it: ``python WORDS``, or a program, by an interpreter that is started for it."""
    program = [sys.executable, *words] if words[0] == "-m" else words
    return ended_well(
        subprocess.run(
            program, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=600, **settings
        )
    )


def ended_well(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert done.returncode == 0, (
        f"{done.args} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    )
    return done


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where README's commands work: a small quickstart, a photo, one's own data and recipe."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("readme")
    run([*MMTUNE, "quickstart", "--scale", "smoke", "--out", "OUT/quickstart"], folder)
    held_out = sorted((folder / "OUT" / "quickstart" / "data" / "images" / "test").iterdir())[0]
    Image.open(held_out).convert("RGB").save(folder / "photo.jpg")
    recipe = write_recipe(folder / "own")
    tree = yaml.safe_load(recipe.read_text())
    (folder / "images").mkdir()
    for image in (folder / "own").glob("*.png"):
        shutil.copy(image, folder / "images")
    shutil.copy(folder / "own" / "records.json", folder / "my-data.json")
    tree["data"]["train"] = [{"path": "my-data.json", "image_root": "images"}]
    tree["out"] = "runs/mine"
    (folder / "my-recipe.yaml").write_text(yaml.safe_dump(tree))
    return folder


def ask_in_the_terminal(words: list[str], folder: Path) -> None:
    done = run_alone(words, folder, input="What is in the image?\nIs there a star in the image?\n")
    assert len(done.stdout.strip().splitlines()) >= 2


def open_the_page(words: list[str], folder: Path) -> None:
    pytest.importorskip("gradio")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, *words, "--port", str(port)],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A test run in the background of a shell would hand down that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        page = wait_for(f"http://127.0.0.1:{port}/", process)
        assert "mmtune" in page
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert "Traceback" not in output


def wait_for(address: str, process: subprocess.Popen[str]) -> str:
    """The page at an address, as soon as somebody serves it."""
    for _ in range(240):
        assert process.poll() is None, process.communicate()[0]
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"nobody serves {address}")


def train_with_two_processes(words: list[str], folder: Path) -> None:
    two = [word if word != "8" else "2" for word in words]
    run_alone(["torchrun", "--standalone", *two[1:], "--out", "runs/two", "--engine.device", "cpu"], folder)
    assert list((folder / "runs" / "two" / "checkpoints").glob("step-*"))


def just_run(words: list[str], folder: Path) -> None:
    run(words, folder)


def just_run_alone(words: list[str], folder: Path) -> None:
    run_alone(words, folder)


def check_the_scripts_pattern(words: list[str], folder: Path) -> None:
    """The scripts set up an environment of their own; where this test runs inside it, they run in full."""
    if words[1] == "scripts/test.sh":
        # This test is part of what it runs; here it shows what it says of a tier that is not there.
        done = (
            subprocess.run(
                ["bash", ROOT / words[1], "nosuchtier"],
                cwd=folder,
                env={**environment(), "MMTUNE_VENV": sys.prefix},
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
            )
            if made_by_the_scripts()
            else None
        )
        assert done is None or (done.returncode == 2 and "unit, recipe" in done.stderr)
        return
    if not made_by_the_scripts():
        pytest.skip("the scripts did not make this environment")
    out = folder / "OUT" / "quickstart"
    words = ["bash", str(ROOT / words[1]), "--scale", "smoke", "--out", str(out)]
    done = run_with_venv(words, folder)
    assert "report.html" in done.stdout
    assert "align: done already" in done.stderr  # the second time everything is there


def made_by_the_scripts() -> bool:
    return (Path(sys.prefix) / ".stamp-test").exists()


def run_with_venv(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {**environment(), "MMTUNE_VENV": sys.prefix}
    done = subprocess.run(
        words, cwd=folder, env=environ, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


RUNNERS: list[tuple[str, Callable[[list[str], Path], None]]] = [
    (r"bash scripts/(quickstart|test)\.sh", check_the_scripts_pattern),
    (r"source \.venv/bin/activate", lambda words, folder: None),
    # The tests' own environment has the extra.
    (r"pip install -e '\.\[demo\]'", lambda words, folder: None),
    (r"mmtune chat OUT/quickstart/model --image photo\.jpg", ask_in_the_terminal),
    (r"mmtune demo OUT/quickstart/model", open_the_page),
    (r"mmtune build --list", just_run_alone),
    (r"mmtune build programs --in OUT/quickstart/data --out OUT/programs\.jsonl --limit 200", just_run),
    (r"mmtune build --verify OUT/programs\.jsonl --in OUT/quickstart/data", just_run),
    (r"mmtune data card OUT/programs\.jsonl --out OUT/card\.md", just_run_alone),
    (r"mmtune data check my-data\.json --image-root images", just_run_alone),
    (r"mmtune inspect my-recipe\.yaml --n 5", just_run),
    (r"mmtune train my-recipe\.yaml --dry-run", just_run),
    (r"mmtune train my-recipe\.yaml --optim\.lr 1e-5", just_run),
    (
        r"torchrun --nproc-per-node 8 -m mmtune train my-recipe\.yaml --engine\.name fsdp2",
        train_with_two_processes,
    ),
    (r"mmtune eval --list", just_run_alone),
    (r"mmtune eval OUT/quickstart/model --miniworld OUT/quickstart/data --out OUT/eval", just_run_alone),
    (r"mmtune eval --show OUT/eval --line markdown", just_run_alone),
    (
        r"mmtune score pope --predictions OUT/eval/answers/\S+ --annotations OUT/quickstart/data/pope/\S+",
        just_run,
    ),
]


def make_what_it_reads(command: str, folder: Path) -> None:
    """Run earlier commands whose output this one reads: another process of the tests may have had them."""
    for earlier in COMMANDS[: COMMANDS.index(command)]:
        made = re.search(r"--out (\S+)", earlier)
        if made and made[1] in command.split("--out")[0] and not (folder / made[1]).exists():
            run([*MMTUNE, *earlier.split()[1:]], folder)


@pytest.mark.parametrize("command", COMMANDS)
def test_command_of_readme_works(command, workplace):
    make_what_it_reads(command, workplace)
    found = [runner for pattern, runner in RUNNERS if re.fullmatch(pattern, command)]
    assert len(found) == 1, f"README shows a command that no test runs: {command}"
    words = command.split()
    found[0]([*MMTUNE, *words[1:]] if words[0] == "mmtune" else words, workplace)


def test_every_runner_is_needed():
    unused = [
        pattern for pattern, _ in RUNNERS if not any(re.fullmatch(pattern, command) for command in COMMANDS)
    ]
    assert unused == []


def test_readme_opens_with_its_two_commands():
    assert COMMANDS[:2] == ["bash scripts/quickstart.sh", "bash scripts/test.sh"]


def test_data_and_recipe_of_readme_are_read(tmp_path):
    from mmtune.records import iter_llava
    from mmtune.train.recipe import load_recipe

    (rows,) = re.findall(r"^```json\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (tmp_path / "my-data.json").write_text(rows)
    [(_, record)] = iter_llava(tmp_path / "my-data.json")
    record.check()
    (text,) = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (tmp_path / "my-recipe.yaml").write_text(text)
    recipe = load_recipe(tmp_path / "my-recipe.yaml")
    assert recipe.stage.learn["language"] == "full"
    assert recipe.data.train[0].path == "my-data.json"


def test_quickstart_leaves_what_readme_promises(workplace):
    out = workplace / "OUT" / "quickstart"
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "<html" in report
    assert "http://" not in re.sub(r"http://www\.w3\.org/\S+", "", report)  # opens offline
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert {"pope_random", "pope_popular", "pope_adversarial", "vqav2"} <= set(metrics["tasks"])
    assert (out / "log.txt").stat().st_size > 0
