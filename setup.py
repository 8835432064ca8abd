"""Builds what is not kept in the repository; everything else of the package is described in setup.cfg."""

from pathlib import Path
from typing import Any

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildPy(build_py):
    """Compiles the message catalogues into the wheel. An editable installation has none and reads the sources."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            compile_catalog: Any = self.reinitialize_command("compile_catalog")
            compile_catalog.domain = ["puq_backups"]
            compile_catalog.directory = str(Path(self.build_lib, "puq_backups", "lang"))
            self.run_command("compile_catalog")


setup(cmdclass={"build_py": BuildPy})
