"""``python -m jaxdl`` and the command ``jaxdl``: what ``launch.py`` does, with the experiments that come with jaxdl."""

from jaxdl.cli.main import main

if __name__ == "__main__":
    main()
