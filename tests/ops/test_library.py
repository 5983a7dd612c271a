"""The choice of a library for what is traced: where it holds, and what is said where it cannot be had."""

from __future__ import annotations

import jax
import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.ops import library

pytestmark = [
    pytest.mark.xdist_group("onednn"),
    pytest.mark.skipif(not library.can_be_built(), reason="needs a C++ compiler and the extra native"),
]


def test_a_program_that_divides_kernels_among_devices_is_xla_s():
    mesh = jax.sharding.AbstractMesh((1, 2), ("data", "model"))
    with library.computed_by("onednn"):
        assert library.chosen() == "onednn"
        with jax.sharding.use_abstract_mesh(mesh):
            assert library.chosen() == "xla"
    assert library.chosen() == "xla"


def test_a_run_with_onednn_learns_the_same_and_predicts_without_it(recipe, tmp_path):
    recipe = jaxdl.replace(recipe, {"model": jaxdl.CNN(features=(8, 8), dense=(16,)), "training.epochs": 1})
    found = {}
    for name in library.LIBRARIES:
        run_dir = tmp_path / name
        found[name] = jaxdl.train(jaxdl.replace(recipe, {"training.library": name}), run_dir=run_dir, notify=None)
        assert jaxdl.load_run(run_dir).experiment.training.library == "xla"
    assert found["xla"]["params_sha256"] != found["onednn"]["params_sha256"]
    assert found["onednn"]["metrics"]["test/loss"] == pytest.approx(found["xla"]["metrics"]["test/loss"], rel=1e-3)


def test_without_a_compiler_the_flag_names_it(monkeypatch, recipe, tmp_path):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert not library.can_be_built()
    assert not library.is_built()
    recipe = jaxdl.replace(recipe, {"model": jaxdl.CNN(features=(8, 8)), "training.library": "onednn"})
    with pytest.raises(UserError, match=r"--library=onednn: there is no C\+\+ compiler.*--library=xla"):
        jaxdl.train(recipe, run_dir=tmp_path / "run", notify=None)
    assert not (tmp_path / "run").exists()


def test_a_library_of_another_name_is_refused():
    with pytest.raises(ValueError, match="'mkl' is none of xla, onednn"):
        library.library_of("mkl")


def test_operations_are_known_to_xla_once_though_the_cache_folder_changes(monkeypatch, tmp_path):
    assert library.why_not() is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert not library.is_built()
    assert library.why_not() is None
    assert library.is_built()
