"""The table that a profiled run prints."""

from __future__ import annotations

import io
import json
from pathlib import Path

from jaxdl.profiling.table import print_profile

PROFILE = {
    "steps": 1200,
    "device": "cpu",
    "trace": "plugins/profile/now/host.xplane.pb",
    "seconds_per_step": {
        "compute": 0.0015,
        "input": 0.0003,
        "host": 0.0002,
        "between": 0.0001,
        "wall": 0.002,
        "untraced": 0.0019,
    },
    "operations": [
        {
            "name": f"dot.{number}",
            "kind": "dot",
            "seconds_per_step": 0.001,
            "share": 0.5,
            "layer": "dense_1\x1b[31m",
            "backward": number == 0,
        }
        for number in range(20)
    ],
    "compile_seconds": 1.25,
    "flops_per_step": 2.5e9,
    "flops_per_second": 1.25e12,
    "share_of_peak": 0.625,
    "peaks": {"float32": {"flops_per_second": 2e12, "size": 4096}},
}


def printed(run_dir: Path) -> str:
    file = io.StringIO()
    print_profile(run_dir, file)
    return file.getvalue()


def test_it_says_where_a_step_goes(tmp_path: Path) -> None:
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "profile.json").write_text(json.dumps(PROFILE))
    text = printed(tmp_path)
    assert "a train step, over 1,200 steps" in text
    (compute,) = [line.split() for line in text.splitlines() if line.split()[:1] == ["compute"]]
    assert compute[1:3] == ["1.5", "75.0%"]
    assert "1,250.0 GFLOP/s, 62.5% of the measured peak" in text
    assert "2,000.0 GFLOP/s (float32 products of 4096 x 4096) on cpu" in text
    assert "2.5 GFLOP a step" in text
    assert text.count("dot.") == 12, "the longest ones"
    assert "dense_1\\x1b[31m, backward" in text and "\x1b" not in text


def test_a_run_that_was_not_profiled_has_none(tmp_path: Path) -> None:
    assert printed(tmp_path) == ""
