"""``mmtune score``: every benchmark's own files, end to end; answer files that are wrong in every known way."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import json
import re
import resource
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from eval.answer_files import MAX_CHARACTERS, read_answers
from eval.metrics import anls, choice, instruction_following, iou, mmmu, ptb, yes_no
from eval.metrics import vqa as vqa_metric
from eval.metrics.chair import Chair
from eval.score_file import score_file
from eval.scoring import Sampling
from eval.tasks import TASKS, build_tasks, parse_task
from mmtune.cli import main
from mmtune.errors import UserError
from tests import benchmark_files

UNWRONGABLE = {"chair", "captions", "amber_descriptions", "object_halbench", "llavabench"}
"""A description that was never written hallucinates nothing, and without a review there is no reference."""
QUICK = Sampling(resamples=40)


def config_of(task, files):
    return replace(parse_task(f"{task}:{files.settings}"), annotations=str(files.annotations))


def score(task, files, **settings):
    return score_file(config_of(task, files), files.answers, sampling=QUICK, **settings)


def values(result):
    return {name: found["value"] for name, found in result["metrics"].items()}


@pytest.fixture
def vqa(tmp_path):
    return benchmark_files.write("vqav2", tmp_path)


def test_every_task_has_files_here_and_says_what_it_is():
    assert set(benchmark_files.WRITERS) == set(TASKS)
    for name, task in TASKS.items():
        told = " ".join(kind.__doc__ or "" for kind in task.__mro__)
        assert task.title and task.primary and "Source:" in told, name


def test_the_documents_table_has_every_task(root):
    text = (root / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    table = text[text.index("## Metrics") :]
    assert [name for name in TASKS if f"`{name}`" not in table] == []


@pytest.mark.parametrize("name", ["MM-Vet", "LLaVA-Bench", "VQAv2", "OK-VQA", "SEED-Bench", "MMBench_CN"])
def test_benchmarks_go_by_the_names_that_people_write(name):
    assert parse_task(name).task in TASKS


@pytest.mark.parametrize("task", benchmark_files.WRITERS)
def test_right_answers_score_as_such_in_every_benchmarks_own_format(task, tmp_path):
    files = benchmark_files.write(task, tmp_path)
    result = score(task, files)
    assert (result["n"], result["of"], result["complete"]) == (files.items, files.items, True)
    got, primary = values(result), benchmark_files.PERFECT.get(task, 1.0)
    assert primary is None or got[result["primary"]] == pytest.approx(primary, abs=1e-3)
    assert {name: got[name] for name in files.perfect} == pytest.approx(files.perfect, abs=1e-3)
    assert json.dumps(result, allow_nan=False)


@pytest.mark.parametrize("task", benchmark_files.WRITERS)
def test_what_a_run_writes_is_what_score_reads(task, tmp_path):
    """The answer file of a run goes back in through the same reader, ids and all."""
    files = benchmark_files.write(task, tmp_path)
    config = config_of(task, files)
    if files.questions:
        config = replace(config, questions=str(files.questions))
    (built,) = build_tasks([config]).values()
    if built.needs_judge:
        return  # a judge comes between the two files
    items = built.load()
    said = {item.id: f"=red, {number}" for number, item in enumerate(items)}
    path = built.write_answers(tmp_path / "written", items, said)
    read = built.read_answers(path, items)
    assert read == {identity: built.submitted(text) for identity, text in said.items()}
    assert all(built.prompt(item).strip() for item in items)
    assert len({item.id for item in items}) == len(items) >= 20


@pytest.mark.parametrize("task", sorted(set(benchmark_files.WRITERS) - UNWRONGABLE))
def test_missing_answers_are_refused_or_count_as_wrong(task, tmp_path):
    files = benchmark_files.write(task, tmp_path)
    (built,) = build_tasks([config_of(task, files)]).values()
    items = built.load_truth()
    right = built.read_answers(files.answers, items)
    gone = [item.id for item in items][1::2]
    path = benchmark_files.dump(tmp_path / "some.json", {"answers": []})
    rows = [
        {built.answer_ids[0]: k, "judgement": v, built.answer_texts[0]: v}
        for k, v in right.items()
        if k not in gone
    ]
    if task == "mmvet":
        rows = [row | {"score": [1.0]} for row in rows]
    if task == "hallusionbench":
        rows = [
            {**next(i for i in items if i.id == row[built.answer_ids[0]]).truth, "x_gpt_check": 1}
            for row in rows
        ]
    benchmark_files.rows(path, rows)
    some = replace(files, answers=path)
    with pytest.raises(
        UserError, match=rf"{len(gone)} of {len(items)} items have no answer: {re.escape(gone[0])}"
    ):
        score(task, some)
    wrong = score(task, some, missing="wrong")
    assert (wrong["n"], wrong["of"], wrong["answered"]) == (len(items), len(items), len(items) - len(gone))
    assert wrong["missing_counted_as_wrong"] == len(gone) and not wrong["complete"]
    whole = values(score(task, files))
    primary = wrong["primary"]
    if task not in ("mme",):
        assert values(wrong)[primary] < whole[primary]
    skipped = score(task, some, missing="skip")
    assert (skipped["n"], skipped["of"], skipped["missing"][0]) == (
        len(right) - len(gone),
        len(items),
        gone[0],
    )


@pytest.mark.parametrize("task", sorted(UNWRONGABLE))
def test_a_missing_description_cannot_count_as_a_wrong_one(task, tmp_path):
    files = benchmark_files.write(task, tmp_path)
    one = {"image_id": 1, "id": 1, "caption": "A dog.", "response": "A dog.", "judgement": "8 7"}
    files.answers = benchmark_files.rows(tmp_path / "one.jsonl", [one])
    with pytest.raises(UserError, match="none cannot count as a wrong one"):
        score(task, files, missing="wrong")
    assert score(task, files, missing="skip")["n"] == 1


def test_answers_go_by_id_not_by_place(vqa, tmp_path):
    answers = json.loads(vqa.answers.read_text())
    shuffled = replace(vqa, answers=benchmark_files.dump(tmp_path / "b.json", answers[5:] + answers[:5]))
    assert values(score("vqav2", shuffled)) == values(score("vqav2", vqa))


BAD = {
    "null": ([{"question_id": 100, "answer": None}], "The answer to 100 is null, not text"),
    "nan": ('[{"question_id": 100, "answer": NaN}]', "The answer to 100 is NaN, not text"),
    "number": ([{"question_id": 100, "answer": 3}], "The answer to 100 is a number, not text"),
    "list": ([{"question_id": 100, "answer": ["a"]}], "is a list, not text"),
    "twice": (
        [{"question_id": 100, "answer": "a"}, {"question_id": "100", "answer": "b"}],
        "twice, with two answers",
    ),
    "twice in an object": ('{"100": "a", "100": "b"}', "The id 100 stands in the answer file twice"),
    "no id": ([{"question": 1, "answer": "a"}], "Row 1 has no id: it has question, answer"),
    "no answer": ([{"question_id": 1, "reply": "a"}], "Row 1 has no answer"),
    "other ids": ([{"question_id": 5, "answer": "a"}], "None of the 1 answer has an id of the benchmark"),
    "huge": ([{"question_id": 100, "answer": "x" * (MAX_CHARACTERS + 1)}], "has 100,001 characters"),
    "not objects": ([1, 2], "Row 1 is not a JSON object"),
    "malformed": ('[{"question_id": 1,]', "Malformed JSON: .* line 1, column"),
    "malformed line": ('{"question_id": 1, "answer": "a"}\n{"question_id"\n', "line 2"),
    "empty": ("", "The file is empty"),
    "text": ("yes\nno\n", "neither JSON nor a table"),
    "nested": ("[" * 100_000, "nested too deeply|Malformed"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_answer_file_is_one_clear_sentence_and_status_2(kind, vqa, tmp_path, capsys):
    content, said = BAD[kind]
    path = tmp_path / "bad.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    words = ["score", "vqav2", "--predictions", str(path), "--annotations", str(vqa.annotations)]
    assert main(words) == 2
    told = capsys.readouterr()
    assert not told.out and told.err.count("\n") == 1 and len(told.err) < 700
    with pytest.raises(UserError, match=said):
        score("vqav2", replace(vqa, answers=path))


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings_are_named(encoding, vqa, tmp_path):
    path = tmp_path / "other.json"
    path.write_bytes('[{"question_id": 100, "answer": "café"}]'.encode(encoding))
    with pytest.raises(UserError, match="not UTF-8"):
        score("vqav2", replace(vqa, answers=path))


def test_answers_too_many_are_refused_or_ignored(vqa, tmp_path):
    answers = [*json.loads(vqa.answers.read_text()), {"question_id": 7, "answer": "x"}]
    more = replace(vqa, answers=benchmark_files.dump(tmp_path / "more.json", answers))
    with pytest.raises(UserError, match=r"1 answer is to items that the benchmark does not have: 7"):
        score("vqav2", more)
    assert score("vqav2", more, extra="ignore")["extra"] == 1


def test_labels_in_another_case_are_refused(tmp_path):
    files = benchmark_files.write("pope", tmp_path)
    files.annotations.write_text(files.annotations.read_text().replace('"no"', '"No"'))
    with pytest.raises(UserError, match="'No', neither yes nor no"):
        score("pope", files)


def test_pope_answers_without_ids_must_answer_what_their_line_asks(tmp_path):
    files = benchmark_files.write("pope", tmp_path)
    answers = [json.loads(line) for line in files.answers.read_text().splitlines()]
    benchmark_files.rows(files.answers, answers[::-1])
    with pytest.raises(UserError, match=r"Row 1 answers .* but the label file asks"):
        score("pope", files)
    benchmark_files.rows(files.answers, answers[:5])
    with pytest.raises(UserError, match="5 rows without ids, but the benchmark has 24 questions"):
        score("pope", files)
    benchmark_files.rows(files.answers, [row | {"question_id": n} for n, row in enumerate(answers)][::-1])
    assert values(score("pope", files))["accuracy"] == 1.0


def test_a_runs_own_predictions_are_read_without_the_blind_ones(tmp_path):
    rows = [
        {"task": "pope_random", "id": "1", "blind": False, "prediction": "yes"},
        {"task": "pope_random", "id": "1", "blind": True, "prediction": "no"},
        {"task": "vqav2", "id": "1", "blind": False, "prediction": "Red.", "submitted": "red"},
        {"task": "vqav2", "id": "2", "blind": False, "error": "no such image"},
    ]
    path = benchmark_files.rows(tmp_path / "predictions.jsonl", rows)
    for task, said in (("pope_random", "yes"), ("vqav2", "red")):
        assert read_answers(path, ("question_id", "id"), ("answer", "prediction"), task) == {"1": said}


@pytest.mark.parametrize("task", ["vqav2", "pope"])
def test_a_benchmarks_file_that_is_nested_too_deeply_is_refused(task, tmp_path):
    files = benchmark_files.write(task, tmp_path)
    files.annotations.write_text("{}\n" * (task == "pope") + "[" * 100_000)
    with pytest.raises(UserError, match="nested too deeply"):
        score(task, files)


@pytest.mark.parametrize("task", ["aokvqa", "amber", "docvqa", "vizwiz"])
def test_a_benchmark_that_holds_an_id_twice_is_refused(task, tmp_path):
    """Answers are joined by id, so that one would count for two."""
    files = benchmark_files.write(task, tmp_path)
    value = json.loads(files.annotations.read_text())
    rows = value["data"] if isinstance(value, dict) else value
    rows.append(rows[-1])
    benchmark_files.dump(files.annotations, value)
    with pytest.raises(UserError, match="stands in the file twice"):
        score(task, files)


def test_a_part_of_a_benchmark_is_never_told_as_the_whole(vqa, tmp_path, capsys):
    path = benchmark_files.dump(tmp_path / "one.json", [{"question_id": 100, "answer": "red"}])
    words = ["score", "vqav2", "--predictions", str(path), "--annotations", str(vqa.annotations)]
    assert main([*words, "--missing", "skip"]) == 0
    assert (
        "scored 1 of 24 items\nthis is not the whole benchmark: 23 items are left out"
        in capsys.readouterr().out
    )
    assert main([*words, "--missing", "wrong"]) == 0
    assert "23 of them have no answer, which counts as wrong" in capsys.readouterr().out


def test_json_output_has_intervals_and_says_n_of_n(vqa, capsys):
    words = ["--predictions", str(vqa.answers), "--annotations", str(vqa.annotations), "--json"]
    assert main(["score", "vqav2", *words]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["metrics"]["accuracy"]["n"] == result["n"] == result["of"] == 24
    assert {"value", "low", "high", "clusters"} <= set(result["metrics"]["accuracy"])
    assert set(result["by"]) == {"question_type", "answer_type"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["score"], "Which benchmark, and which answers"),
        (["score", "vqa2", "--predictions", "x"], "did you mean 'vqav2'"),
        (["score", "vqav2", "--predictions", "x"], "has no annotation file"),
        (["score", "mmstar", "--predictions", "x", "--annotations", "nowhere.tsv"], "cannot be read"),
        (["score", "vqav2", "--predictions", "x", "--missing", "guess"], "invalid choice"),
    ],
)
def test_a_mistyped_command_is_one_clear_sentence(words, said, user_folder, capsys):
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_score_runs_without_torch_and_lists_the_benchmarks(vqa, root):
    code = (
        "import sys; from mmtune.cli import main\n"
        f"status = main(['score', 'vqav2', '--predictions', {str(vqa.answers)!r}, '--annotations', {str(vqa.annotations)!r}])\n"
        "assert main(['score', '--list']) == 0\n"
        "loaded = {name.split('.')[0] for name in sys.modules} & {'torch', 'transformers', 'sklearn', 'matplotlib'}\n"
        "sys.exit(f'{status} {loaded}' if status or loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "mmbench" in done.stdout and "24 of 24" in done.stdout


def test_refcoco_modes_place_the_same_box(tmp_path):
    files = benchmark_files.write("refcoco", tmp_path)
    said = {"padded": "[0.1, 0.3, 0.6, 0.55]", "thousandths": "(100,100),(600,600)"}
    for mode, text in said.items():
        rows = [{"sent_id": n, "answer": text} for n in range(benchmark_files.SIZE)]
        benchmark_files.rows(files.answers, rows)
        assert values(score("refcoco", replace(files, settings=f"mode={mode}")))["mean_iou"] == pytest.approx(
            1.0
        )


def test_a_pickle_that_would_run_something_is_refused(tmp_path):
    files = benchmark_files.write("refcoco", tmp_path)
    (files.annotations / "refs(unc).p").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(UserError, match=r"holds a (os|posix)\.system"):
        score("refcoco", files)


def test_a_table_that_is_no_excel_file_is_refused(tmp_path):
    files = benchmark_files.write("mmbench", tmp_path)
    files.answers.write_text("index,prediction\n")
    with pytest.raises(UserError, match="no Excel file"):
        score("mmbench", files)


def test_ocr_tokens_stand_in_the_question_where_they_are_given(tmp_path):
    files = benchmark_files.write("textvqa", tmp_path)
    tokens = [{"image_id": f"i{n}", "ocr_tokens": ["STOP", str(n)]} for n in range(benchmark_files.SIZE)]
    ocr = benchmark_files.dump(tmp_path / "rosetta.json", {"data": tokens})
    (task,) = build_tasks([config_of("textvqa", replace(files, settings=f"ocr={ocr}"))]).values()
    assert "Reference OCR token: STOP, 3\nAnswer" in task.prompt(task.load()[3])


def _first_row(value):
    """The first object of a file that holds plain values."""
    if isinstance(value, dict) and any(isinstance(v, str | int) for v in value.values()):
        return value
    inside = value.values() if isinstance(value, dict) else value
    return next(filter(None, (_first_row(v) for v in inside if isinstance(v, dict | list))), None)


def _bent(path):
    """Each way to bend the first row of a file: each field in turn is of another kind, or not there."""
    text = path.read_text(encoding="utf-8")
    as_lines = len(text.splitlines()) > 1
    value = [json.loads(line) for line in text.splitlines()] if as_lines else json.loads(text)
    row = _first_row(value)
    for name in list(row or ()):
        for other in (None, ["a"], {"a": 1}, ...):
            kept = dict(row)
            if other is ...:
                del row[name]
            else:
                row[name] = other
            yield "".join(json.dumps(v) + "\n" for v in value) if as_lines else json.dumps(value)
            row.clear()
            row.update(kept)


@pytest.mark.parametrize("task", sorted(set(benchmark_files.WRITERS) - {"okvqa", "infovqa", "captions"}))
def test_files_of_another_shape_end_in_one_sentence_or_in_a_score(task, tmp_path):
    """Never in a traceback: whatever is wrong with the first row is told as a mistake in the file."""
    files = benchmark_files.write(task, tmp_path)
    tried = 0
    for path in (files.annotations, files.answers):
        if path.suffix not in (".json", ".jsonl"):
            continue
        whole = path.read_text(encoding="utf-8")
        for text in _bent(path):
            path.write_text(text, encoding="utf-8")
            with contextlib.suppress(UserError):
                result = score_file(config_of(task, files), files.answers, sampling=Sampling(resamples=2))
                assert result["n"] == result["of"]
            tried += 1
        path.write_text(whole, encoding="utf-8")
    assert tried or task in ("mme", "mmbench_cn", "mmbench")


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


def test_a_table_holds_line_breaks_quotes_and_other_marks_as_they_are(tmp_path):
    said = {"1": 'a\nb "c" \u2028 d', "2": "\x0b e\x0c", "3": ""}
    path = tmp_path / "answers.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "answer"], *said.items()])
    assert read_answers(path, ("id",), ("answer",)) == said


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


def test_one_is_one_and_not_several(tmp_path, capsys):
    """Sentences about a single answer are in the singular."""
    rows = [
        {"question_id": n, "image": "i.png", "text": f"Is there a thing {n} in the image?", "label": "yes"}
        for n in range(2)
    ]
    truth = benchmark_files.rows(tmp_path / "coco_pope_random.json", rows)
    answers = benchmark_files.rows(
        tmp_path / "a.jsonl", [{"question_id": n, "answer": "yes"} for n in (0, 9)]
    )
    words = ["score", "pope", "--annotations", str(truth), "--predictions", str(answers)]
    assert main(words) == 2
    assert "1 of 2 items has no answer" in capsys.readouterr().err
    assert main([*words, "--missing", "wrong", "--extra", "ignore"]) == 0
    told = capsys.readouterr().out
    assert "1 of them has no answer" in told and "1 answer to another item is ignored" in told
    assert main([*words, "--missing", "skip", "--extra", "ignore"]) == 0
    assert "1 item is left out" in capsys.readouterr().out


def test_a_capability_of_mmvet_stands_once_in_the_table(tmp_path, capsys):
    questions = {
        f"v1_{n}": {
            "imagename": f"{n}.png",
            "question": "What?",
            "answer": "red",
            "capability": ["ocr"] if n % 3 else ["rec", "ocr"],
        }
        for n in range(9)
    }
    truth = benchmark_files.dump(tmp_path / "mm-vet.json", questions)
    grades = {name: {"score": [round(0.1 * n, 1)]} for n, name in enumerate(questions)}
    answers = benchmark_files.dump(tmp_path / "grades.json", grades)
    assert main(["score", "mmvet", "--annotations", str(truth), "--predictions", str(answers)]) == 0
    table = capsys.readouterr().out
    assert "needs ocr" not in table and "needs rec" not in table
    assert len(re.findall(r"│ (?:rec|ocr) +│", table)) == 2, "the capabilities, each once"
    assert "capabilities: ocr+rec" in table, "what goes together is told too"
