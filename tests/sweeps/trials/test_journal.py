"""The file of a trial table: lines that belong together are one writing, and Optuna reads them."""

from __future__ import annotations

import os
from pathlib import Path

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from jaxdl.errors import UserError
from jaxdl.sweeps.trials.journal import Journal


def nothing() -> None:
    pass


def test_lines_that_belong_together_are_synced_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "study.log", nothing)
    study = optuna.create_study(storage=journal.storage(), study_name="s")
    trial = study.ask()
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    with journal.together():
        for epoch in range(1, 31):
            study._storage.set_trial_intermediate_value(trial._trial_id, epoch, 1 / epoch)
        study._storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [0.5])
        assert not synced
    assert len(synced) == 1
    assert study.trials[0].value == 0.5 and len(study.trials[0].intermediate_values) == 30
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(tmp_path / "study.log")))
    assert optuna.load_study(study_name="s", storage=storage).trials == study.trials


def test_after_an_error_none_of_them_is_written_and_later_ones_are(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "study.log", nothing)
    journal.append_logs([{"line": 1}])
    with pytest.raises(RuntimeError), journal.together():
        journal.append_logs([{"line": 2}])
        raise RuntimeError
    assert list(journal.read_logs(0)) == [{"line": 1}]
    journal.append_logs([{"line": 3}])
    assert list(journal.read_logs(1)) == [{"line": 3}]


def test_nothing_is_written_when_the_folder_is_held_no_more(tmp_path: Path) -> None:
    def check() -> None:
        raise UserError("the sweep directory was removed")

    journal = Journal(tmp_path / "study.log", check)
    with pytest.raises(UserError, match="was removed"), journal.together():
        journal.append_logs([{"line": 1}])
    assert (tmp_path / "study.log").read_bytes() == b""
