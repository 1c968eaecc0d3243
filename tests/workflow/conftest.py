"""Fixtures: an empty folder, and finished runs of both engines."""

import fcntl
import os
import shutil

import pytest

import slurm as private
from harness import COMPILED, FORKED, MASS, THREE_CHUNKS, UNCHECKED, Workflow


def pytest_configure(config):
    """Slow tests have jobs that need flavio, which takes seconds to import."""
    slow = config.option.markexpr != "not slow"
    FORKED.set_forkserver_preload(["preloaded", *(["smelli"] if slow else [])])


@pytest.fixture
def workflow(tmp_path):
    """An empty folder with the tiny configuration."""
    result = Workflow(tmp_path)
    result.configure()
    return result


def once(tmp_path_factory, name, known=None, more=(), **changes):
    """A finished run, made by the first process that asks for it; the others wait.

    ``known``: a run whose exact points it finds, as runs in one folder do; ``more``: what else is
    made.
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
            output.write_text(result.run("--cores", "2", "all", *more).stdout)
    result.output = output.read_text()
    return result


@pytest.fixture(scope="session")
def finished(tmp_path_factory, compiled):
    """A finished run of the tiny configuration with two cores (about a minute)."""
    return once(tmp_path_factory, "finished", compiled)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """A finished run of the compiled engine with two cores, in several chunks (two minutes)."""
    return once(tmp_path_factory, "compiled", **COMPILED, chunk_minutes=THREE_CHUNKS)


@pytest.fixture(scope="session")
def unchecked(tmp_path_factory, compiled):
    """A finished run of the compiled engine without points that check it, and of another mass."""
    return once(tmp_path_factory, "unchecked", compiled, (MASS,), **UNCHECKED)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A private SLURM of one node with two cores; continuous integration must have one."""
    if reason := private.missing():
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    with private.Slurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running
