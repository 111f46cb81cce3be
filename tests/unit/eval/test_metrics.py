"""The metrics on cases that a reader can check by hand, and their properties on cases that none would write."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.metrics import vqa, yes_no
from eval.metrics.chair import Chair
from eval.metrics.singular import pattern_singular, singular_candidates
from eval.metrics.word_tokens import word_tokens

few = settings(max_examples=60, deadline=None, derandomize=True)
texts = st.text(st.sampled_from(list("aAnN onetw.,'?!-3\n\t İé7")), max_size=24)


def test_metrics_need_no_torch():
    code = (
        "import sys; import eval.metrics.vqa, eval.metrics.yes_no, eval.metrics.chair, eval.metrics.intervals, "
        "eval.metrics.cider; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("text", "official", "evalai"),
    [
        ("The two dogs.", "2 dogs", "2 dogs"),
        ("dont", "don't", "don't"),
        ("1,000 a-b", "1000 ab", "1000 b"),
        ("man's", "man's", "man 's"),
        ("a,b", "b", "ab"),
        ("3.5", "3.5", "3.5"),
        ("none", "0", "0"),
        ("two\nlines ", "2 lines", "2 lines"),
        ("youd've", "you'd've", "you'd've"),
    ],
)
def test_normalisation_by_hand(text, official, evalai):
    assert vqa.normalize_vqa(text) == official
    assert vqa.normalize_evalai(text) == evalai


@few
@given(texts)
def test_normalised_text_is_one_line_without_articles_or_outer_space(text):
    for normalize in (vqa.normalize_vqa, vqa.normalize_evalai):
        words = normalize(text).split(" ")
        assert not set(words) & vqa.ARTICLES
        assert " ".join(words).strip() == " ".join(words)
        assert "\n" not in " ".join(words)


@pytest.mark.parametrize(("agreeing", "score"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (9, 1.0)])
def test_vqa_accuracy_climbs_the_known_ladder(agreeing, score):
    answers = ["cat"] * agreeing + [f"other {i}" for i in range(10 - agreeing)]
    assert vqa.vqa_accuracy("cat", answers) == pytest.approx(score)
    assert vqa.textvqa_accuracy("cat", answers) == pytest.approx(score)


def test_official_vqa_accuracy_keeps_its_quirks_and_fixed_mends_them():
    unanimous = ["yes"] * 10
    assert vqa.vqa_accuracy("Yes", unanimous) == 0.0
    assert vqa.vqa_accuracy("Yes", unanimous, mode="fixed") == 1.0
    without_ids = [{"answer": "yes", "answer_confidence": "yes"} for _ in range(9)] + [{"answer": "no"}]
    assert vqa.vqa_accuracy("yes", without_ids) == pytest.approx(0.1)
    assert vqa.vqa_accuracy("yes", without_ids, mode="fixed") == 1.0


def test_vqa_accuracy_does_not_change_the_annotation():
    answers = [{"answer": "The Dog.", "answer_id": 1}, {"answer": "dog", "answer_id": 2}]
    vqa.vqa_accuracy("dog", answers)
    assert answers[0]["answer"] == "The Dog."


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: vqa.vqa_accuracy("a", []), "at least one"),
        (lambda: vqa.vqa_accuracy("a", ["a"], mode="best"), "mode"),
        (lambda: vqa.textvqa_accuracy("a", ["a"]), "ten"),
    ],
)
def test_wrong_arguments_are_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


@few
@given(
    st.lists(
        st.tuples(st.sampled_from(["yes", "No", "no dog.", "maybe"]), st.sampled_from(["yes", "no"])),
        max_size=20,
    )
)
def test_pope_scores_are_in_range_or_undefined(pairs):
    scores = yes_no.pope_scores([p for p, _ in pairs], [label for _, label in pairs])
    assert all(value is None or 0 <= value <= 1 for value in scores.values())
    assert (scores["accuracy"] is None) == (not pairs)


def test_pope_scores_refuse_to_pair_lists_of_different_length():
    with pytest.raises(ValueError, match="2 predictions for 1 labels"):
        yes_no.pope_scores(["yes", "no"], ["yes"])


def test_a_reply_that_says_neither_is_told_apart_from_yes():
    assert yes_no.parse_pope("a red circle") == "yes"
    read = {
        "a red circle": None,
        "": None,
        "NO!": "no",
        "1. No": "no",
        "Yes, it is.": "yes",
        "Yes, no doubt": "yes",  # which POPE takes for no
        "It is not there": "no",
    }
    assert {text: yes_no.read_yes_no(text) for text in read} == read


def test_chair_modes_differ_where_the_singulariser_errs():
    assert Chair().objects("A bus and two buses.") == ["bus"]
    assert Chair(mode="fixed").objects("A bus and two buses.") == ["bus", "bus"]
    assert Chair(mode="fixed").objects("Two ties and a bow tie.") == ["tie", "tie"]


@pytest.mark.parametrize(
    ("caption", "objects"),
    [
        ("A hot dog next to a dog.", ["hot dog", "dog"]),
        ("The train tracks are empty.", []),
        ("A baby elephant.", ["elephant"]),
        ("A baby holds wine glasses.", ["person", "wine glass"]),
        ("Women and men on skateboards", ["person", "person", "skateboard"]),
        ("the dog’s bowl", ["dog", "bowl"]),
        ("", []),
    ],
)
def test_fixed_chair_reads_phrases(caption, objects):
    assert Chair(mode="fixed").objects(caption) == objects


def test_chair_takes_classes_of_any_world():
    chair = Chair({"star": ["asterisk"], "red circle": ["red disc"], "digit": ["number"]}, mode="fixed")
    scored = chair.score("Two red discs, a star and the number 3.", {"Star", "red circle"})
    assert scored["generated"] == ["red circle", "star", "digit"]
    assert scored["hallucinated"] == [["number", "digit"]]
    assert (scored["chair_i"], scored["chair_s"]) == (pytest.approx(1 / 3), 1)


def test_chair_reads_the_authors_file_form(tmp_path):
    path = tmp_path / "synonyms.txt"
    path.write_text("dog, puppy\ncat,  kitten\n")
    assert Chair(path).objects("A puppy and a kitten and a cat") == ["dog", "cat"]  # the double space, kept
    assert Chair(path, mode="fixed").objects("A puppy and a kitten") == ["dog", "cat"]


@pytest.mark.parametrize("table", [{}, {"dog": ["pet"], "cat": ["pet"]}])
def test_chair_refuses_empty_and_ambiguous_tables(table):
    with pytest.raises(ValueError, match=r"empty|two classes"):
        Chair(table)


@few
@given(st.lists(st.sampled_from(["a", "dog", "dogs", "bus", "hot", "seat", "toilet", ",", "."]), max_size=12))
def test_chair_shares_agree_with_its_lists(words):
    for mode in ("official", "fixed"):
        scored = Chair(mode=mode).score(" ".join(words), ["dog"])
        assert {name for _, name in scored["hallucinated"]} == set(scored["generated"]) - {"dog"}
        assert scored["chair_s"] == (1 if scored["hallucinated"] else 0)
        assert 0 <= scored["chair_i"] <= 1


def test_singular_forms_by_hand():
    assert [pattern_singular(w) for w in ("bus", "ties", "four", "mothers-in-law")] == [
        "bu",
        "ty",
        "fmy",
        "mother-in-law",
    ]
    assert "bus" in singular_candidates("buses")
    assert "knife" in singular_candidates("knives")
    assert "fireman" in singular_candidates("firemen")


def test_words_lose_marks_but_keep_inner_ones():
    assert word_tokens("a man's hot-dog, u.s. and 3,000 dogs.") == [
        "a",
        "man",
        "'s",
        "hot-dog",
        ",",
        "u.s",
        ".",
        "and",
        "3,000",
        "dogs",
        ".",
    ]


@few
@given(texts)
def test_tokens_hold_every_letter(text):
    assert "".join(word_tokens(text)) == "".join(text.split())


def test_scores_do_not_depend_on_the_order_of_answers():
    answers = ["cat"] * 3 + ["dog"] * 5 + ["a cat", "the cat."]
    expected = vqa.vqa_accuracy("cat", answers)
    random.Random(1).shuffle(answers)
    assert vqa.vqa_accuracy("cat", answers) == pytest.approx(expected)
