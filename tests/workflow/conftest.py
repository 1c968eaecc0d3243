"""Fixtures: an empty folder, and finished runs of both engines."""

import fcntl
import os
import shutil

import pytest

import slurm as private
from harness import COMPILED, Workflow


@pytest.fixture
def workflow(tmp_path):
    """An empty folder with the tiny configuration."""
    result = Workflow(tmp_path)
    result.configure()
    return result


def once(tmp_path_factory, name, known=None, **changes):
    """A finished run, made by the first process that asks for it; the others wait.

    ``known``: a run whose exact points it finds, as runs in one folder do.
    """
    root = tmp_path_factory.getbasetemp()
    root = root.parent if os.environ.get("PYTEST_XDIST_WORKER") else root
    (root / name).mkdir(exist_ok=True)
    result, output = Workflow(root / name), root / f"{name}.output"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not output.exists():
            if known:
                shutil.copytree(known.folder / "results/.exact", root / name / "results/.exact")
            result.configure(**changes)
            output.write_text(result.run("--cores", "2").stdout)
    result.output = output.read_text()
    return result


@pytest.fixture(scope="session")
def finished(tmp_path_factory, compiled):
    """A finished run of the tiny configuration with two cores (about a minute)."""
    return once(tmp_path_factory, "finished", compiled)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """A finished run of the compiled engine with two cores, in several chunks (two minutes)."""
    return once(tmp_path_factory, "compiled", **COMPILED, chunk_minutes=0.00064)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A private SLURM of one node with two cores; continuous integration must have one."""
    if reason := private.missing():
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    with private.Slurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running
