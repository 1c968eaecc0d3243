"""Running the real Snakemake on the real Snakefile in a folder of its own."""

import multiprocessing
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from multiprocessing import connection
from pathlib import Path
from typing import NoReturn
from unittest import mock

import yaml

from malaphoric.workflow.configuration import SECONDS_PER_POINT

ROOT = Path(__file__).resolve().parents[2]


def minutes(points: int, engine: str = "compiled") -> float:
    """The `chunk_minutes` of chunks that have so many points, or a few more to fill a block."""
    return (points + 0.5) * SECONDS_PER_POINT[engine] / 60


TINY = {
    "run": "tiny",
    "model": "b3-l2",
    "engine": "exact",
    "parameters": {
        "epsilon_hat": {"min": -0.9, "max": 0, "points": 2},
        "g_hat": 0.08,
        "theta_sb": {"min": -0.17, "max": -0.1, "points": 2},
    },
    "chunk_minutes": minutes(2, "exact"),
    "observables_of_interest": ["DeltaM_s", "m_W"],  # a figure of two rows is drawn quickly
}


# Snakemake, and what its jobs need, is imported once, by a process that forks for each of its runs
# and jobs: importing is the larger part of a dry run and of most jobs.
FORKED = multiprocessing.get_context("forkserver")


def plain_environment() -> dict[str, str]:
    """What Snakemake is started with if a test asks for nothing else."""
    return {k: v for k, v in os.environ.items() if k != "SNAKEMAKE_PROFILE"}


def snakemake(arguments: list[str], environment: dict[str, str], output: str) -> None:
    """What ``python -m snakemake`` does, in a forked process; its output goes to a file.

    Its jobs are forked, too, from a process that does nothing else.
    """
    from snakemake.cli import main
    from snakemake.script import PythonScript

    os.environ.clear()
    os.environ.update(environment)
    file = os.open(output, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(file, stream)
    with tempfile.TemporaryDirectory() as folder, connection.Listener(f"{folder}/jobs") as listener:
        if not (server := os.fork()):
            _serve_jobs(listener)

        def execute_script(self: PythonScript, fname: str, edit: bool = False) -> None:
            with connection.Client(listener.address) as job:
                job.send((fname, os.getcwd(), dict(os.environ)))
                try:
                    code = job.recv()
                except EOFError:  # killed
                    code = -signal.SIGKILL
            if code:
                raise subprocess.CalledProcessError(code, f"python {fname}")

        PythonScript.execute_script = execute_script
        sys.argv = ["snakemake", *arguments]
        try:
            main()
        finally:
            os.kill(server, signal.SIGKILL)


def _serve_jobs(listener: connection.Listener) -> NoReturn:
    """Fork for every script that is asked for."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    while True:
        asked = listener.accept()
        if os.fork():
            asked.close()
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        path, folder, environment = asked.recv()
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = [path]
        code = 0
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as error:
            if error.code:
                code = 1
                print(error.code, file=sys.stderr)
        except BaseException:
            code = 1
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        asked.send(code)
        os._exit(code)


class Workflow:
    """A folder in which Snakemake runs this project's Snakefile."""

    python = Path(sys.executable)

    def __init__(self, folder: Path, project: Path = ROOT, paths: tuple = ()) -> None:
        self.folder, self.project = folder, project
        self.environment = plain_environment()
        # another copy of the project, or other versions of packages, come before what is installed
        paths = paths or (() if project == ROOT else (project / "workflow" / "src",))
        if paths:
            self.environment["PYTHONPATH"] = os.pathsep.join(map(str, paths))

    def configure(self, **changes) -> Path:
        """Write the tiny configuration with changes; returns its path."""
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump({**TINY, **changes}))
        return path

    def copy_of(self, other: "Workflow") -> "Workflow":
        """Take over all of another folder, and what Snakemake knows of it; returns itself."""
        shutil.copytree(other.folder, self.folder, dirs_exist_ok=True)
        return self

    def files(self, run: str) -> dict[str, bytes]:
        """All results of a run by their names, without logs and what jobs left for others."""
        folder = self.folder / "results" / run
        inner = ("logs", "chunks", "exact", "extra", "masses")
        paths = [p for p in folder.rglob("*") if p.is_file()]
        names = {p: p.relative_to(folder) for p in paths}
        return {str(n): p.read_bytes() for p, n in names.items() if n.parts[0] not in inner}

    def borrow(self, other: "Workflow", *names: str) -> None:
        """Copy results of another run, and what Snakemake knows of them."""
        for name in names:
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            source = other.folder / name
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
        for memory in (".snakemake/metadata", ".snakemake/malaphoric"):
            shutil.copytree(other.folder / memory, self.folder / memory, dirs_exist_ok=True)

    def patch_scripts(self, script: str, code: str) -> None:
        """Have Python execute code at the start of every job of a script."""
        folder = self.folder / "patches"
        folder.mkdir(exist_ok=True)
        guard = f"import sys\nif sys.orig_argv[-1].endswith('.{script}'):\n"
        text = guard + "".join(f"    {line}\n" for line in code.strip().splitlines())
        (folder / "sitecustomize.py").write_text(text)
        others = self.environment.get("PYTHONPATH")
        self.environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), others]))

    def command(self, *args: str, config: Path | None = None) -> list[str]:
        """The command line of Snakemake."""
        config = config or self.folder / "config.yaml"
        common = ["--snakefile", self.project / "Snakefile", "--directory", self.folder]
        command = [self.python, "-m", "snakemake", *args, *common, "--configfile", config]
        return list(map(str, command))

    def start(self, *args: str) -> subprocess.Popen:
        """Start Snakemake in a session of its own, silently."""
        return subprocess.Popen(
            self.command(*args),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.environment,
            start_new_session=True,
            # of a shell in the background, which ignores it, this would be inherited
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(
        self, *args: str, check: bool = True, environment: dict | None = None, **kwargs
    ) -> subprocess.CompletedProcess:
        """Run Snakemake and return its output (stdout and stderr together)."""
        command, environment = self.command(*args, **kwargs), environment or self.environment
        if environment != plain_environment() or self.python != Path(sys.executable):
            result = subprocess.run(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=environment,
                check=False,
            )
        else:  # Python need know nothing more when it starts
            with tempfile.NamedTemporaryFile("r+") as output:
                arguments = (command[3:], environment, output.name)
                process = FORKED.Process(target=snakemake, args=arguments)
                # as the Snakefile gives to jobs; the process that forks finds `preloaded` here
                paths = filter(None, [str(Path(__file__).parent), os.getenv("PYTHONPATH")])
                first = {"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(paths)}
                with mock.patch.dict(os.environ, first):
                    process.start()
                process.join()
                text = output.read()
            result = subprocess.CompletedProcess(command, process.exitcode, text)
        assert not check or result.returncode == 0, result.stdout
        return result

    def check(self, path: Path) -> subprocess.CompletedProcess:
        """Ask `python -m malaphoric check` about a file."""
        command = [self.python, "-m", "malaphoric", "check", path]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment,
            check=False,
        )

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
    "parameters": {
        "epsilon_hat": {"min": -1.0, "max": 0, "points": 11},
        "g_hat": {"min": 0.02, "max": 0.2, "points": 19},
        "theta_sb": {"min": -0.3, "max": 0.1, "points": 21},
    },
}

#: Its chunks, where a test wants several.
THREE_CHUNKS, FIVE_CHUNKS = minutes(2000), minutes(1000)

#: A box that holds the regions: where it does not, a better one is looked for, which takes long.
GRID = {
    "epsilon_hat": {"min": -1.1, "max": 0.2, "points": 14},
    "g_hat": {"min": 0.0, "max": 0.26, "points": 14},
    "theta_sb": {"min": -0.6, "max": 0.05, "points": 27},
}

UNCHECKED = {**COMPILED, "parameters": GRID, "validation": {"points": 0}}
UNCHECKED["figures"] = ["g_hat"]  # one for each change; the paper's are drawn in other tests

#: One of the results that are made on demand.
MASS = f"results/{UNCHECKED['run']}/masses/2000.json"
