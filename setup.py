"""The wheel has copies of what users edit outside of the package; all else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

#: By their names in the project, which they keep in the wheel, below malaphoric/project.
COPIED = ("config/models/*.yaml", "workflow/schemas/*.yaml")


class BuildPy(build_py):
    """Builds modules, data and copies; an editable installation reads the project itself."""

    @property
    def _folder(self) -> Path:
        return Path(self.build_lib, "malaphoric", "project")

    def _copies(self) -> dict[str, str]:
        paths = [path for pattern in COPIED for path in sorted(Path().glob(pattern))]
        return {str(self._folder / path): str(path) for path in paths}

    def build_package_data(self) -> None:
        """Not called for an editable installation."""
        super().build_package_data()
        # an earlier build may have left models there that have other names now
        shutil.rmtree(self._folder, ignore_errors=True)
        for target, source in self._copies().items():
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)

    def get_source_files(self) -> list[str]:
        """What a source distribution must have."""
        return [*super().get_source_files(), *self._copies().values()]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """What is built."""
        outputs = super().get_outputs(include_bytecode)
        return outputs if self.editable_mode else [*outputs, *self._copies()]


setup(cmdclass={"build_py": BuildPy})
