"""Every reference vector of the benchmarks beyond VQA, POPE and CHAIR, one by one, in official mode."""

from __future__ import annotations

import pytest

from eval.metrics import (
    amber,
    anls,
    choice,
    gqa,
    hallusion,
    iou,
    judged,
    mmbench,
    mmmu,
    mmstar,
    ocrbench,
    relaxed,
    seed,
    yes_no,
)
from tests.vectors import vectors


def exactly(value):
    return pytest.approx(value, abs=1e-9, rel=1e-12)


def test_anls_is_that_of_the_competitions_script():
    for r in vectors("anls", "case", 259):
        assert anls.anls(r["prediction"], r["answers"]) == exactly(r["anls_rrc"]), r
        theirs = r["anls_stvqa_mmf"]
        if theirs == "ERR:ZeroDivisionError":
            assert anls.anls_stvqa(r["prediction"], r["answers"]) is None, r
        else:
            assert anls.anls_stvqa(r["prediction"], r["answers"]) == exactly(theirs), r
        assert anls.stvqa_accuracy(r["prediction"], r["answers"]) == r["accuracy_stvqa_mmf"], r


def test_relaxed_accuracy_is_that_of_pix2struct():
    for r in vectors("relaxed_accuracy", "case", 1079):
        assert relaxed.relaxed_accuracy(r["prediction"], r["target"]) is r["correct"], r
    for r in vectors("relaxed_accuracy", "aggregate", 5):
        assert relaxed.relaxed_score(r["predictions"], r["targets"]) == exactly(r["relaxed_accuracy"])


def test_scienceqa_letters_are_those_of_llavas_script():
    for r in vectors("scienceqa", "case", 193):
        if r["prediction"] is None:  # missing from the result file: there is no text to read
            assert (r["llava_parsed"], r["llava_correct"]) == ("FAILED", False)
            continue
        letter = choice.parse_scienceqa(r["prediction"], r["n_choices"])
        assert letter == r["llava_parsed"], r
        index = choice.scienceqa_index(letter, r["n_choices"])
        assert index == r["llava_pred_index"], r
        assert (index == r["answer_index"]) is r["llava_correct"], r
        assert choice.parse_scienceqa_gpt3(r["prediction"]) == r["scienceqa_repo_parsed"], r


def test_choices_are_inferred_as_mmbench_does():
    for r in vectors("mmbench_circular", "infer", 301):
        assert (choice.infer_choice(r["prediction"], r["choices"]) or False) == r["vlmevalkit_can_infer"], r


def test_circular_evaluation_is_that_of_mmbench():
    for r in vectors("mmbench_circular", "circular", 30):
        rows = r["rows"]
        circular = mmbench.circular_hits(rows)
        assert {str(k): v for k, v in circular.items()} == r["vlmevalkit_exact_matching_hits"], r["id"]
        vanilla = mmbench.vanilla_hits(rows)
        assert {str(k): v for k, v in vanilla.items()} == r["vlmevalkit_vanilla_pass0_hits"], r["id"]
        table = mmbench.accuracy_table(rows, circular)
        assert set(table) == set(r["vlmevalkit_accuracy"])
        for split, scores in r["vlmevalkit_accuracy"].items():
            known = {name: value for name, value in scores.items() if value is not None}
            assert table[split] == exactly(known), (r["id"], split)


def test_mmmu_letters_are_those_of_its_script_and_none_where_it_guesses():
    for r in vectors("mmmu", "multi_choice", 131):
        assert list(r["index2ans"]) == r["all_choices"]
        said = mmmu.parse_multiple_choice(r["response"], r["index2ans"])
        if r["falls_back_to_random_choice"]:
            assert said is None, r
        else:
            assert said == r["parsed"], r


def test_mmmu_open_answers_are_parsed_and_scored_as_by_its_script():
    for r in vectors("mmmu", "open", 208):
        parsed = mmmu.parse_open(r["response"])
        assert sorted(repr(piece) for piece in parsed) == r["parsed_sorted"], r
        assert mmmu.open_right(r["gold"], parsed) is r["correct"], r
    for r in vectors("mmmu", "normalize", 9):
        assert [repr(piece) for piece in mmmu.normalize(r["raw"])] == r["normalized"], r


def test_mmstar_is_scored_as_by_its_script():
    for r in vectors("mmstar", "case", 103):
        assert int(choice.mmstar_right(r["prediction"], r["answer"])) == r["correct"], r
    for r in vectors("mmstar", "run", 4):
        rows = [(x["prediction"], x["answer"], x["category"], x["l2_category"]) for x in r["rows"]]
        assert mmstar.mmstar_scores(rows) == exactly(r["scores"]), r["id"]


def test_gqa_replies_are_converted_as_llava_does():
    for r in vectors("gqa", "convert", 15):
        assert gqa.convert(r["text"]) == r["prediction"]


def test_gqa_figures_are_those_of_its_script():
    for r in vectors("gqa", "run", 11):
        predictions = {p["questionId"]: p["prediction"] for p in r["predictions"]}
        scores = gqa.gqa_scores(r["questions"], predictions, r["choices"], r["consistency"])
        for name, value in r["metrics"].items():
            assert f"{scores[name] or 0.0:.2f}" == f"{value:.2f}", (r["id"], name)
        lines = r["printed"].splitlines()
        names = {
            "structural type": "structural",
            "semantic type": "semantic",
            "steps number": "steps",
            "words number": "words",
        }
        kinds = gqa.kind_shares(r["questions"], predictions)
        current, told = "", 0
        for line in lines:
            if line.startswith("Accuracy / "):
                current = names[line.removeprefix("Accuracy / ").rstrip(":")]
            elif line.startswith("  "):
                kind, rest = line.strip().rsplit(": ", 1)
                assert f"{kinds[current][kind]:.2f}" == rest.split("%")[0], (r["id"], line)
                told += 1
        assert told == sum(len(found) for found in kinds.values()) > 0


def test_boxes_overlap_as_in_lmms_eval():
    for r in vectors("refcoco_iou", "iou", 158):
        got = iou.iou(r["pred_xyxy"], r["gt_xyxy"])
        assert got == (None if r["iou"] is None else exactly(r["iou"])), r
        assert iou.box_right(r["pred_xyxy"], r["gt_xyxy"]) is r["acc@0.5"], r
        assert iou.center_inside(r["pred_xyxy"], r["gt_xyxy"]) is r["center_in_gt"], r
    for r in vectors("refcoco_iou", "parse", 12):
        assert list(iou.parse_box(r["text"])) == r["lmms_eval_box"], r


def test_ocrbench_hits_are_those_of_its_script():
    for r in vectors("ocrbench", "case", 296):
        got = ocrbench.ocrbench_hit(r["predict"], r["answers"], r["dataset_name"])
        assert int(got) == r["result"], r


def test_amber_yes_no_scores_are_those_of_its_script():
    names = {
        "Descriminative Task": "discriminative",
        "Exsitence": "existence",
        "Attribute": "attribute",
        "State": "state",
        "Number": "number",
        "Action": "action",
        "Relation": "relation",
    }
    for r in vectors("amber_discriminative", "run", 18):
        assert not r["error"]
        scores = amber.discriminative_scores((kind, truth, said) for _, kind, truth, said in r["rows"])
        for theirs, values in r["metrics"].items():
            assert scores[names[theirs]] == exactly(values), (r["id"], theirs)


def test_mme_figures_are_those_of_its_tool():
    compared = 0
    for r in vectors("mme", "run", 18):
        got = {}
        for task, lines in r["tasks"].items():
            last = len(lines) - (0 if r["final_newline"][task] else 1)
            replies = [(gt, said + ("\n" if i < last else "")) for i, (_, _, gt, said) in enumerate(lines)]
            got[task] = yes_no.mme_task_scores(list(zip(replies[::2], replies[1::2], strict=True)))
        if "error" in r:  # the tool stops where every answer of a task is neither yes nor no
            assert any(scores["precision"] is None and not scores["TP"] for scores in got.values())
            continue
        for task, detail in r["task_detail"].items():
            assert got[task]["score"] == exactly(detail["score"]), (r["id"], task)
            assert 100 * got[task]["acc_plus"] == exactly(detail["acc_plus_from_score"])
            for name, value in detail["metrics"].items():
                assert (got[task][name] or 0.0) == exactly(value), (r["id"], task, name)
        totals = yes_no.mme_totals({task: scores["score"] for task, scores in got.items()})
        assert totals == {"perception": exactly(r["perception"]), "cognition": exactly(r["cognition"])}
        compared += 1
    assert compared == 17


def test_seedbench_figures_are_those_of_llavas_script_where_it_does_not_stop():
    names = {
        1: "Scene Understanding", 2: "Instance Identity", 3: "Instance Attributes", 4: "Instance Location",
        5: "Instances Counting", 6: "Spatial Relation", 7: "Instance Interaction", 8: "Visual Reasoning",
        9: "Text Understanding", 10: "Action Recognition", 11: "Action Prediction", 12: "Procedure Understanding",
    }  # fmt: skip
    for r in vectors("seedbench_llava", "run", 8):
        said = {str(qid): text for qid, text in r["results"]}
        questions = [(qid, names[kind], data_type) for qid, kind, data_type, _ in r["questions"]]
        hits = {q[0]: seed.seed_right(said[q[0]], q[3]) for q in r["questions"] if q[0] in said}
        scores = seed.seed_scores(questions, hits)
        for name, value in r["printed_scores"].items():
            assert f"{scores[name]:.2f}" == f"{value:.2f}", (r["id"], name)


def test_hallusionbench_figures_are_those_of_its_script():
    for r in vectors("hallusionbench", "run", 7):
        rows = [
            hallusion.Verdict(*(str(v) for v in row[:7]), verdict=row[7], same=row[8] == 1)
            for row in r["rows"]
        ]
        assert [int(v.correct) for v in rows] == r["correct_flags"]
        for name, value in hallusion.accuracies(rows).items():
            assert round(value, 4) == exactly(r[name]), (r["id"], name)
        assert hallusion.figure_stats(rows) == exactly(numbers(r["fig_stats"]))
        assert hallusion.pair_failures(rows) == numbers(r["pair_stats"])
        assert hallusion.failures(rows) | {"wrong": r["all_stats"]["wrong"]} == numbers(r["all_stats"])
        assert hallusion.yes_bias(rows) == exactly(r["yes_ratio_stats"])


def test_llavabench_reviews_and_figures_are_those_of_its_scripts():
    for r in vectors("llavabench", "parse", 48):
        assert judged.parse_pair(r["review"]) == tuple(float(score) for score in r["scores"]), r
    for r in vectors("llavabench", "summary", 8):
        scores = judged.llavabench_scores((category, pair) for category, pair in r["rows"])
        assert {name: list(row) for name, row in scores.items()} == r["table"], r["id"]


def test_mmhal_figures_are_those_of_its_script():
    for r in vectors("mmhal", "run", 12):
        ratings = [judged.parse_mmhal(reply) for reply in r["judge_replies"]]
        assert ratings.count(None) == r["warnings"]
        scores = judged.mmhal_scores(ratings)
        assert f"{scores['average_score']:.2f}" == f"{r['average_score']:.2f}"
        assert f"{scores['hallucination_rate']:.2f}" == f"{r['hallucination_rate']:.2f}"
        assert [round(scores[kind], 2) for kind in judged.MMHAL_TYPES] == r["by_type"]


def numbers(stats):
    return {name: value for name, value in stats.items() if name != "note"}
