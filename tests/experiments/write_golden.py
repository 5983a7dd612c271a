"""Writes the golden configs anew: ``python -m tests.experiments.write_golden``, after a change that is meant."""

from __future__ import annotations

import json
from pathlib import Path

import jaxdl
from tests.experiments.twins import EXPERIMENTS

if __name__ == "__main__":
    for path in sorted(EXPERIMENTS.glob("*.py")):
        config = jaxdl.to_config(jaxdl.load_experiment(path.stem, EXPERIMENTS))
        golden = Path(__file__).parent / "golden" / f"{path.stem}.json"
        golden.write_text(json.dumps(config, indent=2) + "\n")
