"""MMMT-IF: instructions given over the turns of a chat about an image, checked by programs."""

from __future__ import annotations

from eval.json_files import read_rows
from eval.metrics.instruction_following import CHECKS, followed
from eval.metrics.intervals import Array, Totals, ratio
from eval.tasks.accuracy import AccuracyTask
from eval.tasks.base import Counts, Item
from eval.tasks.chats import history_of, images_of
from eval.tasks.official_files import check_unique, fields
from eval.tasks.published import SEE_PAGE, Published
from mmtune.errors import UserError, unknown


class MMMTIF(AccuracyTask):
    """JSON Lines of {id, image, question, instructions: [[name, argument], …]}, a row a turn; ``images`` are
    several, ``history`` the chat before the turn, as pairs of question and answer, and figures stand apart by
    ``turn`` where the rows have one.

    The instructions are those in force at the turn; their names are those of
    ``eval.metrics.instruction_following.CHECKS``. ``pif`` is the mean share of them that a response follows,
    ``followed_all`` the share of responses that follow all. The benchmark's own code is not published, so
    this is its definition and our form.

    Source: Epstein et al., MMMT-IF.
    """

    title = "MMMT-IF: instructions over many turns, checked by program"
    published = Published(
        SEE_PAGE,
        "990 turns of 71 chats, in the paper",
        "several a chat",
        SEE_PAGE,
        "https://arxiv.org/abs/2409.18216 (no data is known to be published)",
    )
    primary = "pif"
    default_prompt = "bare"
    default_max_new_tokens = 512
    answer_ids = ("id", "question_id")
    answer_texts = ("response", "answer", "prediction", "text")

    def load(self) -> list[Item]:
        path = self.annotations
        items = []
        for number, row in enumerate(read_rows(path), start=1):
            identity, question, given = fields(row, ("id", "question", "instructions"), path, number)
            if not given or any(not isinstance(one, list) or len(one) != 2 for one in given):
                raise UserError(
                    f"The instructions of row {number} are not pairs of name and argument", str(path)
                )
            for name, _ in given:
                if name not in CHECKS:
                    raise unknown("instruction", str(name), CHECKS, f"{path}, row {number}")
            images, history = images_of(row, path, number), history_of(row, path, number)
            kinds = {"turn": f"{row['turn']:>3}"} if row.get("turn") is not None else {}
            first = next(iter(images), "")
            items.append(Item(str(identity), first, question, given, kinds, identity, images, history))
        check_unique(items, path)
        return items

    def value(self, answer: str, item: Item) -> float | None:
        return sum(followed(answer, name, argument) for name, argument in item.truth) / len(item.truth)

    def counts_beside(self, answer: str, item: Item, value: float) -> Counts:
        return {"all": float(value == 1)}

    def metrics_beside(self, totals: Totals) -> dict[str, Array]:
        return {"followed_all": ratio(totals["all"], totals["items"])}

    def truth_text(self, item: Item) -> str:
        return "; ".join(f"{name} {argument}" for name, argument in item.truth)
