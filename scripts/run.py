"""A run for somebody who watches: a line a stage, progress, and one sentence after Ctrl-C.

Snakemake runs as it always does, without its descriptions of jobs; its errors are shown.
`make run VERBOSE=1` starts it alone.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from malaphoric.schema import load_yaml

QUIET = ["--quiet", "rules", "reason", "host", "progress"]

#: What Snakemake says whatever it is told.
IDLE = re.compile(
    r"Using workflow specific profile|Using shell:|Assuming unrestricted|Building DAG|Conda env"
    r"|Select jobs to execute|Execute \d+ jobs|Complete log|Elapsed time:"
)

#: What `chunks.Progress` logs while there is more to do.
PROGRESS = re.compile(r"\d (points|models), .*(?<!, 0 s) left$")

#: Seconds between two looks at the logs of running jobs.
EVERY = 15


def running(folder: Path, since: float) -> str:
    """What jobs have said of their progress in their logs lately; empty if nothing."""
    said = []
    for log in sorted(folder.rglob("*.log")):
        if log.stat().st_mtime > since:
            last = log.read_text(encoding="utf-8", errors="replace").rsplit("\n", 2)[-2:][0]
            if PROGRESS.search(last):
                said.append(last.split(" ", 1)[1])
    more = f"; and {len(said) - 4} more" * (len(said) > 4)
    return f"  in progress: {'; '.join(said[:4])}{more}" if said else ""


def main() -> int:
    config, *options = sys.argv[1:]
    out = Path("results", str(load_yaml(config)["run"]))
    logs, page = out / "logs", out / "index.html"
    command = [sys.executable, "-m", "snakemake", "--configfile", config, *options, *QUIET]
    # in a group of its own: Ctrl-C comes here first
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, errors="replace", process_group=0, **pipe)
    stopped = threading.Event()

    def show() -> None:
        for line in process.stdout:
            if not stopped.is_set() and not IDLE.match(line):
                print(line, end="", flush=True)
            if "Nothing to be done" in line and page.exists():
                print(f"What came out: {page}, to be opened in a browser", flush=True)

    def stop(number: int, _: object) -> None:
        if not stopped.is_set():
            stopped.set()
            print(
                "\nStopping; what is done stays, the same command goes on from there.", flush=True
            )
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup wants it
            signal.signal(number, stop)
    reader = threading.Thread(target=show)
    reader.start()
    while reader.is_alive():
        began = time.time()
        reader.join(EVERY)
        if not stopped.is_set() and (said := running(logs, began)):
            print(said, flush=True)
    return process.wait()


if __name__ == "__main__":
    sys.exit(main())
