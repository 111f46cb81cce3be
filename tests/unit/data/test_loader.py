"""The loader: a step's records depend on its index alone, whatever the ranks, the workers and the resuming."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmtune.batch import IGNORE, IMAGE_TOKEN_ID, PackedBatch
from mmtune.data.check import check, image_pixels
from mmtune.data.config import DataConfig, SourceConfig
from mmtune.data.loader import Step, StepLoader, train_loader, validation_loader
from mmtune.data.prepare import RecordEncoder
from mmtune.data.splits import open_splits
from mmtune.errors import UserError

Encoders = Callable[..., RecordEncoder]


@pytest.fixture
def config(row: Callable[..., dict], write_source: Callable[..., Path]) -> DataConfig:
    first = write_source([row(i, images=i % 3) for i in range(23)], "first.json")
    second = write_source([row(i, images=1) for i in range(100, 107)], "second.jsonl")
    train = [SourceConfig(str(first)), SourceConfig(str(second), weight=2.0)]
    return DataConfig(train, max_tokens=200, row_tokens=400)


def _loader(config: DataConfig, encoder: RecordEncoder, **changes: Any) -> StepLoader:
    settings = {"batch_records": 8, "seed": 5, "epochs": 1.0, **changes}
    return train_loader(config, open_splits(config)[0], encoder, **settings)


def _documents(steps: list[Step]) -> list[tuple]:
    """Everything that a model learns from in these steps, document by document, in a canonical order."""
    found = []
    for step in steps:
        for batch in step.batches:
            start = views = image = 0
            for length, record_id in zip(batch.document_lengths, batch.record_ids, strict=False):
                ids = batch.input_ids[start : start + length]
                places = int((ids == IMAGE_TOKEN_ID).sum())
                pixels = []
                while places:
                    pixels.append(batch.pixels[views : views + batch.image_views[image]].sum().item())
                    views += batch.image_views[image]
                    places -= batch.image_token_counts[image]
                    image += 1
                targets = batch.targets[start : start + length]
                positions = batch.position_ids[start : start + length]
                found.append(
                    (step.index, record_id, ids.tolist(), targets.tolist(), positions.tolist(), pixels)
                )
                start += length
    return sorted(found, key=repr)


def _same(a: Step, b: Step) -> bool:
    def equal(x: PackedBatch, y: PackedBatch) -> bool:
        pairs = [(getattr(x, f.name), getattr(y, f.name)) for f in fields(PackedBatch)]
        return all(torch.equal(p, q) if isinstance(p, torch.Tensor) else p == q for p, q in pairs)

    return (
        (a.index, a.epoch, a.records) == (b.index, b.epoch, b.records)
        and len(a.batches) == len(b.batches)
        and all(equal(x, y) for x, y in zip(a.batches, b.batches, strict=True))
    )


def test_an_epoch_has_each_record_by_its_weight_and_a_shorter_last_step(
    config: DataConfig, make_encoder: Encoders
) -> None:
    loader = _loader(config, make_encoder())
    steps = list(loader)
    assert len(loader) == len(steps) == 5
    assert [step.records for step in steps] == [8, 8, 8, 8, 5]
    assert steps[-1].epoch == 1.0 and steps[0].epoch == pytest.approx(8 / 37)
    ids = [record_id for step in steps for batch in step.batches for record_id in batch.record_ids]
    once = [f"r{i}" for i in range(23)]
    assert sorted(ids) == sorted(once + 2 * [f"r{i}" for i in range(100, 107)])


def test_rows_are_packed_as_the_model_expects(config: DataConfig, make_encoder: Encoders) -> None:
    for step in _loader(config, make_encoder()):
        for batch in step.batches:
            assert batch.input_ids.dtype == batch.targets.dtype == batch.position_ids.dtype == torch.int64
            assert sum(batch.document_lengths) <= 400
            expected = torch.cat([torch.arange(n) for n in batch.document_lengths])
            assert torch.equal(batch.position_ids, expected)
            last = torch.tensor(batch.document_lengths).cumsum(0) - 1
            assert (batch.targets[last] == IGNORE).all(), "no document predicts the next one"
            follows = torch.roll(batch.input_ids, -1)
            learnt = batch.targets != IGNORE
            assert torch.equal(batch.targets[learnt], follows[learnt])
            assert batch.pixels.dtype == torch.float32 and batch.pixels.shape[1:] == (3, 8, 8)


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(world=st.integers(1, 9), batch_records=st.integers(1, 20), seed=st.integers(0, 99))
def test_ranks_share_the_step_and_have_as_many_rows_each(
    config: DataConfig, make_encoder: Encoders, world: int, batch_records: int, seed: int
) -> None:
    encoder = make_encoder()
    changes = {"batch_records": batch_records, "seed": seed, "steps": 2}
    alone = list(_loader(config, encoder, **changes))
    ranks = [list(_loader(config, encoder, rank=r, world=world, **changes)) for r in range(world)]
    for of_ranks in zip(*ranks, strict=True):
        assert len({len(step.batches) for step in of_ranks}) == 1
    assert _documents([step for rank in ranks for step in rank]) == _documents(alone)


def test_workers_change_nothing(config: DataConfig, make_encoder: Encoders) -> None:
    encoder = make_encoder()
    random_state = torch.get_rng_state()
    in_process = list(_loader(config, encoder))
    with_workers = list(_loader(DataConfig(**{**vars(config), "workers": 2}), encoder))
    assert all(_same(a, b) for a, b in zip(in_process, with_workers, strict=True))
    assert torch.equal(random_state, torch.get_rng_state()), "loading must not move the run's random numbers"


@pytest.mark.parametrize("workers", [0, 1])
def test_a_step_number_is_enough_to_resume(config: DataConfig, make_encoder: Encoders, workers: int) -> None:
    config = DataConfig(**{**vars(config), "workers": workers})
    whole = list(_loader(config, make_encoder(), epochs=2.5))
    loader = _loader(config, make_encoder(), epochs=2.5)
    states = []
    for step in loader:
        states.append(json.loads(json.dumps(loader.state_dict())))
        if step.index == 6:
            break
    assert [state["step"] for state in states] == list(range(1, 8))
    for state in (states[6], {"step": 7}):
        resumed = _loader(config, make_encoder(), epochs=2.5)
        resumed.load_state_dict(state)
        later = list(resumed)
        assert len(later) == len(whole) - 7 and len(resumed) == len(whole)
        assert all(_same(a, b) for a, b in zip(later, whole[7:], strict=True))


def test_a_state_of_other_data_is_refused(
    config: DataConfig, make_encoder: Encoders, row: Callable, write_source: Callable
) -> None:
    state = _loader(config, make_encoder()).state_dict()
    for changes in ({"seed": 6}, {"batch_records": 9}):
        with pytest.raises(UserError, match="another"):
            _loader(config, make_encoder(), **changes).load_state_dict(state)
    write_source([row(i) for i in range(23)], "first.json")
    with pytest.raises(UserError, match="another set of training files"):
        _loader(config, make_encoder()).load_state_dict(state)


def test_validation_sees_each_record_once_each_time(config: DataConfig, make_encoder: Encoders) -> None:
    sources = open_splits(config)[0]
    loader = validation_loader(config, sources, make_encoder(), batch_records=4)
    first, second = list(loader), list(loader)
    assert all(_same(a, b) for a, b in zip(first, second, strict=True))
    assert len({document[1] for document in _documents(first)}) == sum(map(len, sources)) == 30
    some = validation_loader(config, sources, make_encoder(), batch_records=4, records=10)
    assert sum(step.records for step in some) == 10


@pytest.fixture
def spoilt(row: Callable[..., dict], write_source: Callable[..., Path]) -> DataConfig:
    """40 records: 3 bad in their text, 2 with a bad image."""
    rows = [row(i) for i in range(40)]
    rows[3]["conversations"][0]["value"] = "no placeholder"
    rows[5] = row(5, answer="long " * 100)
    rows[7] = row(7, answer="")
    path = write_source(rows)
    (path.parent / "11-0.png").unlink()
    (path.parent / "13-0.png").write_bytes(b"")
    return DataConfig([SourceConfig(str(path))], max_tokens=200, quarantine_budget=0.2)


REFUSED = {
    "r3": "placeholder|<image>",
    "r5": "tokens",
    "r7": "empty",
    "r11": "does not exist",
    "r13": "empty",
}


@pytest.mark.parametrize(("world", "workers"), [(1, 0), (1, 2), (3, 0)])
def test_bad_records_go_to_quarantine_once_and_the_rest_is_learnt(
    spoilt: DataConfig, make_encoder: Encoders, tmp_path: Path, world: int, workers: int
) -> None:
    path = tmp_path / "run" / "quarantine.jsonl"
    spoilt = DataConfig(**{**vars(spoilt), "workers": workers})
    seen: list[str] = []
    for rank in range(world):
        loader = _loader(
            spoilt, make_encoder(), epochs=2.0, rank=rank, world=world, quarantine=path, batch_records=16
        )
        seen += [i for step in loader for batch in step.batches for i in batch.record_ids]
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(r["id"] for r in rows) == sorted(REFUSED)
    assert sorted(seen) == sorted(2 * [f"r{i}" for i in range(40) if f"r{i}" not in REFUSED])
    assert next(r for r in rows if r["id"] == "r11")["row"] == 11


@pytest.mark.parametrize("workers", [0, 1])
def test_too_many_bad_records_stop_the_run(spoilt: DataConfig, make_encoder: Encoders, workers: int) -> None:
    config = DataConfig(**{**vars(spoilt), "quarantine_budget": 0.01, "workers": workers})
    with pytest.raises(UserError, match=r"1 of 40 training records refused.*1 %"):
        list(_loader(config, make_encoder()))


def test_a_step_of_bad_records_only_still_has_a_row(
    make_encoder: Encoders, row: Callable, write_source: Callable
) -> None:
    path = write_source([row(i, answer="") for i in range(4)])
    config = DataConfig([SourceConfig(str(path))], quarantine_budget=0.999)
    with pytest.raises(UserError, match="4 of 4"):
        list(_loader(config, make_encoder(), batch_records=4))
    maker = _loader(config, make_encoder(), batch_records=4, world=2, rank=1).maker
    made = maker[0]
    assert len(made.rows) == 1 and made.rows[0].samples == () and len(made.refused_by_all) == 4


def test_an_error_of_the_set_up_comes_out_of_a_worker_whole(
    config: DataConfig, make_encoder: Encoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = make_encoder()

    class Broken:
        name = "broken"

        def render(self, turns: Any, *, generate: bool = False) -> Any:
            raise UserError("the template is broken", "template", "choose another")

    monkeypatch.setattr(encoder, "template", Broken())
    loader = _loader(DataConfig(**{**vars(config), "workers": 1}), encoder)
    with pytest.raises(UserError) as caught:
        list(loader)
    assert str(caught.value) == "the template is broken (template); choose another."


def test_a_fault_inside_a_worker_is_not_called_a_lack_of_memory(
    config: DataConfig, make_encoder: Encoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = make_encoder()

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(encoder.policy, "views", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        list(_loader(DataConfig(**{**vars(config), "workers": 1}), encoder))
    assert not multiprocessing.active_children(), "the worker ends with the error"


def test_a_notice_to_all_processes_leaves_the_workers_working(
    config: DataConfig, make_encoder: Encoders
) -> None:
    steps = iter(_loader(DataConfig(**{**vars(config), "workers": 1}), make_encoder(), epochs=4.0))
    found = [next(steps)]
    for worker in multiprocessing.active_children():
        os.kill(worker.pid or 0, signal.SIGTERM)
    found += steps
    assert len(found) == 19
    assert not multiprocessing.active_children(), "workers end with their loader"


def test_check_finds_what_training_would_refuse(spoilt: DataConfig, make_encoder: Encoders) -> None:
    encoder = make_encoder()
    for images in ({}, {"images": image_pixels}):
        report = check(spoilt, encoder.template, encoder.tokenizer, encoder.policy, **images)
        assert {refusal.id for refusal in report.refused} == set(REFUSED)
        assert report.records == 40 and report.accepted == report.images == 35
        assert 0 < report.supervised < report.tokens and report.visual_tokens == 4 * 35
        assert report.longest <= 200 and report.longest_id.startswith("r")
