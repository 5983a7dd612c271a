"""Files of Weights & Biases: written by hand in their form, and by its own library."""

from __future__ import annotations

import json
import math
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.comparison.importers.wandb import read_wandb
from tests.record.trackers.given import give


def field(number: int, value: bytes | int) -> bytes:
    """A field of a protobuf message."""

    def varint(rest: int) -> bytes:
        found = b""
        while rest > 127:
            found, rest = found + bytes([rest & 127 | 128]), rest >> 7
        return found + bytes([rest])

    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def item(key: str, value: Any, nested: bool = False) -> bytes:
    return field(2 if nested else 1, key.encode()) + field(16, json.dumps(value).encode())


def log(records: list[bytes]) -> bytes:
    """The blocks of LevelDB's log."""
    content = b":W&B\xe1\xbe\x00"
    for record in records:
        rest, first = record, True
        while rest or first:
            left = 32_768 - len(content) % 32_768
            if left < 7:
                content += b"\x00" * left
                continue
            part, rest = rest[: left - 7], rest[left - 7 :]
            kind = 1 if first and not rest else 2 if first else 4 if not rest else 3
            checksum = zlib.crc32(bytes([kind]) + part)
            content += checksum.to_bytes(4, "little") + len(part).to_bytes(2, "little") + bytes([kind]) + part
            first = False
    return content


def records(ended: int | None = 0) -> list[bytes]:
    config = field(1, item("seed", 3)) + field(1, item("optimizer", {"learning_rate": 0.1}))
    found = [field(17, field(1, b"abc") + field(3, b"mine") + field(4, config))]
    for step in range(3):
        nested = step % 2 == 1
        history = field(1, item("train/loss", math.nan if step == 1 else 1 / (step + 1), nested))
        history += field(1, item("note", "x" * 40_000)) + field(1, item("_step", step)) + field(2, field(1, step))
        found.append(field(2, history))
    return found if ended is None else [*found, field(18, field(1, ended) if ended else b"")]


@pytest.mark.parametrize(("ended", "status"), [(0, "completed"), (1, "failed"), (None, "unfinished")])
def test_a_file_is_read_over_several_blocks(tmp_path: Path, ended: int | None, status: str) -> None:
    (tmp_path / "run-abc.wandb").write_bytes(log(records(ended)))
    (run,) = jaxdl.find_runs(tmp_path)
    assert (run.experiment, run.status, run.seed) == ("mine", status, 3)
    assert run.config["optimizer.learning_rate"] == 0.1
    assert [line["step"] for line in run.history] == [0, 1, 2] and math.isnan(run.history[1]["loss"])
    assert run.metrics["train/loss"] == pytest.approx(1 / 3)


def test_what_is_damaged_or_not_yet_written_ends_it(tmp_path: Path) -> None:
    whole = log(records())
    file = tmp_path / "run-abc.wandb"
    file.write_bytes(whole[:-3])  # while it is being written
    (run,) = read_wandb(file)
    assert run.status == "unfinished" and len(run.history) == 3
    damaged = bytearray(whole)
    damaged[60_000] ^= 1
    file.write_bytes(damaged)
    (run,) = read_wandb(file)
    assert len(run.history) == 1
    for length in range(0, 200):
        file.write_bytes(whole[:length])
        assert len(read_wandb(file)) == (length >= 7)


@pytest.mark.slow
def test_what_its_library_wrote_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="Weights & Biases: extra wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    assert give("wandb", tmp_path / "run") == []
    until = time.monotonic() + 120
    while "unfinished" in (statuses := [run.status for run in jaxdl.find_runs(tmp_path / "wandb")]):
        assert time.monotonic() < until, statuses  # its own process writes the end a moment later
        time.sleep(0.2)
    first, second = jaxdl.find_runs(tmp_path / "wandb")
    assert (first.experiment, first.status, second.status) == ("digits", "failed", "completed")
    assert second.config["optimizer.learning_rate"] == 0.001 and second.seed == 3
    losses = [(line["step"], line["epoch"], line["loss"]) for line in first.history if line["split"] == "train"]
    assert losses == [(10, 1, 1.0), (20, 2, 0.5)] and second.metrics["test/accuracy"] == 0.875
