"""A run configuration: defaults, validation, and what follows from it before any job starts.

Imports nothing slow: the Snakefile is parsed again by every job.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from malaphoric import source, store
from malaphoric.arithmetic import BLOCK
from malaphoric.atlas import flavour
from malaphoric.data.categories import CATEGORIES, observable_key
from malaphoric.data.likelihood import nothing_left
from malaphoric.data.measurements import packaged
from malaphoric.data.overlays import Selection, known
from malaphoric.data.theory import shipped
from malaphoric.engines import compiled
from malaphoric.engines.basis import parameters
from malaphoric.physics.facts import STRONGEST
from malaphoric.physics.model import Model
from malaphoric.physics.parameters import HATTED, M_X_RANGE, MASS
from malaphoric.physics.smeft import COUPLINGS, M_REFERENCE
from malaphoric.report.paper import CATEGORIES as PAPERS_CATEGORIES
from malaphoric.report.paper import FITS, TABLE4, has_the_papers_model, is_the_papers
from malaphoric.scan.grid import Grid, plain
from malaphoric.schema import ConfigurationError, load_schema, load_yaml, meaning, validate

#: CPU seconds per point, as `make bench` measures them on a quiet core: what all estimates rest on.
SECONDS_PER_POINT = {"exact": 4.9, "compiled": 10e-6}

#: The same per model of an atlas, and per model and pseudo-data of its toys, see docs/atlas.md.
SECONDS_PER_MODEL, SECONDS_PER_TOY = 0.25, 0.013

#: Axes of a grid.
_MOST_AXES = 5

#: Evaluations per point of the grid and profiled parameter, roughly, and CPU seconds of each plane
#: (`Grid.slab`) besides, when few of its points are still on their way: what estimates rest on.
EVALUATIONS, SECONDS_PER_PLANE = 500, 1.0

#: Points that a job may hold at a time, about 1 GiB with everything known of them.
_MOST_IN_MEMORY = 4_000_000

#: Chunks of a run, whatever its size: beyond, the DAG and the queue of a cluster become slow.
_MOST_CHUNKS = 4000

#: Remarked on: more unphysical values than a margin of figures needs, angles more than once round.
_MOST_UNPHYSICAL, _ONCE_ROUND = 0.45, 1.05

#: Exact points a job, at most: some minutes of work.
_MOST_EXACT_POINTS = 30

#: The compiled engine's table and the running of all coefficients, which come with the package.
TABLE, RUNNING = (Path(__file__).parents[1] / "data" / f"{n}.h5" for n in ("compiled", "running"))

#: The table of additional observables that comes with it, too.
EXTRA_TABLE = compiled.EXTRA

#: What predicts, and writes what it predicts to files.
_ENGINES = {
    "exact": ("engines.exact", "scan.chunks"),
    "compiled": ("engines.compiled", "engines.running", "engines.compiling", "scan.chunks"),
}

#: What of it changes no prediction: reading and writing, and the data.
_NO_THEORY = ("store", "schema", "data.likelihood", "source")


class DataConfiguration:
    """What every kind of run says: a name, which data count, confidence levels.

    Parameters
    ----------
    data : dict
        Content of the configuration file.
    source : str
        Name for error messages.
    schema : str
        Name of its schema.

    Raises
    ------
    ConfigurationError
        Naming the key, the value and what would be accepted.
    """

    def __init__(self, data: dict, source: str, schema: str) -> None:
        validate(data, schema, source)
        self.data = _with_defaults(copy.deepcopy(data), load_schema(schema))
        self.source = source
        self._check_levels()
        self.selection = Selection(self.data["data"], source)
        for category in self.selection.empty():
            if category in self.categories:
                raise nothing_left(category, f"{source}: ")
        self._digests: dict[Path, str | None] = {}

    def digest(self, path: Path) -> str | None:
        """Digest of a file, read once a configuration; None of one that is not there.

        The tables are absent while they are remade.
        """
        if path not in self._digests:
            self._digests[path] = store.file_digest(path) if path.exists() else None
        return self._digests[path]

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def _check_levels(self) -> None:
        lower, upper = self.data["confidence_levels"]
        if upper - lower < 1e-6:
            accepted = "two numbers between 0 and 1, the first smaller (by 1e-6 or more)"
            raise self._refused("confidence_levels", [lower, upper], accepted)

    def _refused(self, key: str, value: object, accepted: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self.source}: {key}: {value} is not accepted; accepted: {accepted}"
        )

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

    @cached_property
    def packaged_measurements(self) -> Path | None:
        """The file of measurements that comes with the package, if it is of this run's draws."""
        return packaged(**self.measurements())

    @cached_property
    def shipped(self) -> bool:
        """Whether there are additional observables, and all of them come with the package."""
        return bool(self.selection.extra) and set(self.selection.extra) <= set(shipped())

    def measurements(self) -> dict:
        """Everything the stored measurements depend on, as plain data."""
        return {"nexp": self.data["covariance"]["draws"], "seed": self.data["covariance"]["seed"]}

    def likelihood(self) -> dict:
        """What of the measurements counts, as plain data."""
        selection = {c: self.data["data"][c] for c in CATEGORIES if c in self.data["data"]}
        return {"lep2_set": self.data["lep2_set"], "selection": selection}

    def _theory(self, engine: str, M_X: float | None, smeft_accuracy: str = "leadinglog") -> dict:
        """Everything a prediction depends on but the model, as plain data."""
        tables = {"table": self.digest(TABLE), "running": self.digest(RUNNING)}
        return {
            **(tables if engine == "compiled" else {}),
            "engine": engine,
            "M_X": M_X,
            "smeft_accuracy": smeft_accuracy,
            **source.code(*_ENGINES[engine], without=_NO_THEORY),
        }

    @property
    def portable(self) -> dict:
        """The whole configuration, with names of overlays instead of their paths."""
        overlays = [path.stem for path in self.selection.overlays]
        return {**self.data, "data": {**self.data["data"], "overlays": overlays}}


class Configuration(DataConfiguration):
    """A validated run configuration, see ``workflow/schemas/config.schema.yaml``.

    Parameters and errors as for `DataConfiguration`.
    """

    def __init__(self, data: dict, source: str = "configuration") -> None:
        _refuse_old_form(data, source)
        super().__init__(data, source, "config")
        try:
            self.model_file = Model.find(self.data["model"])
        except ConfigurationError as error:
            raise ConfigurationError(f"{source}: {error}") from None
        self.model = Model.load(self.model_file)
        self._check_parameters()
        self.grid = Grid.of(self.axes)
        self._check_grid()
        self._check_figures()
        self._check_fits()
        self._check_observables(source)

    @property
    def mass(self) -> float | None:
        """Mass of the X boson in GeV; None where it is an axis or profiled."""
        mass = self.data["parameters"][MASS]
        return None if isinstance(mass, dict) else float(mass)

    @property
    def axes(self) -> list[dict]:
        """Values of the parameters that are fixed or on the grid: name, min, max and points."""
        return plain({k: x for k, x in self._values.items() if k not in self.profiled})

    @property
    def profiled(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest values of the parameters that are minimised at every point."""
        values = self._values.items()
        return {
            k: (x["min"], x["max"]) for k, x in values if isinstance(x, dict) and "profile" in x
        }

    @property
    def fixed(self) -> dict[str, float]:
        """Values of the parameters other than M_X that are numbers, and no trivial ones: not 0.

        Of epsilon_hat and g_hat 0 is named, too.
        """
        numbers = {k: float(x) for k, x in self._values.items() if not isinstance(x, dict)}
        return {k: x for k, x in numbers.items() if x or k in HATTED}

    @property
    def _values(self) -> dict:
        """What the configuration says of the parameters that the engine takes, in their order."""
        return {name: self.data["parameters"][name] for name in parameters(self.model, self.mass)}

    @property
    def c9_planes(self) -> list[str]:
        """Planes of C9 that can be drawn: by the compiled engine, primed ones where they arise.

        Which of them are, `Recipes.figures` says, as of all figures.
        """
        possible = ["c9", "c9_primed"][: 1 + self._right_handed]
        return possible if self.data["engine"] == "compiled" else []

    @cached_property
    def _right_handed(self) -> bool:
        """Whether right-handed b and s couple to each other anywhere in the box."""
        values = [self._values[name] for name in self.model.parameters]
        ends = [(x["min"], x["max"]) if isinstance(x, dict) else (x, x) for x in values]
        low, high = np.array(ends).T
        points = np.random.default_rng(0).uniform(low, high, (16, len(ends)))
        couplings = dict(zip(COUPLINGS, np.abs(self.model.couplings(points)), strict=True))
        return max(couplings[f"{part} d_23"].max() for part in ("Re", "Im")) > 1e-9

    def _check_parameters(self) -> None:
        """Refuse parameters that are not the model's, and values that no point may have."""
        given, own = self.data["parameters"], (*self.model.parameters, MASS)
        for name in given.keys() - set(own):
            raise self._refused(f"parameters.{name}", given[name], _one_of(own, name))
        if missing := [f"parameters.{name}" for name in own if name not in given]:
            raise ConfigurationError(
                f"{self.source}: missing key {', '.join(missing)}; accepted: for every parameter "
                f"of model {self.model.name} a number, an axis {{min, max, points}}, or "
                "{min, max, profile: true}, a minimum at every point of the grid"
            )
        for name in own:
            if not isinstance(axis := given[name], dict):
                if name != MASS and abs(axis) > 100:
                    raise self._refused(f"parameters.{name}", axis, "a number up to 100")
                self._check_range(name, f"parameters.{name}", axis)
                continue
            for end in ("min", "max"):
                self._check_range(name, f"parameters.{name}.{end}", axis[end])
            if ("points" in axis) == ("profile" in axis):
                accepted = "min and max, and either points or profile: true"
                raise self._refused(f"parameters.{name}", axis, accepted)
            if not axis["max"] - axis["min"] >= 1e-6:
                accepted = "min < max (1e-6 or more apart), or a number alone"
                raise self._refused(f"parameters.{name}", axis, accepted)
        g_hat = given["g_hat"]
        if (lowest := g_hat["min"] if isinstance(g_hat, dict) else g_hat) < 0:
            accepted = (
                "a number not below 0 ((epsilon_hat, g_hat) and (-epsilon_hat, -g_hat) are the "
                "same point)"
            )
            key = "parameters.g_hat.min" if isinstance(g_hat, dict) else "parameters.g_hat"
            raise self._refused(key, lowest, accepted)

    def _check_range(self, name: str, key: str, value: float) -> None:
        """Refuse a value of a parameter that its model calls unphysical."""
        low, high = self.model.records[name].range or (value, value)
        if not low <= value <= high:
            accepted = f"{low:g} to {high:g}, the range in the file of model {self.model.name}"
            raise self._refused(key, value, accepted)

    def _check_grid(self) -> None:
        """Refuse grids of too many points or axes, and values far beyond |epsilon| = 1."""
        grid = self.grid
        if self.profiled and self.data["engine"] == "exact":
            name = next(iter(self.profiled))
            accepted = "a number or an axis: the exact engine minimises nothing"
            raise self._refused(f"parameters.{name}", self.data["parameters"][name], accepted)
        if self.profiled and len(grid.scanned) < 2:
            what = f"a grid with {len(grid.scanned)} axes"
            accepted = "two or more where other parameters are profiled, or none profiled"
            raise self._refused("parameters", what, accepted)
        if len(grid.scanned) > _MOST_AXES:
            accepted = f"at most {_MOST_AXES} with more than one value"
            raise self._refused("parameters", f"{len(grid.scanned)} axes", accepted)
        if grid.size > 10**9:
            raise self._refused("parameters", f"{grid.size} points", "at most 10^9 points")
        if (slab := math.prod(grid.shape[1:])) > _MOST_IN_MEMORY:
            what = f"{slab} points of {', '.join(grid.names[1:])}"
            accepted = f"at most {_MOST_IN_MEMORY}, because those of equal epsilon_hat are held "
            raise self._refused("parameters", what, accepted + "in memory")
        largest = 2 * M_REFERENCE / (self.mass or M_X_RANGE[0])
        fixed = grid.named.get("epsilon_hat", np.zeros(1))
        ends = self.profiled.get("epsilon_hat") or fixed[[0, -1]].tolist()
        for end, value in zip((".min", ".max"), ends, strict=True):
            if abs(value) > largest * (1 + 1e-9):
                accepted = (
                    f"|epsilon_hat| <= {largest:g}, which is |epsilon| <= 2 at this M_X "
                    "(|epsilon| <= 1 is physical; the rest serves as a margin of the figures)"
                )
                key = "parameters.epsilon_hat" + end * (ends[0] != ends[1])
                raise self._refused(key, value, accepted)

    def _check_figures(self) -> None:
        """Refuse planes and profiles that the run does not have."""
        scanned = self.grid.scanned
        alone = (*scanned, *self.profiled, *self.c9_planes)
        for number, wanted in enumerate(self.data.get("figures", ())):
            if isinstance(wanted, str):
                good, accepted = wanted in alone, _one_of(alone, wanted)
            else:
                good = len(set(wanted)) == 2 and set(wanted) <= set(scanned)
                accepted = f"two of {', '.join(scanned) or 'none'}, which are scanned"
            if not good:
                raise self._refused(f"figures.{number}", wanted, accepted)

    @property
    def remarks(self) -> list[str]:
        """Sentences on values that are accepted and make little sense."""
        given, records = self._values, self.model.records
        ends = {
            name: (float(x["min"]), float(x["max"])) if isinstance(x, dict) else (float(x),) * 2
            for name, x in self.data["parameters"].items()
        }
        lightest, said = ends[MASS][0] / M_REFERENCE, []
        largest = self.model.largest_charge(ends) or 1.0
        strongest = STRONGEST / (lightest * largest)
        if (g_hat := ends["g_hat"][1]) > strongest * (1 + 1e-9):
            said.append(
                f"g_hat goes up to {g_hat:g}; beyond {strongest:.3g} the coupling of the largest "
                f"charge, {largest:g}, is above sqrt(4 pi): not perturbative, not to be trusted."
            )
        axes = [
            self.grid.named.get(name, np.linspace(*ends[name], 101))
            for name in ("epsilon_hat", MASS)
        ]
        share = np.mean(np.abs(axes[0][:, np.newaxis]) * axes[1] > M_REFERENCE * (1 + 1e-9))
        if share > _MOST_UNPHYSICAL:
            said.append(
                f"{100 * share:.0f}% of the values of epsilon_hat and M_X are unphysical: "
                f"|epsilon| <= 1 is |epsilon_hat| <= 3000 / M_X, {1 / lightest:.3g} or less here."
            )
        for name in given:
            width, period = ends[name][1] - ends[name][0], records[name].period
            if period and width > _ONCE_ROUND * period:
                said.append(
                    f"{name} covers {width:.3g} rad, but everything is the same again after "
                    f"{period:.3g}."
                )
        return said

    @property
    def figures(self) -> dict[str, list[str]]:
        """Parameters of the figures that the configuration lists, by the names of their files."""
        order = {name: i for i, name in enumerate(self.grid.names)}
        result = {}
        for wanted in self.data.get("figures", ()):
            if wanted in self.c9_planes:
                continue
            if isinstance(wanted, str):
                result[f"profiles/{wanted}"] = [wanted]
            else:
                pair = sorted(wanted, key=order.__getitem__)
                result[f"planes/{'-'.join(pair)}"] = pair
        return result

    def _check_fits(self) -> None:
        """Refuse parameters that nothing can hold, values without a physical point, and doubles."""
        limit, names = M_REFERENCE / (self.mass or M_X_RANGE[0]), parameters(self.model, self.mass)
        accepted = {"epsilon_hat": (-limit, limit), "g_hat": (0, 100), MASS: M_X_RANGE}
        for name, held in self.data["fits"].items():
            for parameter, value in held.items():
                key = f"fits.{name}.{parameter}"
                if parameter not in names:
                    raise self._refused(key, value, _one_of(names, parameter))
                low, high = accepted.get(parameter, (-100, 100))
                if not low <= value <= high:
                    raise self._refused(key, value, f"a number from {low:g} to {high:g}")
        every = list(self.fits.values())
        if every.count({}) != 1 or any(every.count(held) > 1 for held in every):
            different = "fits that differ, one of which holds nothing fixed: name: {}"
            raise self._refused("fits", self.data["fits"], different)

    @property
    def fits(self) -> dict[str, dict[str, float]]:
        """By the name of a fit what it holds fixed; last the main fit, which holds nothing.

        Those that hold more come first, so that fits start from those that are nested in them.
        """
        wanted = self.data["fits"]
        order = sorted(wanted, key=lambda name: (-len(wanted[name]), name))
        return {name: {k: float(x) for k, x in sorted(wanted[name].items())} for name in order}

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
        style = (
            "chunk_minutes",
            "confidence_levels",
            "figures",
            "fits",
            "observables_of_interest",
            "validation",
        )
        return {key: value for key, value in self.portable.items() if key not in style}

    @property
    def portable(self) -> dict:
        """The whole configuration, with names of files instead of their paths."""
        return {**super().portable, "model": Path(self.data["model"]).stem}

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
        additional: dict = {}
        if extra:
            additional["additional"] = list(map(observable_key, self.selection.extra))
            if engine == "compiled" and self.shipped:
                additional["extra_table"] = self.digest(EXTRA_TABLE)
        about = (engine, self.mass, self.data["smeft_accuracy"])
        return {**additional, "model": self.model.as_dict(), **self._theory(*about)}

    def layers(self, engine: str | None = None) -> list[dict]:
        """Theories of the files that together hold a point.

        Exact predictions of additional observables are files of their own, so that the others
        need not be computed again; the compiled engine is fast enough to compute all together.
        """
        engine, extra = engine or self.data["engine"], bool(self.selection.extra)
        if engine == "exact":
            return [self.theory(engine), *([self.theory(engine, extra=True)] if extra else [])]
        return [self.theory(engine, extra)]

    @property
    def _block(self) -> int:
        if self.profiled:
            return math.prod(self.grid.slab)
        return BLOCK if self.data["engine"] == "compiled" else 1

    @property
    def seconds_per_point(self) -> float:
        """Expected CPU seconds of a point of the grid."""
        each = SECONDS_PER_POINT[self.data["engine"]]
        if not self.profiled:
            return each
        evaluations = EVALUATIONS * len(self.profiled)
        return evaluations * each + SECONDS_PER_PLANE / math.prod(self.grid.slab)

    @property
    def cost(self) -> str:
        """How many points the grid has, and what they take, in words."""
        minimised = ", ".join(self.profiled)
        seconds, unit = self.grid.size * self.seconds_per_point, "s"
        for longer, name in ((60, "minutes"), (60, "hours"), (24, "days")):
            if seconds < 2 * longer:
                break
            seconds, unit = seconds / longer, name
        said = (
            f"{self.grid.size} points"
            + (f", at each of which chi2 is minimised over {minimised}" if minimised else "")
            + f": about {float(f'{seconds:.2g}'):g} {unit} of CPU time on a quiet core, and a "
            "quarter of a minute (with more than three parameters: minutes) for fits, C9, figures "
            "and page"
        )
        if self.checked:
            exact = self.data["validation"]["points"] + len(self.fits)
            exact += len(TABLE4) if self.is_the_papers else 0
            each = SECONDS_PER_POINT["exact"]
            said += f"; {exact} exact points check it, {each:g} s each if it is not kept"
        return said

    @property
    def _points_per_chunk(self) -> int:
        number = int(self.data["chunk_minutes"] * 60 / self.seconds_per_point)
        return min(max(number, -(-self.grid.size // _MOST_CHUNKS)), _MOST_IN_MEMORY)

    @cached_property
    def chunks(self) -> list[tuple[int, int]]:
        """Ranges (start, stop) of the grid's points that are computed together."""
        return self.grid.chunks(self._points_per_chunk, self._block)

    @cached_property
    def longest_chunk(self) -> float:
        """Expected minutes of the longest chunk: above `chunk_minutes` if these were too many."""
        points = max(stop - start for start, stop in self.chunks)
        return points * self.seconds_per_point / 60

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
        """What proposes a box for the run's model, mass, categories and data.

        Empty if the mass is no number, or the model does not say what is physical.
        """
        records = self.model.records
        if self.mass is None or not all(records[x].range for x in self.model.charge_parameters):
            return ""
        name = self.model.name  # not the path, which results do not depend on
        counts = ("range", "size")
        try:
            known = Model.load(name).as_dict(*counts) == self.model.as_dict(*counts)
        except ConfigurationError:
            known = False
        command = f"python -m malaphoric box {name if known else 'MODEL'}"
        if self.mass != M_REFERENCE:
            command += f" --M-X {self.mass:g}"
        if self.categories != list(CATEGORIES):
            command += f" --categories {' '.join(self.categories)}"
        if not self.has_the_papers_data:
            command += f" --data results/{self.data['run']}/likelihood.h5"
        return command

    @property
    def has_masses(self) -> bool:
        """Whether the same grid can be computed at other masses."""
        return self.mass is not None and not self.profiled

    @property
    def is_compared(self) -> bool:
        """Whether charges, mixing and fits are the paper's: only then it is compared with it."""
        fits = {name: self.fits.get(name) for name in FITS}
        return has_the_papers_model(self.model) and self.mass is not None and fits == FITS

    @property
    def is_the_papers(self) -> bool:
        """Whether model, mass, data and categories are the paper's."""
        same = is_the_papers(self.model, self.mass) and self.has_the_papers_data
        return same and self.categories == list(PAPERS_CATEGORIES)


class AtlasConfiguration(DataConfiguration):
    """A validated configuration of an atlas, see ``workflow/schemas/atlas.schema.yaml``.

    Parameters and errors as for `DataConfiguration`; refused, too, if no model is left.

    Attributes
    ----------
    models : flavour.Models
        What is fitted.
    left : dict of str to int
        How many are left by each of the filters.
    """

    def __init__(self, data: dict, source: str = "configuration") -> None:
        super().__init__(data, source, "atlas")
        if self.selection.extra:
            names = ", ".join(map(observable_key, self.selection.extra))
            raise self._refused("data", names, "in an atlas, observables of smelli alone")
        self.models, self.left = flavour.chosen(self.data["atlas"])
        if not len(self.models):
            accepted = f"what leaves a model; these leave\n{flavour.text(self.left)}"
            raise self._refused("atlas", self.data["atlas"], accepted)

    @property
    def chunks(self) -> list[tuple[int, int]]:
        """Ranges (start, stop) of the models that are fitted together, of about equal size."""
        each = self.data["chunk_minutes"] * 60 / SECONDS_PER_MODEL
        number = min(math.ceil(len(self.models) / max(1, each)), _MOST_CHUNKS)
        edges = np.linspace(0, len(self.models), number + 1).round().astype(int).tolist()
        return list(pairwise(edges))

    @property
    def longest_chunk(self) -> float:
        """Expected minutes of the longest chunk."""
        return max(stop - start for start, stop in self.chunks) * SECONDS_PER_MODEL / 60

    @property
    def record(self) -> dict:
        """The configuration as written into results: without what cannot change a number there."""
        style = ("chunk_minutes", "confidence_levels", "validation", "toys")
        return {key: value for key, value in self.portable.items() if key not in style}

    def theory(self, engine: str = "compiled") -> dict:
        """Everything a prediction depends on but the model, as plain data."""
        return self._theory(engine, self.mass)

    @property
    def mass(self) -> float:
        """Mass of the X boson in GeV."""
        return float(self.data[MASS])

    @property
    def minutes_of_toys(self) -> float:
        """Expected CPU minutes of all toys."""
        toys = self.data["toys"]
        each = SECONDS_PER_MODEL + toys["number"] * SECONDS_PER_TOY
        return min(toys["models"], len(self.models)) * each / 60

    @property
    def exact_models(self) -> int:
        """How many of the best models are evaluated exactly."""
        return min(self.data["validation"]["models"], len(self.models))

    @property
    def checked(self) -> bool:
        """Whether exact points check the compiled engine in this run."""
        return self.exact_models > 0

    @property
    def check(self) -> str:
        """How far the numbers of the run are exact, for their readers."""
        exact = f"see validation for the {self.exact_models} best models by smelli itself"
        unchecked = "not checked against exact points"
        return f"by the compiled engine, {exact if self.checked else unchecked}"


def configured(data: dict, source: str) -> Configuration | AtlasConfiguration:
    """A run configuration of either kind: that of an atlas has the key ``atlas``.

    Raises
    ------
    ConfigurationError
        If it is none.
    """
    if isinstance(data, dict) and "charges" in data and "run" not in data:
        raise ConfigurationError(
            f"{source}: a model is not accepted here; accepted: a run, whose key model names one "
            "(python -m malaphoric model FILE says what a model is)"
        )
    return (AtlasConfiguration if schema_of(data) == "atlas" else Configuration)(data, source)


def schema_of(data: object) -> str:
    """Name of the schema of a configuration of either kind."""
    return "atlas" if isinstance(data, dict) and "atlas" in data else "config"


def _refuse_old_form(data: object, source: str) -> None:
    """Say how a configuration with the keys grid and M_X is written now."""
    if schema_of(data) == "atlas" or not isinstance(data, dict):  # an atlas has the key M_X
        return
    if not {"grid", "M_X"} & data.keys():
        return
    rows = []
    grid = data.get("grid")
    for name, axis in (grid if isinstance(grid, dict) else {}).items():
        if isinstance(axis, dict) and axis.get("points") == 1:
            axis = axis.get("min")
        if isinstance(axis, dict):
            axis = "{" + ", ".join(f"{key}: {value}" for key, value in axis.items()) + "}"
        rows.append(f"  {name}: {axis}")
    if "M_X" in data:
        rows.append(f"  M_X: {data['M_X']}")
    old = " and ".join(key for key in ("grid", "M_X") if key in data)
    raise ConfigurationError(
        f"{source}: {old}: not accepted any more; accepted: the key parameters, here\n"
        + "\n".join(["parameters:", *rows])
    )


def _one_of(known: Iterable[str], given: str) -> str:
    """What would be accepted: some words, of which the one that may have been meant is named."""
    known = list(known)
    meant = meaning([given], known).strip()
    return f"one of {', '.join(known) or 'none'}" + f" ({meant})" * bool(meant)


def check_file(path: str | Path) -> None:
    """Refuse keys and values of a configuration file by themselves, before anybody merges them.

    Raises
    ------
    ConfigurationError
    """
    data = load_yaml(Path(path))
    _refuse_old_form(data, str(path))
    validate(data, schema_of(data), str(path), partial=True)


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
