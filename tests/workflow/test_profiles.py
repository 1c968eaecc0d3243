"""The cluster profiles and the environments of jobs: read, dry-run, and kept in agreement."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from harness import ROOT, minutes
from malaphoric.workflow.configuration import SECONDS_PER_POINT

PROFILES = ("slurm", "htcondor", "generic")

#: Where continuous integration puts HTCondor's executor: in .venv it would warn at every start.
HTCONDOR = Path(sys.prefix) / "htcondor"

# an exact scan of 10^8 points
HUGE = {
    "run": "huge",
    "parameters": {
        "epsilon_hat": {"min": -1.2, "max": 0.3, "points": 400},
        "g_hat": {"min": 0, "max": 0.3, "points": 500},
        "theta_sb": {"min": -0.6, "max": 0.6, "points": 500},
    },
}


def profile(name: str) -> str:
    return str(ROOT / "profiles" / name)


def environment(name: str) -> dict:
    """What Snakemake needs to know the executor of a profile."""
    if name != "htcondor":
        return dict(os.environ)
    if not HTCONDOR.exists():
        reason = "no HTCondor executor installed, see .ci/run"
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    return {**os.environ, "PYTHONPATH": str(HTCONDOR)}


@pytest.mark.parametrize("name", PROFILES)
def test_dry_run(workflow, name):
    """The profile is accepted; ten thousand exact points in chunks of an hour."""
    axis = {"min": 0, "max": 0.3, "points": 100}
    workflow.configure(parameters={"epsilon_hat": 0, "g_hat": axis, "theta_sb": {**axis}})
    options = ["--dry-run", "--workflow-profile", profile(name)]
    text = workflow.run(*options, environment=environment(name)).stdout
    chunks = re.findall(r"^rule chunk:\n((?:    .*\n)+)", text, re.M)
    each = int(3600 / SECONDS_PER_POINT["exact"])
    assert len(chunks) == -(-10_000 // each)
    for chunk in chunks:
        if name == "htcondor":
            assert "htcondor_request_mem_mb=2000" in chunk
            assert "classad_MaxRuntime=10800" in chunk
        else:
            assert "mem_mb=2000" in chunk
            assert 100 < int(re.search(r"runtime=(\d+)", chunk)[1]) <= 2 * 60 + 15


@pytest.mark.parametrize("name", PROFILES)
def test_holds_what_it_replaces(name):
    """A workflow profile that is named replaces the default one, so it repeats its settings."""
    default, ours = (
        yaml.safe_load((ROOT / "profiles" / x / "config.yaml").read_text())
        for x in ("default", name)
    )
    assert default.items() <= ours.items()


@pytest.mark.parametrize(
    ("options", "chunks"),
    [([], 1), (["--config", f"chunk_minutes={minutes(2, 'exact')}"], 2)],
    ids=["profile", "user"],
)
def test_chunk_minutes(workflow, options, chunks):
    """The profile's stand above the configuration file, the command line's above both."""
    plan = workflow.plan("--workflow-profile", profile("slurm"), *options)
    assert plan["chunk"] == chunks


@pytest.mark.parametrize(("accounting", "command"), [("none", "squeue"), ("slurmdbd", "sacct")])
def test_status_follows_the_accounting(tmp_path, monkeypatch, accounting, command):
    """By sacct where SLURM keeps accounts, by squeue where it does not."""
    from snakemake.profiles import ProfileConfigFileParser

    scontrol = tmp_path / "scontrol"
    scontrol.write_text(
        f"#!/bin/sh\necho AccountingStorageType = accounting_storage/{accounting}\n"
    )
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with open(ROOT / "profiles" / "slurm" / "config.yaml") as file:
        assert ProfileConfigFileParser().parse(file)["slurm-status-command"] == command


@pytest.mark.slow
def test_hundred_million_exact_points(workflow):
    """Planned in fewer than 5000 jobs, whose run time follows their real size."""
    workflow.configure(**HUGE)
    text = workflow.run("--dry-run", "--workflow-profile", profile("slurm")).stdout
    assert int(re.search(r"^total +(\d+)$", text, re.M)[1]) < 5000
    minutes = 25_000 * SECONDS_PER_POINT["exact"] / 60
    assert f"runtime={int(2 * minutes + 15)}" in text


@pytest.mark.slow
def test_generic_profile_runs(workflow, tmp_path):
    """With a stand-in for PBS that runs what it is given; a killed job is noticed and retried."""
    stand_ins = {
        "qsub": 'for last; do :; done; echo "$@" >> calls; echo $$.pbs; '
        '(code=271; [ $(wc -l < calls) = 1 ] || { sh "$last"; code=$?; }; '
        'echo "Exit_status = $code" > $$.pbs) > /dev/null 2>&1 &',
        "qstat": 'echo "job_state = $([ -e $2 ] && echo F || echo R)"; cat $2 2> /dev/null; true',
    }
    for name, text in stand_ins.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    options = ["--workflow-profile", profile("generic"), "--seconds-between-status-checks", "1"]
    options += ["--latency-wait", "5", "results/.compile/ckm.h5"]
    text = workflow.run(*options, environment={**os.environ, "PATH": path}).stdout
    assert (tmp_path / "results/.compile/ckm.h5").exists(), text
    first, second = (tmp_path / "calls").read_text().splitlines()
    assert "select=1:ncpus=1:mem=3000mb -l walltime=3600 " in first
    assert "mem=6000mb -l walltime=7200 " in second


def locked() -> dict[str, str]:
    """Versions of the lock for the environment's Python 3.11 on Linux."""
    linux = {"python_full_version": "3.11.0", "python_version": "3.11", "sys_platform": "linux"}
    lines = re.findall(r"^([a-z0-9].*) \\$", (ROOT / "requirements.lock").read_text(), re.M)
    pins = [Requirement(line) for line in lines]
    return {
        pin.name: str(pin.specifier).removeprefix("==")
        for pin in pins
        if pin.marker is None or pin.marker.evaluate(linux)
    }


def test_conda_environment_agrees_with_the_lock():
    """Every dependency of package and workflow, in the version of the lock."""
    text = (ROOT / "workflow/envs/malaphoric.yaml").read_text()
    pip = yaml.safe_load(text)["dependencies"][-1]["pip"]
    pins = dict(item.split("==") for item in pip)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    items = project["dependencies"] + project["optional-dependencies"]["workflow"]
    names = {re.match(r"[a-z0-9-]+", item)[0] for item in items}
    names = {name for name in names if "executor-plugin" not in name}  # jobs submit no jobs
    assert pins == {name: locked()[name] for name in names}


def test_container_recipe_is_clean():
    """By its linter, which knows Dockerfiles and the shell inside."""
    recipe = ROOT / "workflow/envs/Dockerfile"
    command = [str(Path(sys.executable).parent / "hadolint"), "--no-color", str(recipe)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
