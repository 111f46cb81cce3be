"""The card's figures on data whose balance is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from data_builders import balance as balance_module
from data_builders.balance import Share
from data_builders.card import card_json, card_text, make_card, write_card
from mmtune.errors import UserError


def row(number, question, answer, **meta):
    return {
        "id": str(number),
        "image": f"{number}.png",
        "conversations": [
            {"from": "human", "value": f"<image>\n{question}"},
            {"from": "gpt", "value": answer},
        ],
        **meta,
    }


def card_of(tmp_path, rows, **settings):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in rows))
    return make_card(path, **settings)


def test_counts_and_balance(tmp_path):
    rows = [row(n, "Is there a cat?", "Yes" if n % 4 else "No.", licence="MIT") for n in range(40)]
    options = "Which?\nA. one\nB. two\nC. three"
    rows += [row(100 + n, options, "AABC"[n % 4], licence="CC-BY-4.0") for n in range(40)]
    card = card_of(tmp_path, [*rows, "{broken"])
    found = card_json(card)
    assert (found["records"], found["images"], found["turns"], found["problems"]) == (80, 80, 160, 1)
    assert found["yes_of_yes_no"]["value"] == 0.75
    assert found["options"] == {"3": {"A": 20, "B": 10, "C": 10}}
    assert found["licences"] == {"attribution": 40, "permissive": 40}
    assert card.licence == "attribution"
    assert found["lopsided"][0][:2] == ["is there", "yes"]
    text = card_text(card)
    assert "75.0%" in text and "| 3 | A | 50.0% of 40 |" in text


def test_blind_guessing_needs_the_question_to_give_the_answer_away(tmp_path):
    telling = [row(n, f"Question {n % 5}?", f"answer {n % 5}") for n in range(400)]
    random = np.random.RandomState(0)
    silent = [row(n, f"Question {n % 5}?", f"answer {random.randint(4)}") for n in range(400)]
    assert card_json(card_of(tmp_path, telling))["blind"]["guess"]["value"] > 0.99
    found = card_json(card_of(tmp_path, silent))["blind"]
    assert abs(found["guess"]["value"] - 0.25) < 0.08
    assert abs(found["majority"]["value"] - 0.25) < 0.08


def test_the_blind_score_does_not_learn_from_the_same_image(tmp_path):
    # Every image has a question of its own, asked twice: only a guess from the same image could be right.
    rows = [
        {**row(n, f"What is number {n // 2}?", f"thing {n // 2}"), "image": f"{n // 2}.png"}
        for n in range(300)
    ]
    assert card_json(card_of(tmp_path, rows))["blind"]["guess"]["value"] < 0.05


def test_a_sample_does_not_depend_on_the_order_of_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(balance_module, "SAMPLE", 50)
    rows = [row(n, f"Question {n % 3}?", f"answer {n % 7}") for n in range(500)]
    first = card_json(card_of(tmp_path, rows))["blind"]
    assert card_json(card_of(tmp_path, rows[::-1]))["blind"] == first
    assert first["guess"]["n"] == 50


def test_an_unknown_licence_fails_where_one_is_required(tmp_path):
    rows = [row(1, "Q?", "A", licence="MIT"), row(2, "Q?", "A"), row(3, "Q?", "A", licence="ours")]
    assert card_of(tmp_path, rows).licence == "unknown"
    with pytest.raises(UserError, match="licence of 2 records is unknown"):
        card_of(tmp_path, rows, require_licence=True)
    with pytest.raises(UserError, match="licence of 1 records"):
        card_of(tmp_path, rows, require_licence=True, known={"ours": "permissive"})


def test_text_of_strangers_makes_no_markup(tmp_path):
    card = card_of(
        tmp_path, [row(1, "Q?", "<script>|x\n# y", licence="<b>|*x*", builder="a|b\n\n# c")], name="n\n# m"
    )
    write_card(card, tmp_path / "out/card.md")
    text = (tmp_path / "out/card.md").read_text()
    assert "<script>" not in text and "<b>" not in text
    assert "\n# y" not in text and "\n# c" not in text and "\n# m" not in text
    assert json.loads((tmp_path / "out/card.json").read_text())["records"] == 1


def test_nothing_usable_is_no_card(tmp_path):
    with pytest.raises(UserError, match="no row of the file can be used"):
        card_of(tmp_path, ["{", "[1]"])


def test_intervals_are_wilson_s():
    share = Share.of(8, 10)
    assert share is not None
    assert (round(share.low, 4), round(share.high, 4)) == (0.4902, 0.9433)
    assert Share.of(0, 0) is None
