"""Numbers with their nouns."""

import pytest

from mmtune.wording import counted


@pytest.mark.parametrize(("number", "told"), [(0, "0 answers are"), (1, "1 answer is"), (2, "2 answers are")])
def test_the_noun_and_its_verb_agree_with_the_number(number, told):
    assert counted(number, "answer is", "answers are") == told


def test_a_noun_takes_an_s_and_a_large_number_its_commas_where_asked():
    assert counted(1, "row") == "1 row" and counted(1200, "row") == "1200 rows"
    assert counted(1200, "row", thousands=True) == "1,200 rows"
