"""Running the real Snakemake on the real Snakefile in a folder of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]

TINY = {
    "run": "tiny",
    "model": "b3-l2",
    "engine": "exact",
    "grid": {
        "epsilon_hat": {"min": -0.9, "max": 0, "points": 2},
        "g_hat": {"min": 0.08, "max": 0.08, "points": 1},
        "theta_sb": {"min": -0.17, "max": -0.1, "points": 2},
    },
    "chunk_minutes": 0.34,  # two points a chunk
}


class Workflow:
    """A folder in which Snakemake runs this project's Snakefile."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def configure(self, **changes) -> Path:
        """Write the tiny configuration with changes; returns its path."""
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump({**TINY, **changes}))
        return path

    def command(self, *args: str, config: Path | None = None) -> list[str]:
        """The command line of Snakemake."""
        config = config or self.folder / "config.yaml"
        common = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(self.folder)]
        return [sys.executable, "-m", "snakemake", *args, *common, "--configfile", str(config)]

    def run(
        self, *args: str, check: bool = True, environment: dict | None = None, **kwargs
    ) -> subprocess.CompletedProcess:
        """Run Snakemake and return its output (stdout and stderr together)."""
        environment = environment or os.environ
        result = subprocess.run(
            self.command(*args, **kwargs),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={k: v for k, v in environment.items() if k != "SNAKEMAKE_PROFILE"},
            check=False,
        )
        assert not check or result.returncode == 0, result.stdout
        return result

    def plan(self, *args: str) -> dict[str, int]:
        """Rules that would run, with the number of their jobs."""
        text = self.run("--dry-run", *args).stdout
        table = re.search(r"^job +count\n-[- ]+\n(.*?)\n\n", text, re.S | re.M)
        if table is None:
            assert "Nothing to be done" in text, text
            return {}
        rows = (line.split() for line in table.group(1).splitlines())
        return {name: int(count) for name, count in rows if name not in ("total", "all")}


COMPILED = {
    "run": "compiled",
    "engine": "compiled",
    "grid": {
        "epsilon_hat": {"min": -1.0, "max": 0, "points": 11},
        "g_hat": {"min": 0.02, "max": 0.2, "points": 19},
        "theta_sb": {"min": -0.3, "max": 0.1, "points": 21},
    },
}
