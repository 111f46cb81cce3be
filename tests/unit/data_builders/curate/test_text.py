"""What makes two questions the same, and what does not."""

from __future__ import annotations

import numpy as np
import pytest

from data_builders.curate import minhash
from data_builders.curate.groups import representatives
from data_builders.curate.language import language_of
from data_builders.curate.text import normalise, question_of


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("How many cats?", "HOW MANY CATS"),
        ("<image>\nHow many cats?", "  how   many - cats ?!"),
        ("What's on it?", "whats on it"),
        ("What\u2019s on it?", "What's on it?"),
        ("Is it a cat?\nAnswer the question using a single word or phrase.", "is it a cat"),
        ("Which?\nA. x\nAnswer with the option’s letter from the given choices directly.", "Which?\nA. x"),
        ("Ist das Straße?", "ist das STRASSE"),
        ("ｆｕｌｌ width 3", "full width 3"),
        ("What is 3 - 5?", "what is 3−5"),
        ("What is 3*5 ?", "What is 3 × 5"),
        ("Is it 50%?", "is it 50 %"),
        ("Is this x² + 1?", "is this x^2+1"),
        ("Is that a well-known dog/cat?", "Is that a well known dog, cat"),
        ("यह बिल्ली है?", "यह  बिल्ली - है!"),
    ],
)
def test_case_and_punctuation_do_not_count(first, second):
    assert question_of(first) == question_of(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("What is 3.5 + 1?", "What is 35 + 1?"),
        ("What is -3?", "What is 3?"),
        ("?", "!"),
        ("Is there a cat?", "Is there a cut?"),
        ("红色的猫", "蓝色的猫"),
        ("What is 3 + 5?", "What is 3 - 5?"),
        ("What is 3*5?", "What is 3/5?"),
        ("Is 3 < 5?", "Is 3 > 5?"),
        ("What is a - b?", "What is a * b?"),
        ("What is 5²?", "What is 52?"),
        ("Is x = 2?", "Is x ≠ 2?"),
        ("How much is $5?", "How much is €5?"),
        ("Is it 10% of it?", "Is it 10 of it?"),
        ("How many ★ are there?", "How many ☆ are there?"),
        ("की", "का"),
        ("ناسٌ", "ناسٍ"),
    ],
)
def test_what_changes_the_question_counts(first, second):
    assert normalise(first) != normalise(second)


def test_signatures_estimate_the_jaccard_similarity():
    words = np.array(["cat", "dog", "sun", "tree", "house", "river", "stone", "cloud", "bird", "leaf"])
    random = np.random.RandomState(0)
    errors = []
    for _ in range(40):
        first = " ".join(random.permutation(words))
        second = first.replace(str(random.choice(words)), "other", 1)
        sets = [{text[i : i + 5] for i in range(len(text) - 4)} for text in (first, second)]
        true = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
        errors.append(minhash.similarity(minhash.signature(first), minhash.signature(second)) - true)
    assert abs(np.mean(errors)) < 0.03
    assert np.abs(errors).max() < 0.2


@pytest.mark.parametrize("letters", ["abcdefghij", "あいうえおかきくけこ", "абвгдежзик"])
def test_shingles_are_runs_of_characters_in_every_script(letters):
    # Ten letters and the same but for the last: six runs of five each, five of them in both.
    first, second = letters, letters[:-1] + letters[0]
    assert minhash.similarity(*map(minhash.signature, (first, second))) == pytest.approx(5 / 7, abs=0.12)


def test_near_pairs_are_those_that_comparing_all_gives():
    random = np.random.RandomState(1)
    words = [f"word{n}" for n in range(30)]
    texts = [" ".join(random.choice(words, 12)) for _ in range(60)]
    texts += [text + " too" for text in texts[:20]]
    signatures = np.stack([minhash.signature(text) for text in texts])
    found = {tuple(pair) for pair in minhash.near_pairs(signatures, 0.75).tolist()}
    all_pairs = {
        (i, j)
        for j in range(len(texts))
        for i in range(j)
        if minhash.similarity(signatures[i], signatures[j]) >= 0.75
    }
    assert found <= all_pairs
    assert len(found) >= 0.98 * len(all_pairs)
    assert {(i, 60 + i) for i in range(20)} <= found


def test_chains_of_small_differences_do_not_join_what_is_far_apart():
    pairs = np.array([[0, 1], [1, 2], [2, 3], [0, 1]])
    assert representatives(4, pairs).tolist() == [0, 0, 2, 2]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("There is a cat on the sofa.", "en"),
        ("Auf dem Sofa ist eine graue Katze.", "de"),
        ("Il y a un chat sur le canapé.", "fr"),
        ("Hay un gato gris en el sofá.", "es"),
        ("沙发上有一只猫。", "zh"),
        ("ソファの上に猫がいます。", "ja"),
        ("На диване лежит кошка.", "ru"),
        ("42", "und"),
    ],
)
def test_languages(text, code):
    assert language_of(text) == code
