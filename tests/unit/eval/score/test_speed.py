"""Many answers and very long ones take little time."""

from __future__ import annotations

import importlib.util
import json
import resource
import subprocess
import sys
import time

import pytest

from eval.answer_files import MAX_CHARACTERS
from eval.metrics import anls, choice, instruction_following, iou, mmmu, ptb, yes_no
from eval.metrics import vqa as vqa_metric
from eval.metrics.chair import Chair


def test_scoring_many_answers_takes_little_processor_time(root, tmp_path):
    """The figure for 100,000 is measured by benchmarks/score_speed.py; here a tenth of them, with room."""
    spec = importlib.util.spec_from_file_location("score_speed", root / "benchmarks" / "score_speed.py")
    score_speed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(score_speed)
    truth, said = score_speed.write(tmp_path, 10_000)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = ["score", "vqav2", "--predictions", str(said), "--annotations", str(truth), "--json"]
    done = subprocess.run([sys.executable, "-m", "mmtune", *words], cwd=root, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert json.loads(done.stdout)["n"] == 10_000
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 4


@pytest.mark.parametrize("letter", ["1", "a", ".", ",", "(", "[", " ", "1,", "a.", "' ", "!", "\n", "é"])
def test_the_longest_answers_take_a_moment(letter):
    """No parser backs up again and again over what may be a model gone astray, or an attack."""
    text = (letter * MAX_CHARACTERS)[: MAX_CHARACTERS // 5]
    start = time.process_time()
    anls.anls(text, ["ten", text[:90]])
    choice.infer_choice(text, {"A": "a", "B": "b"})
    choice.parse_scienceqa(text, 4)
    choice.parse_letter(text)
    iou.parse_box(text)
    iou.parse_box_pairs(text)
    mmmu.parse_open(text)
    mmmu.parse_multiple_choice(text, {"A": "a"})
    ptb.caption_words(text)
    vqa_metric.normalize_vqa(text)
    vqa_metric.normalize_evalai(text)
    yes_no.parse_pope(text)
    instruction_following.pif(text, [(name, 3) for name in instruction_following.CHECKS])
    Chair().objects(text)
    assert time.process_time() - start < 3
