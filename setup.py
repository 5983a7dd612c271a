"""Puts the experiments into the built package, as ``jaxdl/recipes``; all else is in pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithRecipes(build_py):
    """Copies ``experiments/*.py``, which in a clone lie beside the package, and are taken from there."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "jaxdl" / "recipes"
            self.mkpath(str(target))
            for file in sorted(Path("experiments").glob("*.py")):
                self.copy_file(str(file), str(target / file.name))


setup(cmdclass={"build_py": WithRecipes})
