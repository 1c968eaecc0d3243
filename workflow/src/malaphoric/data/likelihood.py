"""The data half: measurements and covariances, from predictions to chi2, vectorised.

It knows nothing of models, flavio or smelli: theory arrives as an array of predictions, and the
constraints come from `measurements`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

from malaphoric import store
from malaphoric.arithmetic import BLOCK
from malaphoric.data import categories
from malaphoric.schema import ConfigurationError

#: Kinds of constraints, named as flavio's distributions.
NORMAL = "normal"
NUMERICAL = "numerical"
HALF_NORMAL = "half_normal"
ASYMMETRIC = "asymmetric_normal"
GAMMA = "gamma"

# rows of the whitening matrix that are multiplied at a time, see `Likelihood._combine`
_PANEL = 64


@dataclass(frozen=True)
class Constraint:
    """One probability distribution of one or several observables.

    Attributes
    ----------
    category, measurement : str
        Category and flavio's name of the measurement.
    kind : str
        ``normal`` (central (k,), covariance (k, k)), ``numerical`` (x (m,), pdf (m,), central),
        ``half_normal`` (central, deviation: signed), ``asymmetric_normal`` (central, left, right)
        or ``gamma`` (central, loc, a, scale; zero below lower), as flavio's distributions of these
        names.
    columns : ndarray of int, shape (k,)
        Columns of the predictions it constrains.
    arrays : dict of str to ndarray
        Parameters of the distribution, in the observables' units.
    """

    category: str
    measurement: str
    kind: str
    columns: np.ndarray
    arrays: dict[str, np.ndarray]

    @cached_property
    def _at_central(self) -> np.ndarray:
        return np.interp(self.arrays["central"], self.arrays["x"], self.arrays["pdf"])

    def deviation(self) -> np.ndarray:
        """Standard deviation of every observable it constrains, shape (k,)."""
        a = self.arrays
        if self.kind == NORMAL:
            return np.sqrt(np.diag(a["covariance"]))
        if self.kind == NUMERICAL:
            return _deviation(a["x"], a["pdf"])
        if self.kind == GAMMA:
            highest = a["loc"] + a["scale"] * (a["a"] + 12 * np.sqrt(a["a"]))
            x = np.linspace(a["lower"], np.maximum(highest, a["lower"] + 12 * a["scale"]), 10_000)
            return _deviation(x, np.exp(-_gamma(x, a) / 2))
        if self.kind == HALF_NORMAL:
            return np.atleast_1d(np.abs(a["deviation"]))
        return np.atleast_1d((a["left"] + a["right"]) / 2)

    def chi2(self, predictions: np.ndarray) -> np.ndarray:
        """-2 ln L relative to its value at the central value, as flavio's ``delta_logpdf``.

        For the distributions of one observable; the normal ones are evaluated together, see
        `Likelihood.chi2`.

        Parameters
        ----------
        predictions : ndarray, shape (n, n_observables)

        Returns
        -------
        ndarray, shape (n,)
            Infinite where the distribution vanishes.
        """
        a = self.arrays
        x = predictions[:, self.columns[0]]
        if self.kind == NUMERICAL:
            pdf = np.interp(x, a["x"], a["pdf"], left=0, right=0)
            return -2 * np.log(pdf / self._at_central)
        if self.kind == HALF_NORMAL:
            pull = (x - a["central"]) / a["deviation"]
            return np.where(pull < 0, np.inf, pull**2)
        if self.kind == GAMMA:
            return _gamma(x, a)
        deviation = np.where(x < a["central"], a["left"], a["right"])
        return ((x - a["central"]) / deviation) ** 2


def _is_even(x: np.ndarray) -> bool:
    """Whether nodes are evenly spaced."""
    return bool(np.allclose(np.diff(x), (x[-1] - x[0]) / (len(x) - 1), rtol=1e-6, atol=0))


class _Tabulated:
    """Tabulated distributions at even nodes, all at once: `Constraint.chi2`, but quicker."""

    def __init__(self, constraints: list[Constraint]) -> None:
        tables = [k.arrays for k in constraints]
        self.columns = np.array([k.columns[0] for k in constraints], dtype=int)
        number = np.array([len(a["x"]) for a in tables], dtype=int)
        ends = np.array([a["x"][[0, -1]] for a in tables]).reshape(-1, 2)
        self._low = ends[:, :1]
        self._per_step = (number[:, np.newaxis] - 1) / (ends[:, 1:] - ends[:, :1])
        self._last = number[:, np.newaxis] - 2
        self._start = (np.cumsum(number) - number)[:, np.newaxis]
        densities = [a["pdf"] / k._at_central for k, a in zip(constraints, tables, strict=True)]
        self._density = np.concatenate([np.zeros(0), *densities])

    def chi2(self, predictions: np.ndarray) -> np.ndarray:
        """Sum of their chi2 at predictions (n_observables, n); infinite where one vanishes."""
        steps = predictions[self.columns]
        steps -= self._low
        steps *= self._per_step
        # of two numbers, fmax and fmin take the one that is not NaN
        node = np.fmin(np.fmax(steps, 0), self._last).astype(int)
        outside = (steps < 0) | (steps > self._last + 1)
        steps -= node
        node += self._start
        density = self._density[node]
        density += steps * (self._density[node + 1] - density)
        density[outside] = 0.0
        return -2 * np.add.reduce(np.log(density), axis=0)


def _deviation(x: np.ndarray, pdf: np.ndarray) -> np.ndarray:
    """Standard deviation of a tabulated density, shape (1,)."""
    norm = np.trapezoid(pdf, x)
    mean = np.trapezoid(x * pdf, x) / norm
    return np.atleast_1d(np.sqrt(np.trapezoid((x - mean) ** 2 * pdf, x) / norm))


def _gamma(x: np.ndarray, a: dict[str, np.ndarray]) -> np.ndarray:
    """-2 ln L of a gamma distribution relative to its mode; a >= 1."""
    z, mode = ((value - a["loc"]) / a["scale"] for value in (x, a["central"]))
    chi2 = 2 * (z - mode)
    if a["a"] > 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            chi2 = chi2 - 2 * (a["a"] - 1) * np.log(z / mode)
    return np.where(x < a["lower"], np.inf, chi2)


def _whitening(covariance: np.ndarray) -> np.ndarray:
    """Matrix W with W^T W = covariance^-1; scaled first, because variances span many orders."""
    error = np.sqrt(np.diag(covariance))
    lower = np.linalg.cholesky(covariance / np.outer(error, error))
    return np.linalg.solve(lower, np.diag(1 / error))


def nothing_left(category: str, source: str = "") -> ConfigurationError:
    """The error for a category that counts and has no measurement."""
    return ConfigurationError(
        f"{source}data.{category}: no measurement is left, which is not accepted for a category "
        "that counts; accepted: fewer exclusions, or categories without it"
    )


@dataclass
class Likelihood:
    """All constraints of a run, by category.

    Attributes
    ----------
    observables : list
        flavio observables, the columns of the predictions.
    constraints : list of Constraint
    sm : ndarray, shape (n_observables,)
        Predictions of the Standard Model.
    theory_uncertainty : ndarray, shape (n_observables,)
        Standard deviation of the theory in the SM, as far as smelli's covariance includes it.
    labels : list of str
        LaTeX labels of the observables, from flavio.
    settings : dict
        What the likelihood was made from.
    """

    observables: list
    constraints: list[Constraint]
    sm: np.ndarray
    theory_uncertainty: np.ndarray
    labels: list[str] = field(default_factory=list)
    settings: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.categories = [
            c for c in categories.CATEGORIES if any(k.category == c for k in self.constraints)
        ]
        #: number of observations by category and in all
        self.n_obs = {
            c: sum(len(k.columns) for k in self.constraints if k.category == c)
            for c in self.categories
        }
        self.n_obs[categories.GLOBAL] = sum(self.n_obs.values())
        self._gaussian = {c: self._combine(c) for c in self.categories}
        self._tabulated, self._other = {}, {}
        for c in self.categories:
            other = [k for k in self.constraints if k.category == c and k.kind != NORMAL]
            even = [k.kind == NUMERICAL and _is_even(k.arrays["x"]) for k in other]
            self._tabulated[c] = _Tabulated([k for k, e in zip(other, even, strict=True) if e])
            self._other[c] = [k for k, e in zip(other, even, strict=True) if not e]
        self.chi2_sm = {c: float(v[0]) for c, v in self.chi2(self.sm[np.newaxis]).items()}

    def _combine(self, category: str) -> tuple[np.ndarray | slice, list[tuple]]:
        """Columns of all normal constraints of a category, and their whitening in panels.

        A panel is a slice of the columns, a matrix and an offset. Whitening matrices are
        triangular: a panel of a few rows leaves out what is zero, half of the arithmetic.
        """
        normal = [k for k in self.constraints if k.category == category and k.kind == NORMAL]
        place: dict[int, int] = {}
        for column in (c for k in normal for c in k.columns):
            place.setdefault(int(column), len(place))
        rows = sum(len(k.columns) for k in normal)
        matrix, offset, row = np.zeros((len(place), rows)), np.zeros(rows), 0
        for k in normal:
            block = slice(row, row + len(k.columns))
            whitening = _whitening(k.arrays["covariance"])
            matrix[[place[int(c)] for c in k.columns], block] = whitening.T
            offset[block] = whitening @ k.arrays["central"]
            row = block.stop
        panels = []
        for start in range(0, rows, _PANEL):
            panel = matrix[:, start : start + _PANEL]
            columns = np.flatnonzero(panel.any(axis=1))
            used = slice(columns[0], columns[-1] + 1)
            shift = offset[start : start + _PANEL, np.newaxis]
            panels.append((used, np.ascontiguousarray(panel[used].T), shift))
        order = np.array(list(place), dtype=int)
        if order.size and (np.diff(order) == 1).all():
            return slice(order[0], order[-1] + 1), panels  # which needs no copy
        return order, panels

    def of(self, selection: Iterable[str] | None) -> Likelihood:
        """The likelihood of some of the categories, or itself."""
        if selection is None:
            return self
        return replace(self, constraints=[k for k in self.constraints if k.category in selection])

    @property
    def digest(self) -> str:
        """Digest of everything that enters chi2."""
        return store.digest(self.category_digests)

    @cached_property
    def category_digests(self) -> dict[str, str]:
        """Digest of everything that enters the chi2 of each category."""
        head = categories.dump_observables(self.observables)
        return {
            c: store.digest(
                head,
                self.sm,
                *(
                    part
                    for k in self.constraints
                    if k.category == c
                    for part in (
                        k.kind,
                        k.columns,
                        *(np.asarray(k.arrays[name], dtype=float) for name in sorted(k.arrays)),
                    )
                ),
            )
            for c in self.categories
        }

    def chi2(self, predictions: np.ndarray, size: int = BLOCK) -> dict[str, np.ndarray]:
        """chi2 of predictions by category, and their sum "global".

        Parameters
        ----------
        predictions : ndarray, shape (n, n_observables)
            Rows of NaN stay NaN.
        size : int
            Rows weighed together, see `malaphoric.engines.compiled.CompiledEngine.evaluate`.

        Returns
        -------
        dict of str to ndarray, shape (n,)
        """
        n = len(predictions)
        result = {name: np.empty(n) for name in (*self.categories, categories.GLOBAL)}
        for start in range(0, n, size):
            rows = min(size, n - start)
            block = predictions[start : start + rows].T
            if rows < size:
                # always whole blocks: BLAS sums in another order when the shape is another, and a
                # point's chi2 must not depend on its neighbours
                block = np.concatenate([block, np.zeros((len(block), size - rows))], axis=1)
            with np.errstate(divide="ignore"):  # where a tabulated density vanishes
                weighed = self._block(block)
            for name, values in weighed.items():
                result[name][start : start + rows] = values[:rows]
        return result

    def _block(self, predictions: np.ndarray) -> dict[str, np.ndarray]:
        """chi2 of predictions (n_observables, n)."""
        n = predictions.shape[1]
        result, panel = {}, np.empty((_PANEL, n))  # which stays in the cache
        for category in self.categories:
            columns, panels = self._gaussian[category]
            # in one order in memory, that BLAS sums in
            values, chi2 = np.ascontiguousarray(predictions[columns]), np.zeros(n)
            for used, matrix, offset in panels:
                whitened = np.matmul(matrix, values[used], out=panel[: len(matrix)])
                whitened -= offset
                chi2 += np.einsum("in,in->n", whitened, whitened)
            result[category] = chi2
            if self._tabulated[category].columns.size:
                result[category] += self._tabulated[category].chi2(predictions)
            for constraint in self._other[category]:
                result[category] += constraint.chi2(predictions.T)
        result[categories.GLOBAL] = sum(result.values(), np.zeros(n))
        return result

    def pseudo_data(self, rng: np.random.Generator, number: int) -> tuple[Likelihood, np.ndarray]:
        """Pseudo-data of the Standard Model: without fluctuations, and fluctuations.

        chi2 of predictions p for the n-th pseudo-data is that of the likelihood returned, less
        2 pull[n] . (p - sm), up to what is the same for all p.

        Parameters
        ----------
        rng : numpy.random.Generator
        number : int

        Returns
        -------
        likelihood : Likelihood
            Every measurement finds the Standard Model. The few that are not normal are treated as
            normal.
        pull : ndarray, shape (number, n_observables)
            Inverse covariance times a fluctuation that is drawn from the total covariance.
        """
        constraints, pull = [], np.zeros((number, len(self.observables)))
        for k in self.constraints:
            covariance = k.arrays.get("covariance", np.diag(k.deviation() ** 2))
            arrays = {"central": self.sm[k.columns], "covariance": covariance}
            constraints.append(replace(k, kind=NORMAL, arrays=arrays))
            noise = rng.standard_normal((number, len(k.columns)))
            pull[:, k.columns] += noise @ _whitening(covariance)
        return replace(self, constraints=constraints), pull

    def measured(self) -> tuple[np.ndarray, np.ndarray]:
        """Weighted average and total uncertainty of every observable, correlations neglected.

        Returns
        -------
        central, uncertainty : ndarray, shape (n_observables,)
            In the observables' units; NaN for an observable without measurement. The uncertainty
            includes the theory's where the likelihood does (quarks).
        """
        weight, weighted = np.zeros(len(self.observables)), np.zeros(len(self.observables))
        for k in self.constraints:
            deviation = k.deviation()
            weight[k.columns] += deviation**-2
            weighted[k.columns] += np.atleast_1d(k.arrays["central"]) * deviation**-2
        with np.errstate(divide="ignore", invalid="ignore"):
            return weighted / weight, np.sqrt(1 / np.where(weight > 0, weight, np.nan))

    def save(self, path: str | Path) -> None:
        """Write the likelihood to an HDF5 file."""
        with store.create(
            path,
            content="malaphoric likelihood",
            digest=self.digest,
            settings=self.settings,
            observables=categories.dump_observables(self.observables),
            labels=list(self.labels),
            n_obs=self.n_obs,
            chi2_sm=self.chi2_sm,
        ) as file:
            store.write_array(file, "sm", self.sm)
            store.write_array(file, "theory_uncertainty", self.theory_uncertainty)
            write_constraints(file, self.constraints)

    @classmethod
    def load(cls, path: str | Path, selection: tuple[str, ...] | None = None) -> Likelihood:
        """Read a likelihood from an HDF5 file.

        Parameters
        ----------
        path : path
        selection : tuple of str, optional
            Categories to keep (default: all in the file).

        Raises
        ------
        malaphoric.store.StoreError
            If the file is damaged or is not a likelihood.
        malaphoric.schema.ConfigurationError
            If the selection names an unknown category, or one of which nothing is left.
        """
        unknown = [c for c in selection or () if c not in categories.CATEGORIES]
        if unknown or (selection is not None and not selection):
            raise ConfigurationError(
                f"categories: {selection!r} is not accepted; accepted: some of "
                f"{', '.join(categories.CATEGORIES)}"
            )
        with store.read(path) as file:
            if file.attrs.get("content") != "malaphoric likelihood":
                raise store.StoreError(f"{path}: not a malaphoric likelihood")
            constraints = read_constraints(file)
            for category in selection or ():
                if not any(k.category == category for k in constraints):
                    raise nothing_left(category)
            return cls(
                observables=categories.parse_observables(file.attrs["observables"]),
                constraints=constraints,
                sm=file["sm"][:],
                theory_uncertainty=file["theory_uncertainty"][:],
                labels=store.parse(file.attrs["labels"]),
                settings=store.parse(file.attrs["settings"]),
            ).of(selection)


def write_constraints(file: h5py.File, constraints: list[Constraint]) -> None:
    """Write constraints into an HDF5 file."""
    for number, k in enumerate(constraints):
        group = file.create_group(f"constraints/{number:04d}")
        group.attrs.update(category=k.category, measurement=k.measurement, kind=k.kind)
        store.write_array(group, "columns", k.columns)
        for name, values in sorted(k.arrays.items()):
            store.write_array(group, f"arrays/{name}", values)


def read_constraints(file: h5py.File) -> list[Constraint]:
    """Read what `write_constraints` wrote."""
    return [
        Constraint(
            category=group.attrs["category"],
            measurement=group.attrs["measurement"],
            kind=group.attrs["kind"],
            columns=group["columns"][:],
            arrays={name: np.asarray(values[()]) for name, values in group["arrays"].items()},
        )
        for _, group in sorted(file.get("constraints", {}).items())
    ]
