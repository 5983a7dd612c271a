"""``python -m jaxdl``: what ``launch.py`` does, with the experiments of the folder ``experiments`` below this one."""

from pathlib import Path

from jaxdl.cli.main import main

if __name__ == "__main__":
    main(Path("experiments"))
