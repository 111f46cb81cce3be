"""What does it say? Handwritten digits and printed words."""

from __future__ import annotations

from data_builders.draws import Draws
from data_builders.miniworld.describing import CELLS, cell_index, facts_named, refer
from data_builders.miniworld.questions.base import Arguments, Family, Solution
from data_builders.miniworld.vocabulary import DIGIT, WORD
from data_builders.scenes import Scene


def _reading_family(name: str, phrasings: dict[str, tuple[str, ...]]) -> Family:
    def candidates(scene: Scene, draws: Draws) -> list[Arguments]:
        found = scene.of_class(name)
        forms = ("only", "cell") if len(found) == 1 else ("which",)
        return [{"form": form, "object": item.id} for form in forms if form in phrasings for item in found]

    def solve(scene: Scene, arguments: Arguments) -> Solution | None:
        item, form = scene.object(arguments["object"]), arguments["form"]
        if item.name != name or item.text is None or (form == "which") == (len(scene.of_class(name)) == 1):
            return None
        words = {}
        asks = frozenset({("text", item.id)})
        tells = asks
        if form == "which":
            thing = refer(scene, item)
            if thing is None:
                return None
            words["thing"] = thing
            tells |= facts_named(scene, item, thing)
        if form == "cell":
            cell = cell_index(scene, item, margin=scene.width / 32)
            if cell is None:
                return None
            words["cell"] = CELLS[cell]
            tells |= {("x", item.id), ("y", item.id)}
        return Solution(item.text, (item.id,), words, name, asks, tells)

    return Family(name, phrasings, candidates, solve)


DIGIT_READING = _reading_family(
    DIGIT,
    {
        "only": (
            "What digit is shown?",
            "What digit is written in the picture?",
            "Which digit can you read?",
        ),
        "cell": ("What digit is in the {cell}?", "Which digit is written in the {cell}?"),
        "which": ("What is {thing}?", "Which number does {thing} show?"),
    },
)
WORD_READING = _reading_family(
    WORD,
    {
        # A scene has one word at most, so that there is no need to ask which.
        "only": (
            "What word is written in the picture?",
            "What does the text say?",
            "Which word can you read?",
        ),
        "cell": ("What word is in the {cell}?", "Which word is written in the {cell}?"),
    },
)
