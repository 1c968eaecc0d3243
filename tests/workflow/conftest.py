"""Fixtures: an empty folder, and finished runs of both engines."""

import os

import pytest

import slurm as private
from harness import COMPILED, Workflow


@pytest.fixture
def workflow(tmp_path):
    """An empty folder with the tiny configuration."""
    result = Workflow(tmp_path)
    result.configure()
    return result


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished run of the tiny configuration with two cores (about two minutes)."""
    result = Workflow(tmp_path_factory.mktemp("finished"))
    result.configure()
    result.output = result.run("--cores", "2").stdout
    return result


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """A finished run of the compiled engine with two cores, in several chunks (two minutes)."""
    result = Workflow(tmp_path_factory.mktemp("compiled"))
    result.configure(**COMPILED, chunk_minutes=0.001)
    result.output = result.run("--cores", "2").stdout
    return result


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A private SLURM of one node with two cores; continuous integration must have one."""
    if reason := private.missing():
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    with private.Slurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running
