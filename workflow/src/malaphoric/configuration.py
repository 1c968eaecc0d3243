"""A run configuration: defaults, validation, and what follows from it before any job starts.

Imports nothing slow: the Snakefile is parsed again by every job.
"""

from __future__ import annotations

import copy
import math
from functools import cached_property
from pathlib import Path

from malaphoric import source, store
from malaphoric.categories import CATEGORIES, observable_key
from malaphoric.grid import AXES, BLOCK, Grid
from malaphoric.likelihood import nothing_left
from malaphoric.measurements import packaged
from malaphoric.model import Model
from malaphoric.overlays import Selection, known
from malaphoric.paper import TABLE4, is_the_papers
from malaphoric.schema import ConfigurationError, load_schema, load_yaml, validate
from malaphoric.smeft import M_REFERENCE

#: CPU seconds per point with files, as `make bench` measures them: what all estimates rest on.
SECONDS_PER_POINT = {"exact": 7.3, "compiled": 19e-6}

#: Points that a job may hold at a time, about 1 GiB with everything known of them.
_MOST_IN_MEMORY = 4_000_000

#: Chunks of a run, whatever its size: beyond, the DAG and the queue of a cluster become slow.
_MOST_CHUNKS = 4000

#: Exact points a job, at most: some five minutes of work.
_MOST_EXACT_POINTS = 30

#: The compiled engine's table and the running of all coefficients, which come with the package.
TABLE, RUNNING = (Path(__file__).parent / "data" / f"{n}.h5" for n in ("compiled", "running"))

#: What predicts, and writes what it predicts to files.
_ENGINES = {
    "exact": ("exact", "chunks"),
    "compiled": ("compiled", "running", "compiling", "chunks"),
}

#: What of it changes no prediction: reading and writing, and the data.
_NO_THEORY = ("store", "schema", "likelihood", "source")


class Configuration:
    """A validated run configuration.

    Parameters
    ----------
    data : dict
        Content of the configuration file, see ``workflow/schemas/config.schema.yaml``.
    source : str
        Name for error messages.

    Raises
    ------
    ConfigurationError
        Naming the key, the value and what would be accepted.
    """

    def __init__(self, data: dict, source: str = "configuration") -> None:
        validate(data, "config", source)
        self.data = _with_defaults(copy.deepcopy(data), load_schema("config"))
        self._check(source)
        self.selection = Selection(self.data["data"], source)
        self._check_observables(source)
        self.model_file = Model.find(self.data["model"])
        self.model = Model.load(self.model_file)
        self.model.require(AXES)
        self.grid = Grid.from_dict(self.data["grid"])
        self._digests: dict[Path, str | None] = {}

    def digest(self, path: Path) -> str | None:
        """Digest of a file, read once a configuration; None of one that is not there.

        The tables are absent while they are remade.
        """
        if path not in self._digests:
            self._digests[path] = store.file_digest(path) if path.exists() else None
        return self._digests[path]

    def __getitem__(self, key: str) -> object:
        return self.data[key]

    def _check(self, source: str) -> None:
        """What a schema cannot say."""
        for name in AXES:
            axis = self.data["grid"][name]
            lower, upper, points = axis["min"], axis["max"], axis["points"]
            if not (upper - lower >= 1e-6 and points > 1) and not (lower == upper and points == 1):
                raise ConfigurationError(
                    f"{source}: grid.{name}: {axis} is not accepted; accepted: min < max (1e-6 or "
                    "more apart) with at least 2 points, or min = max with 1 point"
                )
        size = math.prod(self.data["grid"][name]["points"] for name in AXES)
        if size > 10**9:
            raise ConfigurationError(
                f"{source}: grid: {size} points are not accepted; accepted: at most 10^9 points"
            )
        plane = self.data["grid"]["g_hat"]["points"] * self.data["grid"]["theta_sb"]["points"]
        if plane > _MOST_IN_MEMORY:
            raise ConfigurationError(
                f"{source}: grid: {plane} points of g_hat and theta_sb are not accepted; accepted: "
                f"at most {_MOST_IN_MEMORY}, because a plane of equal epsilon_hat is held in memory"
            )
        if self.data["grid"]["g_hat"]["min"] < 0:
            raise ConfigurationError(
                f"{source}: grid.g_hat.min: {self.data['grid']['g_hat']['min']} is not accepted; "
                "accepted: a number not below 0 ((epsilon_hat, g_hat) and (-epsilon_hat, -g_hat) "
                "are the same point)"
            )
        scale = self.data["M_X"] / 3000
        for key in ("min", "max"):
            value = self.data["grid"]["epsilon_hat"][key]
            if abs(value) * scale > 2:
                raise ConfigurationError(
                    f"{source}: grid.epsilon_hat.{key}: {value} is not accepted; accepted: "
                    f"|epsilon_hat| <= {2 / scale:g}, which is |epsilon| <= 2 at this M_X "
                    "(|epsilon| <= 1 is physical; the rest serves as a margin of the figures)"
                )
        lower, upper = self.data["confidence_levels"]
        if upper - lower < 1e-6:
            raise ConfigurationError(
                f"{source}: confidence_levels: {[lower, upper]} is not accepted; accepted: two "
                "numbers between 0 and 1, the first smaller (by 1e-6 or more)"
            )

    def _check_observables(self, source: str) -> None:
        """Refuse categories without measurements and observables of interest nobody computes."""
        for category in self.selection.empty():
            if category in self.categories:
                raise nothing_left(category, f"{source}: ")
        computed = {
            observable_key(x) for names in known().get("observables", {}).values() for x in names
        }
        computed |= set(map(observable_key, self.selection.extra))
        for name in self.data["observables_of_interest"]:
            if known() and observable_key(name) not in computed:
                raise ConfigurationError(
                    f"{source}: observables_of_interest: {name!r} is not accepted; accepted: the "
                    "observables in results/<run>/tables/pulls.csv of any run"
                )

    @property
    def record(self) -> dict:
        """The configuration as written into results: without what cannot change a number there."""
        style = ("chunk_minutes", "confidence_levels", "observables_of_interest", "validation")
        return {key: value for key, value in self.portable.items() if key not in style}

    @property
    def portable(self) -> dict:
        """The whole configuration, with names of files instead of their paths."""
        overlays = [path.stem for path in self.selection.overlays]
        data = {**self.data["data"], "overlays": overlays}
        return {**self.data, "model": Path(self.data["model"]).stem, "data": data}

    @property
    def has_the_papers_data(self) -> bool:
        """Whether nothing is overlaid, included or excluded."""
        return not self.selection.overlays and self.likelihood() == {
            "lep2_set": "paper",
            "selection": {},
        }

    @property
    def categories(self) -> list[str]:
        """Selected categories in the canonical order."""
        return [c for c in CATEGORIES if c in self.data["categories"]]

    def theory(self, engine: str | None = None, extra: bool = False) -> dict:
        """Everything a prediction depends on, as plain data.

        Parameters
        ----------
        engine : {"exact", "compiled"}, optional
            Default: that of the run.
        extra : bool
            With the additional observables of the configuration.
        """
        engine = engine or self.data["engine"]
        tables = {"table": self.digest(TABLE), "running": self.digest(RUNNING)}
        return {
            **(tables if engine == "compiled" else {}),
            **({"additional": list(map(observable_key, self.selection.extra))} if extra else {}),
            "engine": engine,
            "model": self.model.as_dict(),
            "M_X": float(self.data["M_X"]),
            "smeft_accuracy": self.data["smeft_accuracy"],
            **source.code(*_ENGINES[engine], without=_NO_THEORY),
        }

    def layers(self, engine: str | None = None) -> list[dict]:
        """Theories of the files that together hold a point.

        Exact predictions of additional observables are files of their own, so that the others
        need not be computed again; the compiled engine is fast enough to compute all together.
        """
        engine, extra = engine or self.data["engine"], bool(self.selection.extra)
        if engine == "exact":
            return [self.theory(engine), *([self.theory(engine, extra=True)] if extra else [])]
        return [self.theory(engine, extra)]

    @cached_property
    def packaged_measurements(self) -> Path | None:
        """The file of measurements that comes with the package, if it is of this run's draws."""
        return packaged(**self.measurements())

    def measurements(self) -> dict:
        """Everything the stored measurements depend on, as plain data."""
        return {"nexp": self.data["covariance"]["draws"], "seed": self.data["covariance"]["seed"]}

    def likelihood(self) -> dict:
        """What of the measurements counts, as plain data."""
        selection = {c: self.data["data"][c] for c in CATEGORIES if c in self.data["data"]}
        return {"lep2_set": self.data["lep2_set"], "selection": selection}

    @property
    def _block(self) -> int:
        return BLOCK if self.data["engine"] == "compiled" else 1

    @property
    def _points_per_chunk(self) -> int:
        number = int(self.data["chunk_minutes"] * 60 / SECONDS_PER_POINT[self.data["engine"]])
        return min(max(number, -(-self.grid.size // _MOST_CHUNKS)), _MOST_IN_MEMORY)

    @cached_property
    def chunks(self) -> list[tuple[int, int]]:
        """Ranges (start, stop) of the grid's points that are computed together."""
        return self.grid.chunks(self._points_per_chunk, self._block)

    @cached_property
    def longest_chunk(self) -> float:
        """Expected minutes of the longest chunk: above `chunk_minutes` if these were too many."""
        points = max(stop - start for start, stop in self.chunks)
        return points * SECONDS_PER_POINT[self.data["engine"]] / 60

    @property
    def checked(self) -> bool:
        """Whether exact points check the compiled engine in this run."""
        return self.data["engine"] == "compiled" and self.data["validation"]["points"] > 0

    @property
    def note(self) -> str:
        """What figures say if nothing checks them."""
        unchecked = self.data["engine"] == "compiled" and not self.checked
        return "not checked against exact points" if unchecked else ""

    @property
    def check(self) -> str:
        """How far the numbers of the run are exact, for their readers."""
        if self.data["engine"] == "exact":
            return "by smelli, point by point"
        checked = "see validation for its check against exact points"
        return f"by the compiled engine, {self.note or checked}"

    @property
    def validation_parts(self) -> int:
        """Jobs that share the exact points of the check: 2 or more, of 30 points or fewer."""
        return max(2, -(-(self.data["validation"]["points"] + len(TABLE4)) // _MOST_EXACT_POINTS))

    @property
    def box_command(self) -> str:
        """What proposes a box for the run's model, mass, categories and data."""
        name = self.model.name  # not the path, which results do not depend on
        try:
            known = Model.load(name) == self.model
        except ConfigurationError:
            known = False
        command = f"python -m malaphoric box {name if known else 'MODEL'}"
        if self.data["M_X"] != M_REFERENCE:
            command += f" --M-X {self.data['M_X']:g}"
        if self.categories != list(CATEGORIES):
            command += f" --categories {' '.join(self.categories)}"
        if not self.has_the_papers_data:
            command += f" --data results/{self.data['run']}/likelihood.h5"
        return command

    @property
    def is_the_papers(self) -> bool:
        """Whether model, mass, data and categories are the paper's."""
        same = is_the_papers(self.model, self.data["M_X"]) and self.has_the_papers_data
        return same and self.categories == list(CATEGORIES)


def load_configuration(path: str | Path) -> Configuration:
    """Read and validate a run configuration file."""
    return Configuration(load_yaml(Path(path)), str(path))


def _with_defaults(data: dict, schema: dict) -> dict:
    for key, sub in schema.get("properties", {}).items():
        if "default" in sub:
            data.setdefault(key, copy.deepcopy(sub["default"]))
        if key in data and isinstance(data[key], dict):
            _with_defaults(data[key], sub)
    return data
