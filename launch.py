"""Runs an experiment: ``python launch.py --experiment=mnist_cnn``; see also ``--list`` and ``--help``."""

from pathlib import Path

from jaxdl.cli.main import main

if __name__ == "__main__":
    main(Path(__file__).resolve().parent / "experiments")
