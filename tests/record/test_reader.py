"""The run directory as processes see it that do not write to it."""

from __future__ import annotations

from pathlib import Path

from jaxdl.record import RunDirectory, read_metrics
from jaxdl.record.reader import ReadOnlyDirectory


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_written_and_what_is_there_can_be_read(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", "digits_mlp") as written:
        assert written.writes
        written.log_metrics(1, 1, "train", {"loss": 0.5})
        before = contents(tmp_path)
        with ReadOnlyDirectory(tmp_path / "run") as read:  # while the other has the lock
            assert not read.writes
            read.write_config({"name": "other"})
            read.write_record({})
            read.write_summary({})
            read.write_inspection({})
            read.write_pictures(1, b"")
            read.log_metrics(2, 1, "train", {"loss": 0.25})
            read.log_progress(2, 1, {})
            read.rewind(0)
            read.sync()
            read.discard_report()
            read.discard_summary()
            read.discard_if_new()
            assert read.checkpoints == written.checkpoints
            assert [line["loss"] for line in read_metrics(read.path)] == [0.5]
        assert contents(tmp_path) == before


def test_every_method_that_writes_is_replaced() -> None:
    writing = {name for name in vars(RunDirectory) if name.startswith(("write_", "log_", "discard_", "show", "track"))}
    assert writing | {"sync", "rewind", "close"} <= {*vars(ReadOnlyDirectory)}
