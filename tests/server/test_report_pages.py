"""Reports as a reader uses them: a real browser opens the file, filters, searches, turns the page."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from eval.compare import compare, parse_groups
from eval.compare.comparing import Drawing
from eval.report import write_report
from eval.report.comparison import write_comparison
from tests import chromium
from tests.stored_runs import Given, write_run

pytestmark = pytest.mark.apt

COUNTS = ("right", "items", "unparsed")


def answer(number: int, right: bool, text: str, unparsed: bool = False) -> Given:
    return Given(
        str(number),
        dict(zip(COUNTS, (float(right), 1.0, float(unparsed)), strict=True)),
        f"image_{number // 2}.png",
        f"Question {number} about {'cats' if number % 3 == 0 else 'dogs'}?",
        f"truth {number}",
        text,
        right,
        {"question_type": "how many" if number % 2 else "what"},
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """60 questions of one task and two of another; the first run has every fourth wrong, the second every
    fifth."""
    root = tmp_path_factory.mktemp("runs")
    folders = []
    for name, every in (("first", 4), ("second", 5)):
        rows = [
            answer(
                n, n % every != 0, f" said {n} by {name}\n" if n else "<img src=x onerror=alert(1)>", n == 0
            )
            for n in range(60)
        ]
        other = [
            Given("x", {"right": 1.0, "items": 1.0, "unparsed": 0.0}, "", "Other?"),
            Given("y", {}, "", "Lost?", error="the image is damaged"),
        ]
        folders.append(
            write_run(root / name, {"main": ("realworldqa", rows), "other": ("realworldqa", other)})
        )
    return folders


@pytest.fixture(scope="module")
def report(runs: list[Path]) -> Path:
    results = json.loads((runs[0] / "metrics.json").read_text())
    return write_report(runs[0], results=results, predictions=runs[0] / "predictions.jsonl")


@pytest.fixture(scope="module")
def comparison(runs: list[Path]) -> Path:
    groups = parse_groups([str(run) for run in runs])
    found = compare(groups, Drawing(resamples=50, permutations=99))
    return write_comparison(runs[0] / "compare.html", found, groups)


@pytest.fixture
def look(tmp_path: Path):
    def look(page: Path, asked: str = "", does: str = "") -> tuple[str, list[str]]:
        """What the page says about its samples and the samples that it shows; ``does`` is a script that works
        the controls once the page stands."""
        if does:
            wait = f"const wait = setInterval(() => {{ if (document.querySelector('.sample')) {{ clearInterval(wait); {does} }} }}, 20);"
            worked = tmp_path / "worked.html"
            worked.write_text(page.read_text().replace("</body>", f"<script>{wait}</script></body>"))
            page = worked
        address = page.as_uri() + (f"#browse?{asked}" if asked else "")
        text = chromium.shown(address, tmp_path / "profile")
        status = re.search(r'<p data-part="status"[^>]*>(.*?)</p>', text)
        cards = re.findall(r'<article class="card sample">(.*?)</article>', text, re.DOTALL)
        assert status, "the page has no samples"
        return status[1], [html.unescape(re.sub(r"<[^>]+>", "|", card)) for card in cards]

    return look


def test_all_samples_a_page_at_a_time(report, look):
    status, cards = look(report)
    assert status == "62 of 62 samples; 1 to 25 are shown"
    assert len(cards) == 25
    assert (
        "Question 1 about dogs?" in cards[1]
        and "truth: truth 1" in cards[1]
        and "said 1 by first" in cards[1]
    )
    assert "image_0.png" in cards[1], "an image that is not there is named"
    status, cards = look(report, "page=3")
    assert (status, len(cards)) == ("62 of 62 samples; 51 to 62 are shown", 12)


FILTERS = {
    "show=wrong": 15,
    "show=right": 46,
    "show=unparsed": 1,
    "show=failed": 1,
    "task=other": 2,
    "task=main&kind=question_type%3A+how+many": 30,
    "task=main&kind=question_type%3A+what&show=wrong": 15,
    "q=CATS": 20,
    "q=cats+how": 0,
    "q=%22said+5": 0,
    "q=said+5+first": 19,  # 5, 15, …, 50 to 59, and those about images 5, 15 and 25
    "q=image_7.png": 2,
    "task=nonsense&show=nonsense&page=99": 62,
}


def test_filters_and_search(report, look):
    """Each address after the other in one browser; what the page says is kept in the end."""
    does = f"""
    (async () => {{
      const told = [];
      for (const asked of {json.dumps(list(FILTERS))}) {{
        location.hash = "browse?" + asked;
        await new Promise((done) => setTimeout(done, 60));
        told.push(parseInt(document.querySelector('[data-part="status"]').textContent, 10));
      }}
      document.querySelector('[data-part="status"]').textContent = JSON.stringify(told);
    }})();
    """
    status, _ = look(report, does=does)
    assert dict(zip(FILTERS, json.loads(status), strict=True)) == FILTERS


def test_what_a_model_says_stays_text(report, look):
    _, cards = look(report, "show=unparsed")
    assert "<img src=x onerror=alert(1)>" in cards[0]
    assert "wrong, not read" in cards[0]
    _, cards = look(report, "show=failed")
    assert "failed" in cards[0] and "the image is damaged" in cards[0]


def test_controls_do_what_the_address_does(report, look):
    status, cards = look(
        report,
        does="""
        const part = (name) => document.querySelector(`[data-part="${name}"]`);
        const change = (name, value) => { part(name).value = value; part(name).dispatchEvent(new Event("change")); };
        change("task", "main"); change("show", "right"); part("on").click();
        """,
    )
    assert status == "45 of 62 samples; 26 to 45 are shown"
    assert len(cards) == 20 and all("right" in card for card in cards)
    status, _ = look(
        report,
        does="""
        const q = document.querySelector('[data-part="q"]');
        q.value = "cats"; q.dispatchEvent(new Event("input"));
        """,
    )
    assert status.startswith("20 of 62 samples")


def test_flipped_samples_side_by_side(comparison, look):
    """The first is wrong on every fourth, the second on every fifth: 0, 20 and 40 on both."""
    for asked, number in (("show=lost1", 9), ("show=won1", 12)):
        status, cards = look(comparison, asked)
        assert status.startswith(f"{number} of 61 samples"), asked
    _, cards = look(comparison, "show=lost1&q=truth+5")
    assert any(
        "first|" in card and "said 5 by first" in card and "said 5 by second" in card for card in cards
    )


def test_nothing_is_asked_of_the_network(report, comparison):
    for page in (report, comparison):
        text = page.read_text()
        assert "default-src 'none'" in text
        assert not re.search(r"(?:src|href|url)\s*[=(]\s*[\"']?(?:https?:)?//", text)


def test_every_control_has_a_label(report, tmp_path):
    text = chromium.shown(report.as_uri(), tmp_path / "profile")
    form = re.search(r"<form class=\"card browse\".*?</form>", text, re.DOTALL)[0]
    assert len(re.findall(r"<label>\s*\w+ <(?:select|input)", form)) == 4
    assert 'role="status" aria-live="polite"' in text
    assert 'hidden=""' not in form.split(">")[0], "the filters are there once scripts run"
