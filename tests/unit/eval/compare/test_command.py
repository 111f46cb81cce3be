"""``mmtune eval --compare`` as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from mmtune import cli
from tests.stored_runs import PLAIN, right_or_wrong, write_run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--compare", "nowhere", "there"], "There is no such run"),
        (["--compare", "a"], "One run alone cannot be compared"),
        (["--compare", "a", "a"], "compared with itself"),
        (["--compare", "a", "b", "--task", "pope:annotations=x"], "without a checkpoint or tasks"),
        (["--compare", "a", "b", "--show", "a"], "cannot go together"),
        (["--show", "a", "--out", "b"], "--show writes nothing"),
        (["--show", "nowhere"], "There is no such run"),
        (["--line", "latex"], "--line shows finished runs"),
        (["--compare", "x=,", "b"], "A run has no folder"),
        (["--compare", "x=a", "x=b"], "Two models have one name"),
    ],
)
def test_mistakes_in_the_command_are_one_clear_sentence(user_folder, capsys, words, said):
    for name in "ab":
        write_run(user_folder / name, {"plain": (PLAIN, right_or_wrong([1, 0]))})
    assert cli.main(["eval", *words]) == 2
    assert said in capsys.readouterr().err


def test_the_command_prints_writes_and_needs_no_torch(pair, tmp_path):
    code = (
        "import sys\nfrom mmtune import cli\n"
        f"assert cli.main(['eval', '--compare', {str(pair[0])!r}, {str(pair[1])!r}, '--out', 'c']) == 0\n"
        "assert not {'torch', 'transformers', 'scipy'} & set(sys.modules)\n"
    )
    env = {"PYTHONPATH": ":".join(path for path in sys.path if path), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert "after against before" in done.stdout
    assert "McNemar's exact test" in done.stdout
    written = json.loads((tmp_path / "c/compare.json").read_text())
    assert written["tasks"]["plain"]["n"] == 31
    assert (tmp_path / "c/compare.html").stat().st_size > 10_000
