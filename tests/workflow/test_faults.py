"""The real workflow under faults: what is lost, what is said, and that a new start mends it.

The table in docs/faults.md names these tests. The scan of the compiled engine is repeated, because
it takes seconds; the data half and the running come from the fixture's undisturbed run.
"""

import contextlib
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest

from harness import COMPILED, FIVE_CHUNKS, ROOT, THREE_CHUNKS, Workflow
from malaphoric import Model, store

pytestmark = pytest.mark.slow

OUT = "results/compiled"
SCAN = ("--cores", "2", "--until", "profile")
BEFORE_THE_SCAN = ("likelihood.h5", "running.h5")
RESULTS = ("scan.h5", "profile.h5", "best_grid.json")


@pytest.fixture
def scan(compiled, tmp_path):
    """The folder of a run whose scan is still to be made, in five chunks."""
    return scan_in(tmp_path, compiled)


def scan_in(folder, compiled):
    result = Workflow(folder)
    result.configure(**COMPILED, chunk_minutes=FIVE_CHUNKS)
    result.borrow(compiled, *(f"{OUT}/{name}" for name in BEFORE_THE_SCAN))
    return result


def assert_same(workflow, compiled):
    """The bytes of the undisturbed run, in which there were three chunks."""
    for name in RESULTS:
        ours = (workflow.folder / OUT / name).read_bytes()
        assert ours == (compiled.folder / OUT / name).read_bytes(), name


@contextlib.contextmanager
def mounted(folder, *options):
    """Mount something, or skip the test: only root can."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", *options, str(folder)]
    if not shutil.which("mount") or subprocess.run(command, check=False).returncode:
        pytest.skip("this system does not let us mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


# ---------------------------------------------------------------------------- processes that die


def files_of(workflow) -> set:
    """All files that Snakemake and its jobs have made, logs and hidden ones too, and when."""
    found = set()
    for folder in (workflow.folder / OUT, workflow.folder / ".snakemake" / "locks"):
        for path in folder.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # it was temporary
                found.add((path, path.stat().st_mtime_ns))
    return found


def kill(process, rng, job: bool) -> None:
    """Kill -9 Snakemake, or a job of it if it has any."""
    main = psutil.Process(process.pid)
    jobs = main.children(recursive=True) if job else []
    with contextlib.suppress(psutil.NoSuchProcess):
        rng.choice(jobs or [main]).kill()
    process.wait()


def test_twenty_kills(scan, compiled):
    """Killed 20 times, each time on top of the ruins: the bytes are the same.

    Snakemake and its jobs in turn, when so many files have come or changed; a killed Snakemake
    leaves jobs behind that still write while the next one runs.
    """
    rng = random.Random(1)
    folder, locks = scan.folder / OUT, scan.folder / ".snakemake" / "locks"
    kills = 0
    while kills < 20:
        before, number = files_of(scan), rng.randint(1, 12)
        process = scan.start(*SCAN)
        while process.poll() is None and len(files_of(scan) - before) < number:
            time.sleep(0.01)
        if process.poll() is None:
            kill(process, rng, job=bool(kills % 2))
            kills += 1
            if kills == 1:
                scan.run("--unlock")
            for lock in locks.glob("*"):  # what `--unlock` does, without two seconds of Snakemake
                lock.unlink()
        else:
            assert process.returncode == 0
            assert_same(scan, compiled)
            shutil.rmtree(folder / "chunks", ignore_errors=True)  # orphans may write there
            for name in RESULTS:
                (folder / name).unlink()
        for path in folder.rglob("*.h5"):
            with store.read(path):  # whole, or not there
                pass
    scan.run(*SCAN)
    assert_same(scan, compiled)
    assert len(list((folder / "chunks").glob("*.h5"))) == 5


def test_second_snakemake_is_refused(scan, compiled):
    """Snakemake's lock: the second one ends with a message, the first does not notice."""
    code = "import pathlib, time\nwhile not pathlib.Path('go').exists():\n    time.sleep(0.05)"
    scan.patch_scripts("chunk.py", code)
    first = scan.start(*SCAN)
    locks = scan.folder / ".snakemake" / "locks"
    while not (locks.is_dir() and list(locks.iterdir())):
        assert first.poll() is None
        time.sleep(0.1)
    second = scan.run(*SCAN, check=False)
    assert second.returncode == 1
    assert "Directory cannot be locked" in second.stdout
    assert "--unlock" in second.stdout
    assert "Traceback" not in second.stdout
    (scan.folder / "go").touch()
    assert first.wait() == 0
    assert_same(scan, compiled)


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_worker_without_memory(scan, compiled):
    """One sentence, nothing half written; with memory the run goes on."""
    scan.patch_scripts(
        "chunk.py",
        """
import resource
import malaphoric.engines.compiled, malaphoric.workflow.jobs, malaphoric.inference.statistics
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 2**23
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
""",
    )
    result = scan.run(*SCAN, check=False)
    assert result.returncode == 1
    # where it is exceeded is chance: HDF5 and Python's imports have other words for it
    assert re.search("not enough memory|allocat|MemoryError", result.stdout)
    assert not list((scan.folder / OUT).glob("chunks/*"))
    del scan.environment["PYTHONPATH"]
    scan.run(*SCAN)
    assert_same(scan, compiled)


# ------------------------------------------------------------------------------------------- disks


@pytest.mark.parametrize("room", [100_000, store._ROOM + 300_000], ids=["first chunk", "later"])
def test_full_disk(compiled, tmp_path, room):
    """One sentence, no half file; with room the run goes on."""
    results = tmp_path / OUT
    size = room + sum((compiled.folder / OUT / name).stat().st_size for name in BEFORE_THE_SCAN)
    with mounted(results, "-t", "tmpfs", "-o", f"size={size}", "tmpfs"):
        scan = scan_in(tmp_path, compiled)
        result = scan.run(*SCAN, check=False)
        assert result.returncode == 1
        assert "cannot be written: No space left on device" in result.stdout
        assert "Traceback" not in result.stdout
        assert "SIG" not in result.stdout
        for path in results.rglob("*"):
            assert path.suffix != ".tmp"
            if path.suffix == ".h5":
                with store.read(path):
                    pass
        subprocess.run(["mount", "-o", "remount,size=50m", str(results)], check=True)
        scan.run(*SCAN)
        assert_same(scan, compiled)


@pytest.mark.parametrize("place", [".", OUT], ids=["project", "results"])
def test_read_only_folder(scan, place):
    """Known before any job starts."""
    folder = scan.folder / place
    with mounted(folder, "--bind", "-o", "ro", str(folder)):
        result = scan.run(*SCAN, check=False)
    assert result.returncode == 1
    assert f"{folder.resolve()}: this folder cannot be written to" in result.stdout
    assert "Traceback" not in result.stdout
    assert "localrule" not in result.stdout
    assert not (scan.folder / OUT / "chunks").exists()


def test_damaged_chunks(compiled, tmp_path):
    """The merge names the file and the remedy, which works."""
    scan = Workflow(tmp_path)
    scan.configure(**COMPILED, chunk_minutes=THREE_CHUNKS)
    names = (*BEFORE_THE_SCAN, "chunks", "exact")
    scan.borrow(compiled, *(f"{OUT}/{name}" for name in names))
    path, other = sorted((scan.folder / OUT / "chunks").glob("*.h5"))[:2]
    content = path.read_bytes()
    foreign = (scan.folder / OUT / "exact/paper.h5").read_bytes()
    for damaged, words in {
        content[: len(content) // 2]: "damaged or changed",
        b"": "foreign, empty or damaged",
        b"\0" * len(content): "foreign, empty or damaged",
        (scan.folder / OUT / "likelihood.h5").read_bytes(): "not a malaphoric chunk",
        foreign: "made from another theory: ",
        other.read_bytes(): "holds other points",
    }.items():
        path.write_bytes(damaged)
        result = scan.run("--cores", "1", "--until", "scan", check=False)
        assert result.returncode == 1
        line = next(line for line in result.stdout.splitlines() if line.startswith("scan: "))
        for word in (str(path.relative_to(scan.folder)), words, "delete it and start again"):
            assert word in line
        assert "Traceback" not in result.stdout
        assert path.read_bytes() == damaged
        assert not (scan.folder / OUT / "scan.h5").exists()
    path.unlink()
    scan.run(*SCAN)
    assert path.read_bytes() == content
    assert_same(scan, compiled)


# -------------------------------------------------------------------------------- the surroundings


def test_other_kernels_and_threads(scan, compiled):
    """What the user's shell and the command line say of them changes no bit."""
    scan.environment |= {"OPENBLAS_CORETYPE": "Prescott", "OPENBLAS_NUM_THREADS": "2"}
    scan.environment |= {"NPY_DISABLE_CPU_FEATURES": "X86_V4"}
    scan.environment.pop("NPY_ENABLE_CPU_FEATURES", None)  # numpy refuses both
    scan.run(*SCAN, "--set-threads", "chunk=2")
    assert_same(scan, compiled)


def test_spaces_and_decimal_commas(compiled, tmp_path):
    """Project, Python and results in folders with spaces, in a locale with decimal commas."""
    localedef = shutil.which("localedef")
    locales = tmp_path / "locales"
    locales.mkdir()
    german = [localedef, "-i", "de_DE", "-f", "UTF-8", str(locales / "de_DE.UTF-8")]
    if not localedef or subprocess.run(german, capture_output=True, check=False).returncode:
        pytest.skip("this system has no German locale")
    folder = tmp_path / "ein Ordner für Läufe"
    folder.mkdir()
    scan = scan_in(folder, compiled)
    scan.project, environment = tmp_path / "das Projekt", tmp_path / "die Umgebung"
    scan.project.symlink_to(ROOT)
    environment.symlink_to(sys.prefix)
    scan.python = environment / "bin" / Path(sys.executable).name
    scan.environment |= {"LOCPATH": str(locales), "LC_ALL": "de_DE.UTF-8"}
    scan.patch_scripts("py", "import locale\nlocale.setlocale(locale.LC_ALL, '')")
    commas = "import locale; print(locale.str(1.5))"
    said = subprocess.run(
        [scan.python, "-c", "import locale; locale.setlocale(locale.LC_ALL, ''); " + commas],
        env=scan.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "1,5\n"
    result = scan.run(*SCAN)
    assert "chi2 = 584." in result.stdout
    assert_same(scan, compiled)


def test_point_that_raises_in_flavio(finished, tmp_path):
    """The point is NaN with its reason, the others are computed, one line counts them."""
    workflow = Workflow(tmp_path)
    angles = (-0.17, -0.1)
    grid = {
        "epsilon_hat": -0.9,
        "g_hat": 0.08,
        "theta_sb": {"min": angles[0], "max": angles[1], "points": 2},
    }
    workflow.configure(parameters=grid)
    workflow.borrow(finished, "results/tiny/likelihood.h5")
    one, two = (Model.load("b3-l2").smeft(-0.9, 0.08, t)["lq1_2223"] for t in angles)
    workflow.patch_scripts(
        "chunk.py",
        f"""
from flavio.classes import Observable
original = Observable.prediction_par
def prediction_par(self, parameters, wilson, *args, **kwargs):
    if self.name == "DeltaM_s" and abs(wilson.wc.dict["lq1_2223"]) < {abs(one + two) / 2}:
        raise ZeroDivisionError("bad luck")
    return original(self, parameters, wilson, *args, **kwargs)
Observable.prediction_par = prediction_par
""",
    )
    result = workflow.run("--cores", "1", "--until", "scan")
    line = "scan: 2 points of 1 chunks, 1 errors"
    assert line in result.stdout
    with h5py.File(tmp_path / "results/tiny/scan.h5") as file:
        assert file["status"][0, 0].tolist() == [0, 2]
        chi2 = file["chi2"][:, 0, 0]
        (error,) = store.parse(file.attrs["errors"])
    assert np.isfinite(chi2).tolist() == [[True, False]] * 5
    assert "-0.1)" in error
    assert "ZeroDivisionError: bad luck" in error
    with h5py.File(finished.folder / "results/tiny/scan.h5") as file:
        assert file["chi2"][:, 0, 0, 0].tolist() == chi2[:, 0].tolist()
