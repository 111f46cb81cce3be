"""The command line: quick, one sentence for each mistake, the right exit status."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mmtune import cli
from mmtune.errors import UserError


def run_in_process(
    args: list[str], cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    import os

    root = str(Path(cli.__file__).resolve().parents[1])
    return subprocess.run(
        [sys.executable, "-m", "mmtune", *args],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": root, **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch):
    """Make ``mmtune build`` run a given function, to see what the outermost frame makes of its end."""
    from mmtune.commands import build

    def install(function) -> list[str]:
        monkeypatch.setattr(build, "run", function)
        return ["build", "miniworld", "--out", "nowhere"]

    return install


def fail_with(error: BaseException):
    def run(args) -> None:
        raise error

    return run


def test_help_needs_no_heavy_import(tmp_path):
    code = (
        "import sys, contextlib, io; from mmtune.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    try: main(['--help'])\n"
        "    except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'PIL', 'transformers', 'rich', 'yaml'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    root = Path(cli.__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_help_costs_less_than_half_a_second(tmp_path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run_in_process(["--help"], tmp_path).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Processor time, which other tests beside this one do not lengthen.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


@pytest.mark.parametrize("name", list(cli.VERBS))
def test_every_verb_shows_an_example(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main([name, "--help"])
    assert stopped.value.code == 0
    example = capsys.readouterr().out.split("example:")[1].strip()
    assert f"mmtune {name}" in example


def test_no_verb_prints_help(capsys):
    assert cli.main([]) == 0
    assert "quickstart" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["trian", "x.yaml"], "`mmtune train`"),
        (["zzzz"], "quickstart, build"),
        (["train"], "The recipe is missing"),
        (["inspect"], "RECIPE"),
        (["train", "x.yaml", "--optim.lr"], "--optim.lr VALUE"),
        (["build", "miniworld", "--out", "x", "--seed", "one"], "--seed"),
        (["chat", "x", "--optim.lr", "1"], "takes no recipe keys"),
        (["train", "x.yaml", "--tamplate", "plain"], "(--tamplate); the nearest is --template"),
        (["chat", "x", "--imag=a.png"], "(--imag=a.png); the nearest is --image"),
        (["chat", "x", "y"], "does not know this (y); see mmtune chat --help"),
    ],
)
def test_mistakes_in_the_command_are_one_sentence(words, says, capsys):
    assert cli.main(words) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.startswith("mmtune: ")
    assert told.count("\n") == 1
    assert "Traceback" not in told


def test_user_error_is_one_sentence(verb, capsys):
    words = verb(fail_with(UserError("The image is truncated", "cat.jpg", "download it again")))
    assert cli.main(words) == 2
    assert capsys.readouterr().err == "mmtune: The image is truncated (cat.jpg); download it again.\n"


def test_unexpected_error_points_to_debug(verb, capsys):
    words = verb(fail_with(RuntimeError("shapes\n do not match")))
    assert cli.main(words) == 1
    told = capsys.readouterr().err
    assert "RuntimeError: shapes do not match" in told
    assert "--debug" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("position", [0, 1, -1])
def test_debug_shows_the_traceback_wherever_it_stands(verb, capsys, position):
    words = verb(fail_with(RuntimeError("shapes")))
    words.insert(position if position >= 0 else len(words), "--debug")
    assert cli.main(words) == 1
    assert "Traceback" in capsys.readouterr().err


def test_interrupt_is_130(verb, capsys):
    assert cli.main(verb(fail_with(KeyboardInterrupt()))) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_full_disk_is_a_sentence(verb, capsys):
    assert cli.main(verb(fail_with(OSError(errno.ENOSPC, "No space left on device", "a/b")))) == 2
    assert "The disk is full (a/b)" in capsys.readouterr().err


def test_rank_is_named_in_a_distributed_run(verb, capsys, monkeypatch):
    monkeypatch.setenv("RANK", "3")
    assert cli.main(verb(fail_with(UserError("No data")))) == 2
    assert capsys.readouterr().err == "mmtune (rank 3): No data.\n"


def test_closed_pipe_is_quiet(tmp_path):
    root = Path(cli.__file__).resolve().parents[1]
    done = subprocess.run(
        f"{sys.executable} -m mmtune --help | head -n 1",
        shell=True,
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert done.stderr == ""


def test_overrides_are_taken_out_wherever_they_stand():
    words = ["train", "--optim.lr", "-1", "recipe.yaml", "--data.max_tokens=512", "--dry-run"]
    assert cli.split_overrides(words) == (
        ["train", "recipe.yaml", "--dry-run"],
        ["--optim.lr=-1", "--data.max_tokens=512"],
    )


def test_every_key_of_a_recipe_can_be_given():
    import dataclasses

    from mmtune.commands.recipe_argument import TOP_KEYS, overrides_of
    from mmtune.train.recipe import Recipe, dataclass_in, hints_of

    hints = hints_of(Recipe)
    plain = [field.name for field in dataclasses.fields(Recipe) if dataclass_in(hints[field.name])[0] is None]
    assert set(TOP_KEYS) == set(plain)
    words, overrides = cli.split_overrides(["train", "r.yaml", "--seed", "3", "--optim.lr", "1", "--out=x"])
    args = cli.parser().parse_args(words)
    args.overrides = overrides
    assert overrides_of(args) == ["--seed=3", "--out=x", "--optim.lr=1"]


NAMES = st.from_regex(r"[a-z_]+(\.[a-z_]+){1,3}", fullmatch=True)
VALUES = st.text(min_size=1).filter(lambda text: not text.startswith("--"))


@hypothesis_settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.tuples(NAMES, VALUES, st.booleans()), max_size=4))
def test_any_override_survives_in_either_spelling(pairs):
    words = ["train", "recipe.yaml"]
    for name, value, joined in pairs:
        words += [f"--{name}={value}"] if joined else [f"--{name}", value]
    rest, overrides = cli.split_overrides(words)
    assert rest == ["train", "recipe.yaml"]
    assert overrides == [f"--{name}={value}" for name, value, _ in pairs]
