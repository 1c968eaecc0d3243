"""The workflow on a real SLURM: the same bytes as a local run, whatever happens to its jobs."""

import subprocess

import pytest

from harness import COMPILED, ROOT, THREE_CHUNKS, Workflow
from malaphoric import store

# one process: there is one SLURM
pytestmark = [pytest.mark.slow, pytest.mark.slurm]

# the profile as it is, but impatient
PROFILE = ["--workflow-profile", str(ROOT / "profiles" / "slurm"), "--latency-wait", "10"]
PROFILE += [
    "--slurm-init-seconds-before-status-checks",
    "1",
    "--seconds-between-status-checks",
    "1",
]


def assert_equal(ours: Workflow, theirs: Workflow, *names: str) -> None:
    for name in names:
        assert (ours.folder / name).read_bytes() == (theirs.folder / name).read_bytes(), name


def test_compiled_run_in_arrays(slurm, compiled, tmp_path):
    """Data half, running, chunks in arrays of two, merge: the bytes of the local run.

    The duration of chunks is that of the command line, which replaces the profile's.
    """
    ours = Workflow(tmp_path)
    ours.configure(**COMPILED)
    arrays = ["--slurm-array-jobs", "chunk", "--slurm-array-limit", "2"]
    options = [*PROFILE, *arrays, "--config", f"chunk_minutes={THREE_CHUNKS}", "--until", "profile"]
    output = ours.run(*options, environment=slurm.environment).stdout
    chunks = slurm.jobs("chunk")
    assert len(chunks) == len(list((tmp_path / "results/compiled/chunks").glob("*.h5"))) > 2
    assert all("_" in number for number in chunks), "not arrays"
    names = ("likelihood.h5", "running.h5", "scan.h5", "profile.h5", "best_grid.json")
    assert_equal(ours, compiled, *(f"results/compiled/{name}" for name in names))
    assert "profile: best point of the grid" in output
    assert not slurm.jobs("profile"), "a rule of a second went to the queue"


def test_atlas(slurm, tmp_path):
    """Chunks of models in the queue, the ranking here."""
    ours = Workflow(tmp_path)
    text = "{run: atlas, atlas: {N: 1}, validation: {models: 0}, toys: {number: 0}}"
    (tmp_path / "config.yaml").write_text(text)
    options = [*PROFILE, "--config", "chunk_minutes=0.001", "--until", "ranking"]
    output = ours.run("atlas", *options, environment=slurm.environment).stdout
    assert list(slurm.jobs("atlas_chunk").values()) == ["COMPLETED"] * 2
    assert "2 models, 0 without a fit; mixed: chi2_SM - chi2 from 35." in output
    assert not slurm.jobs("ranking"), "a rule of a second went to the queue"


def test_part_of_the_table(slurm, tmp_path):
    """Compiling on the cluster and here: the same bytes."""
    runs = {}
    options = {"local": (["--cores", "1"], None), "cluster": (PROFILE, slurm.environment)}
    for name, (words, environment) in options.items():
        (tmp_path / name).mkdir()
        runs[name] = Workflow(tmp_path / name)
        runs[name].configure()
        runs[name].run("results/.compile/ckm.h5", *words, environment=environment)
    assert set(slurm.jobs("compile_part").values()) == {"COMPLETED"}
    assert_equal(runs["cluster"], runs["local"], "results/.compile/ckm.h5")


def test_scan_survives_what_happens_to_jobs(slurm, finished, tmp_path):
    """A drained node, too little memory, scancel and a time limit: retried, and the same bytes."""
    ours = Workflow(tmp_path)
    ours.configure()
    ours.borrow(finished, "results/tiny/likelihood.h5")
    # four chunks of one point; the memory of their first attempt is not even that of the imports
    options = [*PROFILE, "--config", "chunk_minutes=0.1", "--until", "profile"]
    options += ["--set-resources", "chunk:mem_mb=1200 * attempt - 1000"]

    before = slurm.jobs("chunk")

    def chunks(state: str, number: int = 0, but: set | dict = before) -> list[str]:
        found = [n for n, s in slurm.jobs("chunk").items() if s == state and n not in but]
        return found if len(found) >= number else []

    log = tmp_path / "output"
    slurm.call("scontrol", "update", f"nodename={slurm.host}", "state=drain", "reason=test")
    with log.open("w") as file:
        process = subprocess.Popen(
            ours.command(*options), env=slurm.environment, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        starved = set(slurm.wait(lambda: chunks("PENDING", 4), process))
        slurm.call("scontrol", "update", f"nodename={slurm.host}", "state=resume")
        others = {*before, *starved}
        cancelled, hanging = slurm.wait(lambda: chunks("RUNNING", 2, but=others), process)
        slurm.call("scancel", cancelled)
        # has started: SLURM cannot kill what was stopped before
        begun = f"results/.slurm/rule_chunk/*/{hanging}.log"
        slurm.wait(lambda: [p for p in tmp_path.glob(begun) if p.stat().st_size], process)
        slurm.call("scancel", "--full", "--signal=STOP", hanging)
        slurm.call("scontrol", "update", f"jobid={hanging}", "timelimit=1")
        process.wait()
    finally:
        process.kill()
    assert process.returncode == 0, log.read_text()
    states = slurm.jobs("chunk")
    assert states[cancelled] == "CANCELLED"
    assert states[hanging] == "TIMEOUT"
    assert {states[n] for n in starved} <= {"OUT_OF_MEMORY", "FAILED"}
    assert len(chunks("COMPLETED")) == 4
    assert_equal(ours, finished, "results/tiny/scan.h5", "results/tiny/profile.h5")


def test_queued_orphan(slurm, tmp_path):
    """Queued by a Snakemake that was killed; another configuration of the run is done meanwhile."""
    ours = Workflow(tmp_path)
    old = ours.configure(covariance={"seed": 2}).rename(tmp_path / "old.yaml")
    slurm.call("scontrol", "update", f"nodename={slurm.host}", "state=drain", "reason=test")
    before = slurm.jobs("measurements")
    process = subprocess.Popen(
        ours.command(*PROFILE, "--until", "measurements", config=old),
        env=slurm.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    (orphan,) = slurm.wait(lambda: set(slurm.jobs("measurements")) - set(before), process)
    process.kill()
    process.wait()
    ours.configure(covariance={"seed": 3})
    ours.run("--unlock")
    ours.run("--cores", "1", "--until", "measurements")
    content = (tmp_path / "results/tiny/measurements.h5").read_bytes()
    slurm.call("scontrol", "update", f"nodename={slurm.host}", "state=resume")
    ends = ("FAILED", "COMPLETED", "CANCELLED")
    assert slurm.wait(lambda: _in(slurm.jobs("measurements")[orphan], ends)) == "FAILED"
    assert (tmp_path / "results/tiny/measurements.h5").read_bytes() == content
    said = "".join(path.read_text() for path in (tmp_path / "results/.slurm").rglob("*.log"))
    assert store.SUPERSEDED in said
    assert ours.plan("--until", "measurements") == {}


def _in(state: str, states: tuple) -> str | None:
    return state if state in states else None
