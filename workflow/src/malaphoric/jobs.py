"""What every script does at its start: read the configuration, keep a log, say one line at the end.

Knows the attributes of Snakemake's `snakemake` object, but imports nothing of Snakemake.
"""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from malaphoric.configuration import Configuration
from malaphoric.scan import Joined, load_theory
from malaphoric.schema import ConfigurationError
from malaphoric.store import StoreError

if TYPE_CHECKING:
    from malaphoric.compiled import CompiledTheory


class Job:
    """A running job.

    Attributes
    ----------
    run : Configuration
        The validated run configuration.
    """

    def __init__(self, run: Configuration, name: str, log: Path) -> None:
        self.run, self.name, self._log = run, name, log
        self._start = time.monotonic()

    def compiled_theory(self, given: object) -> CompiledTheory | Joined:
        """The run's compiled engine, from the job's inputs, with the additional observables."""
        run = self.run
        setting = (run.model, "compiled", run["M_X"], run["smeft_accuracy"])
        theory = load_theory(*setting, given.running)
        if not run.selection.extra:
            return theory
        extra = load_theory(*setting, given.extra_running, table=given.extra_table)
        return Joined([theory, extra])

    def log(self, text: str) -> None:
        """Add a line to the job's log file."""
        _append(self._log, f"{datetime.now():%H:%M:%S} {text}\n")

    def done(self, text: str) -> None:
        """Say one line in Snakemake's output, and in the log."""
        line = f"{self.name}: {text} ({time.monotonic() - self._start:.0f} s)"
        self.log(line)
        print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def job(snakemake: object) -> Iterator[Job]:
    """Run a script's body with its log; an exception is written there in full.

    What a user can mend, such as a damaged file or too little memory, ends the job with one
    sentence instead of a traceback.

    Parameters
    ----------
    snakemake : object
        The object that Snakemake gives to scripts.
    """
    log = Path(snakemake.log[0])
    with contextlib.suppress(OSError):
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("", encoding="utf-8")
    label = ", ".join([snakemake.rule, *map(str, snakemake.wildcards)])
    try:
        yield Job(Configuration(snakemake.config), label, log)
    except (ConfigurationError, StoreError, MemoryError) as error:
        text = f"{label}: {'not enough memory: ' * isinstance(error, MemoryError)}{error}"
        _append(log, text + "\n")
        sys.exit(text)
    except BaseException:
        _append(log, traceback.format_exc())
        raise


def _append(log: Path, text: str) -> None:
    """Add to a log, if the disk has room: results and errors are more important."""
    with contextlib.suppress(OSError), open(log, "a", encoding="utf-8") as file:
        file.write(text)
