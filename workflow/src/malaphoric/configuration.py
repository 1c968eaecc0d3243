"""A run configuration: defaults, validation, and what follows from it before any job starts.

Imports nothing slow: the Snakefile is parsed again by every job.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np

from malaphoric import store
from malaphoric.categories import CATEGORIES, observable_key
from malaphoric.grid import AXES, BLOCK, Grid
from malaphoric.model import Model
from malaphoric.overlays import Selection, known
from malaphoric.schema import ConfigurationError, load_schema, load_yaml, validate

#: CPU seconds a point, for the size of chunks; measured, see the README's benchmarks.
SECONDS_PER_POINT = {"exact": 10.0, "compiled": 3e-5}

#: Points that a job may hold at a time, about 1 GiB with everything known of them.
_MOST_IN_MEMORY = 4_000_000

#: Chunks of a run, whatever its size: beyond, the DAG and the queue of a cluster become slow.
_MOST_CHUNKS = 4000

#: The compiled engine's table, which comes with the package.
TABLE = Path(__file__).parent / "data" / "compiled.h5"

#: Rooms of the package whose code can change a prediction.
_THEORY_ROOMS = {
    "exact": ("model", "smeft", "lep2", "categories", "exact", "arithmetic"),
    "compiled": ("model", "smeft", "lep2", "compiled", "compiling", "arithmetic"),
}


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
        self.model = Model.load(self.data["model"])
        self.grid = Grid.from_dict(self.data["grid"])

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
        if lower >= upper:
            raise ConfigurationError(
                f"{source}: confidence_levels: {[lower, upper]} is not accepted; accepted: two "
                "numbers between 0 and 1, the first smaller"
            )

    def _check_observables(self, source: str) -> None:
        """Refuse observables of interest that nobody computes."""
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
        table = store.file_digest(TABLE) if TABLE.exists() else None
        return {
            **({"table": table} if engine == "compiled" else {}),
            **({"additional": list(map(observable_key, self.selection.extra))} if extra else {}),
            "engine": engine,
            "model": self.model.as_dict(),
            "M_X": float(self.data["M_X"]),
            "smeft_accuracy": self.data["smeft_accuracy"],
            "code": store.room_digest(*_THEORY_ROOMS[engine]),
            "versions": store.versions(),
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
    def chunks(self) -> list[dict]:
        """Chunks of the grid: ``start``, ``stop`` and ``names`` of the files, one a layer."""
        axes = [axis.tolist() for axis in self.grid.axes]
        layers = [store.digest(theory, axes) for theory in self.layers()]
        return [
            {
                "start": start,
                "stop": stop,
                "names": [store.digest(layer, start, stop)[:16] for layer in layers],
            }
            for start, stop in self.grid.chunks(self._points_per_chunk, self._block)
        ]

    def pair(self, files: Iterable[str]) -> list[tuple[list[str], int, int]]:
        """Chunks with the files that hold them, given in the order of the chunks' names."""
        files = iter(files)
        return [([next(files) for _ in c["names"]], c["start"], c["stop"]) for c in self.chunks]

    @cached_property
    def longest_chunk(self) -> float:
        """Expected minutes of the longest chunk: above `chunk_minutes` if these were too many."""
        points = max(chunk["stop"] - chunk["start"] for chunk in self.chunks)
        return points * SECONDS_PER_POINT[self.data["engine"]] / 60

    def fresh_points(self) -> np.ndarray:
        """Random points uniform in the scan box, for the comparison of the engines, (n, 3)."""
        rng = np.random.default_rng(self.data["validation"]["seed"])
        low = [axis[0] for axis in self.grid.axes]
        high = [axis[-1] for axis in self.grid.axes]
        return rng.uniform(low, high, (self.data["validation"]["points"], 3))


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
