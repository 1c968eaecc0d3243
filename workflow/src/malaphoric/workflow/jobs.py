"""What every script does at its start: take its recipe, keep a log, say one line at the end.

Knows the attributes of Snakemake's `snakemake` object, but imports nothing of Snakemake.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from malaphoric import store
from malaphoric.schema import ConfigurationError, read_yaml_in_c


class Job:
    """A running job.

    Attributes
    ----------
    settings : dict
        What the configuration says, as far as the job's result depends on it.
    recipe : str
        Digest of everything that its result depends on, see `recipes`.
    """

    def __init__(self, name: str, log: Path, settings: dict, recipe: str) -> None:
        self.name, self.settings, self.recipe, self._log = name, settings, recipe, log
        self._start = time.monotonic()

    def log(self, text: str) -> None:
        """Add a line to the job's log file."""
        _append(self._log, f"{datetime.now():%H:%M:%S} {text}\n")

    def done(self, text: str) -> None:
        """Say one line in Snakemake's output, and in the log."""
        self.say(f"{text} ({time.monotonic() - self._start:.0f} s)")

    def say(self, text: str) -> None:
        """Say a line before the end."""
        self.log(line := f"{self.name}: {text}")
        print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def job(snakemake: Any) -> Iterator[Job]:
    """Run a script's body with its log; an exception is written there in full.

    What a user can mend, such as a damaged file or too little memory, ends the job with one
    sentence instead of a traceback.

    Parameters
    ----------
    snakemake : object
        The object that Snakemake gives to scripts. Its parameter ``recipe`` is the text of the
        job's recipe, its input ``recipe`` the file in which that is kept while it counts.
    """
    read_yaml_in_c()
    log = Path(snakemake.log[0])
    with contextlib.suppress(OSError):
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("", encoding="utf-8")
    label = ", ".join([snakemake.rule, *map(str, snakemake.wildcards)])
    text = snakemake.params.recipe
    recipe, digest = json.loads(text), store.digest(text)
    place = snakemake.input.get("recipe")
    try:
        with store.signing(digest, lambda: place is None or kept(place) == text):
            _check_inputs(snakemake.input, recipe["inputs"])
            yield Job(label, log, recipe["settings"], digest)
    except (ConfigurationError, store.StoreError, MemoryError) as error:
        said = f"{label}: {'not enough memory: ' * isinstance(error, MemoryError)}{error}"
        _append(log, said + "\n")
        sys.exit(said)
    except BaseException:
        _append(log, traceback.format_exc())
        raise


def keep(path: str | Path, recipe: str, made: Iterable[str | Path], write: bool) -> None:
    """Keep a recipe in a file of its own, an input of the job: another recipe, a newer file.

    So a job runs again whatever Snakemake remembers: in a copied folder, too, and when a file that
    it should have made was made by another recipe.

    Parameters
    ----------
    path : path
        JSON file with ``recipe`` and ``revision``.
    recipe : str
        Its text.
    made : iterable of path
        What the job makes and marks with its recipe, as far as it exists.
    write : bool
        Whether the file may be replaced: not in a dry run, nor while another run is on.
    """
    path = Path(path)
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
        old["recipe"], old["revision"] + 1
    except (OSError, ValueError, LookupError, TypeError):
        old = {"recipe": None, "revision": 0}
    # one without a mark, or damaged, is refused by its reader
    foreign = any(store.recipe_of(file) not in (None, "", store.digest(recipe)) for file in made)
    if old["recipe"] is None or (write and (old["recipe"] != recipe or foreign)):
        store.write_json(path, {"recipe": recipe, "revision": old["revision"] + 1})


def _check_inputs(given: Any, digests: dict[str, str]) -> None:
    """Refuse an input that was made by another recipe than this job's result depends on."""
    for name, digest in digests.items():
        found = store.recipe_of(given[name])
        if found != digest:
            raise store.StoreError(
                f"{given[name]}: made by another configuration, other code or other data than "
                f"this run's; {store.REMEDY}"
            )


def kept(path: str) -> str | None:
    """The recipe that counts now: that of another configuration if one was started meanwhile."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))["recipe"]
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _append(log: Path, text: str) -> None:
    """Add to a log, if the disk has room: results and errors are more important."""
    with contextlib.suppress(OSError), open(log, "a", encoding="utf-8") as file:
        file.write(text)
