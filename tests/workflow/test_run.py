"""What `make run` shows of a run: its stages, and one sentence after Ctrl-C."""

import os
import signal
import subprocess
import sys
import time

import pytest

from harness import COMPILED, ROOT

pytestmark = pytest.mark.slow


def test_stages_and_ctrl_c(workflow):
    """Truth: the stages before the chunks; the terminal; and no job outlives it."""
    before = workflow.environment.get("PYTHONPATH")
    workflow.patch_scripts(
        "chunk.py", "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(99)"
    )
    if before:
        workflow.environment["PYTHONPATH"] += os.pathsep + before
    config = workflow.configure(**COMPILED, validation={"points": 0})
    place = ["--snakefile", ROOT / "Snakefile", "--directory", workflow.folder]
    process = subprocess.Popen(
        list(map(str, [sys.executable, ROOT / "scripts/run.py", config, *place, "--cores", "1"])),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=workflow.folder,
        env=workflow.environment,
        # of a shell in the background, which ignores it, this would be inherited
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    pid = workflow.folder / "pid"
    while not (pid.exists() and pid.read_text()):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    *stages, empty, last = process.communicate()[0].splitlines()
    assert process.returncode == 1
    assert sorted(line.split(":")[0] for line in stages) == ["likelihood", "running"]
    assert (empty, last) == (
        "",
        "Stopping; what is done stays, the same command goes on from there.",
    )
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
