"""Parsers of replies never fail on any text; scores stay in range; what the benchmarks' rules mean, by hand."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eval.metrics
from eval.metrics import (
    amber,
    anls,
    bleu,
    calibration,
    choice,
    gqa,
    hallusion,
    instruction_following,
    iou,
    judged,
    mmbench,
    mmmu,
    mmstar,
    ocrbench,
    ptb,
    relaxed,
    rouge,
    seed,
    yes_no,
)

few = settings(max_examples=150, deadline=None, derandomize=True)
texts = st.text(max_size=60) | st.text(
    st.sampled_from(list("ABCDEabz()[].,:;'’\"!?-–/\\ \n\t01259%$#@eE+½£İ\u00a0\x00")), max_size=40
)
OPTIONS = {"A": "red", "B": "dark red", "C": "3.5", "D": ""}


@few
@given(texts)
def test_every_parser_takes_every_text(text):
    assert choice.parse_scienceqa(text, 4) in [*"ABCDEFGHIJKLMNOPQRSTUVWXYZ", choice.FAILED]
    assert choice.infer_choice(text, OPTIONS) in [*OPTIONS, choice.REFUSED, None]
    assert choice.parse_letter(text) in [*"ABCDE", None]
    assert len(choice.parse_mmstar(text)) <= 1
    assert mmmu.parse_multiple_choice(text, OPTIONS) in [*OPTIONS, None]
    assert mmmu.parse_open(text)
    assert len(iou.parse_box(text)) == len(iou.parse_box_pairs(text)) == 4
    assert len(judged.parse_pair(text)) == 2
    assert judged.parse_mmhal(text) in [*range(7), None]
    assert hallusion.parse_verdict(text) in (0, 1, 2)
    assert yes_no.parse_pope(text) in ("yes", "no")
    assert yes_no.parse_mme(text) in ("yes", "no", "other")
    assert all(" " not in word and word for word in ptb.caption_words(text))
    assert gqa.convert(text) == gqa.convert(gqa.convert(text))
    assert instruction_following.pif(text, [("max_words", 3), ("includes", "a")]) in (0.0, 0.5, 1.0)


@few
@given(texts, texts)
def test_a_text_is_itself_and_scores_stay_in_range(one, other):
    assert 0 <= anls.anls(one, [other]) <= 1
    assert anls.anls(one, [one, other]) <= 1
    assert relaxed.relaxed_accuracy(one, other) in (True, False)
    assert relaxed.relaxed_accuracy(one, other, mode="fixed") in (True, False)
    assert ocrbench.ocrbench_hit(one + other, [one.strip()], "svt") in (True, False)
    words = [ptb.caption_words(one), ptb.caption_words(other)]
    assert 0 <= rouge.rouge_l(words[0], [words[1]]) <= 1
    assert all(0 <= score <= 1 for score in bleu.sentence_bleu(words[0], words))


@few
@given(st.text(st.sampled_from("ab"), max_size=9), st.text(st.sampled_from("ab"), max_size=9))
def test_edit_distance_is_a_distance(one, other):
    distance = anls.levenshtein(one, other)
    assert distance == anls.levenshtein(other, one)
    assert abs(len(one) - len(other)) <= distance <= max(len(one), len(other))
    assert (distance == 0) == (one == other)
    assert anls.levenshtein("x" + one, "x" + other) == distance


@few
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=30))
def test_calibration_is_in_range_or_undefined(pairs):
    sure, right = [s for s, _ in pairs], [r for _, r in pairs]
    for value in (
        calibration.expected_calibration_error(sure, right),
        calibration.brier_score(sure, right),
        calibration.area_under_risk(sure, right),
    ):
        assert (value is None) == (not pairs)
        assert value is None or -1e-12 <= value <= 1 + 1e-12
    curve = calibration.risk_coverage(sure, right)
    assert [p.coverage for p in curve] == sorted({p.coverage for p in curve})
    assert not curve or curve[-1].coverage == 1


def test_metrics_import_no_torch_and_quickly():
    """All modules of the room, in a fresh interpreter; numpy is there for intervals and tests only."""
    names = [f"eval.metrics.{module.name}" for module in pkgutil.iter_modules(eval.metrics.__path__)]
    assert len(names) > 20
    code = (
        f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'torch', 'transformers', 'mmtune'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    without = [name for name in names if not name.endswith(("intervals", "significance"))]
    code = f"import sys, importlib\nfor name in {without!r}: importlib.import_module(name)\nassert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(importlib.import_module(name).__doc__ for name in names)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("b.", "B"),
        ("(C) red", "C"),
        ("The answer is D", "D"),
        ("A dog", None),
        ("", None),
        ("F", None),
    ],
)
def test_a_letter_is_read_only_where_one_is_meant(text, letter):
    assert choice.parse_letter(text) == letter


@pytest.mark.parametrize(
    ("said", "true", "official", "fixed"),
    [
        ("1,000", "1000", False, True),
        ("10.4", "10", True, True),
        ("10.6", "10", False, False),
        ("0.0", "0", False, True),
        ("Blue.", "blue", False, True),
        ("50%", "0.5", True, True),
        ("nan", "nan", False, False),
    ],
)
def test_relaxed_accuracy_in_both_modes(said, true, official, fixed):
    assert relaxed.relaxed_accuracy(said, true) is official
    assert relaxed.relaxed_accuracy(said, true, mode="fixed") is fixed


def test_anls_quirks_and_its_cost():
    assert anls.anls("ab", ["ax"]) == 0.5  # exactly the threshold counts
    assert anls.anls("", [""]) == 1.0
    assert anls.anls("x", []) == 0.0
    assert anls.anls("a " * 500_000, ["short"]) == 0.0  # at once, not after a million steps a letter


def test_boxes_without_area_have_no_overlap_rather_than_a_crash():
    assert iou.iou([0, 0, 0, 0], [1, 1, 1, 1]) is None
    assert not iou.box_right(iou.NO_BOX, [0, 0, 0, 0])
    assert iou.iou([0, 0, 2, 2], [1, 1, 3, 3]) == pytest.approx(1 / 7)
    assert iou.parse_box_pairs("<box>(100,200),(300,400)</box>") == (0.1, 0.2, 0.3, 0.4)


def test_circular_evaluation_needs_every_rotation():
    row = {"answer": "A", "A": "cat", "B": "dog", "prediction": "A"}
    rotated = {"index": 1_000_001, "answer": "B", "A": "dog", "B": "cat", "prediction": "A"}
    rows = [{"index": 1, **row}, rotated, {"index": 2, **row}, {"index": 1_000_003, **row}]
    assert mmbench.circular_hits(rows) == {1: 0, 2: 1}
    assert mmbench.vanilla_hits(rows) == {1: 1, 2: 1}


def test_gqa_consistency_counts_unanswered_entailed_questions_as_wrong():
    def question(answer, entailed=()):
        return {
            "answer": answer,
            "entailed": list(entailed),
            "isBalanced": True,
            "types": {"structural": "verify", "semantic": "rel", "detailed": "x"},
            "groups": {"global": None},
            "semantic": [],
            "question": "w",
        }

    questions = {"1": question("yes", ["1", "2", "3"]), "2": question("no"), "3": question("red", ["1"])}
    said = {"1": "yes", "2": "no"}
    assert gqa.entailed_share("1", questions, said) == 0.5
    assert gqa.entailed_share("3", questions, said) is None
    scores = gqa.gqa_scores(questions, said, consistency=True)
    assert (scores["accuracy"], scores["consistency"], scores["open"], scores["distribution"]) == (
        100,
        50,
        None,
        None,
    )


def test_amber_descriptions_by_hand():
    associations = {"dog": ["puppy"], "tree": [], "cat": [], "frisbee": []}
    got = amber.describe_counts(
        ["puppy", "cat", "frisbee", "sky", "man"], ["dog", "tree"], ["cat"], associations, ["frisbee"]
    )
    assert got == amber.Described(nouns=3, hallucinated=1, covered=1, there=2, imagined=1, likely=1)
    alike = amber.describe_counts(["cat"], ["dog"], [], {"dog": [], "cat": []}, similar=lambda a, b: True)
    assert (alike.hallucinated, alike.covered) == (0, 1)
    scores = amber.generative_scores([got])
    assert (scores["CHAIR"], scores["Cover"], scores["Hal"], scores["Cog"]) == (33.3, 50.0, 100.0, 99.9)
    assert amber.amber_score(10.0, 80.0) == 85.0


def test_mme_totals_are_not_told_where_a_sub_task_is_missing():
    whole = dict.fromkeys((*yes_no.MME_PERCEPTION, *yes_no.MME_COGNITION), 100.0)
    assert yes_no.mme_totals(whole) == {"perception": 1000.0, "cognition": 400.0}
    del whole["OCR"]
    assert yes_no.mme_totals(whole) == {"perception": None, "cognition": 400.0}


def test_mmvet_means_by_capability_and_by_set_of_them():
    scores = judged.mmvet_scores({"a": [1.0, 0.0], "b": [0.0, 0.0]}, {"a": ["ocr", "math"], "b": ["ocr"]})
    assert scores == {"total": 25.0, "math": 50.0, "ocr": 25.0, "math+ocr": 50.0, "std": 25.0}


def test_mmstar_gain_and_leakage():
    assert mmstar.multimodal_gain(0.5, 0.2) == pytest.approx(0.3)
    assert mmstar.multimodal_leakage(0.2, 0.3) == 0.0


def test_instructions_are_checked_by_program_and_pif_n_k_counts_turns():
    text = "Sure. It has 2 red dogs. Fine."
    given_so_far = [("max_sentences", 3), ("starts_with", "sure"), ("includes", "dogs"), ("excludes", "dog")]
    assert instruction_following.pif(text, given_so_far) == 1.0
    assert instruction_following.pif(text, [("has_number", True), ("min_words", 50)]) == 0.5
    assert instruction_following.pif("", [("max_words", 5)]) == 0.0
    assert instruction_following.pif(text, []) is None
    turns = [[1, 1, 0.5, 0], [1, 0.5, 0.5, 0]]
    assert [instruction_following.pif_n_k(turns, k) for k in (1, 2, 3)] == [1.0, 0.5, 0.0]
    with pytest.raises(ValueError, match="k is 5"):
        instruction_following.pif_n_k(turns, 5)


def test_likelihood_ranking_takes_the_likeliest_option():
    assert seed.likeliest([-3.0, -1.0, -2.0]) == "B"
    assert seed.likeliest([]) is None


def test_selective_answering_by_hand():
    sure, right = [0.9, 0.8, 0.8, 0.1], [True, True, False, False]
    assert calibration.coverage_at_accuracy(sure, right, 1.0) == 0.25
    assert calibration.coverage_at_accuracy(sure, right, 0.6) == 0.75
    assert calibration.expected_calibration_error([1.0, 1.0], [True, False]) == 0.5
    with pytest.raises(ValueError, match="from 0 to 1"):
        calibration.brier_score([float("nan")], [True])
