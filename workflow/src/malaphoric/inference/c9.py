"""Planes of C9: what the data want there by themselves, and where a model can be.

C9 of b → s l l for electrons and muons, new physics alone, as flavio reads it at 4.8 GeV. Drawing
is in `figures`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from malaphoric import store
from malaphoric.arithmetic import BLOCK
from malaphoric.data import lep2
from malaphoric.data.categories import GLOBAL
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines.compiled import AT_MZ, B_TO_Q, N_DELTA, CompiledEngine, Port, Running, Table
from malaphoric.engines.loading import Joined, ModelLikelihood, block_of
from malaphoric.engines.protocol import Engine, HasCoefficients
from malaphoric.inference import fits
from malaphoric.scan import chunks

#: Where flavio reads coefficients of b → s l l.
PORT = Port(4.8, "WET", "flavio", "sb")

#: Horizontal and vertical coefficient of each plane, by the name of its figure.
PLANES = {"c9": ("C9_bsee", "C9_bsmumu"), "c9_primed": ("C9_bsmumu", "C9p_bsmumu")}

#: Those of all planes, each once.
OF_PLANES = tuple(dict.fromkeys(name for pair in PLANES.values() for name in pair))

#: Categories with b → s l l: those of the direct fit. What the others say of C9 is the box, which
#: lets couplings of quarks and of leptons grow at the expense of each other.
CATEGORIES = ("quarks", "LFU")

_CONTENT = "malaphoric planes of C9"

# Nodes of an axis, of a line, and of an axis for the direct fit. A plane shows where chi2 of the
# direct fit is this far above its minimum, but no coefficient larger than this, and has a margin.
_NODES, _NODES_OF_LINE, _NODES_OF_DIRECT = 31, 61, 81
_HEIGHT, _FURTHEST, _MARGIN = 12.0, 3.0, 1.1

# What a model reaches is a line, or a point, where it is thinner than this part of the plane.
_THIN = 0.02

# A model is held at a node with a standard deviation of this many steps between nodes, and reaches
# it if it comes as near as this; chi2 may pull it away so far that nothing else is suspected.
_HOLD = 0.25
NEAR = 0.35
_PULLED = 0.1

# Random points of the box, to start from; nodes this far above the minimum are left out.
_LOOKS, _SEED, _FAR = 8192, 1, 20.0

# The part of the time that the first starts take, roughly: what progress tells.
_FIRST = 0.6

# Rounds of starts from neighbouring nodes, and how far a node is above these if it needs one.
_ROUNDS, _BUMP = 4, 0.3

# Of chi2, what `fits.minima` is given: it stops at a gain of 1e-6 of it, and 1e-3 is enough here.
_SCALE = 1e-3


# ---------------------------------------------------------------------------------- the direct fit


@dataclass(frozen=True)
class _Coefficients:
    """Coefficients as parameters and monomials of an engine, in place of a `basis.Basis`."""

    parameters: tuple[str, ...]
    M_X: float = np.nan  # nothing runs

    @property
    def size(self) -> int:
        return len(self.parameters)

    @property
    def odd(self) -> np.ndarray:
        return np.zeros(self.size, dtype=bool)

    def monomials(self, points: np.ndarray) -> np.ndarray:
        return points.T


def direct_engine(names: tuple[str, ...], table: Table | None = None) -> CompiledEngine:
    """Predictions as functions of b → s coefficients at 4.8 GeV, which are all of new physics.

    The same value is taken wherever flavio reads a coefficient: from 4.8 to 5 GeV C9 runs by 10⁻⁴,
    and C7, of which B → X_s γ reads C7 alone, at 2 GeV, does not feel it.

    Parameters
    ----------
    names : tuple of str
        Coefficients of the sector sb in flavio's basis: the columns of points.
    table : Table, optional
        Default: the one that comes with the package.
    """
    table = table or Table.load()
    ports, n = table.ports(), len(names)
    ports[AT_MZ] = sorted({*ports.get(AT_MZ, []), *lep2.COEFFICIENTS})
    values, second = {}, {}
    for port, there in ports.items():
        unit = np.zeros((n, len(there)), dtype=complex)
        for row, name in enumerate(names):
            if port.sector == PORT.sector and name in there:
                unit[row, there.index(name)] = 1
        values[port] = np.tile(unit, (N_DELTA, 1, 1))
        if port.sector in B_TO_Q:
            second[port] = np.zeros((n * (n + 1) // 2, len(there)), dtype=complex)
    about = ("none", store.versions(), table.digest)
    basis = _Coefficients(names)  # all that the engine asks of a Basis, which needs a model
    running = Running(basis, *about, ports, values, second, {})  # type: ignore[arg-type]
    return CompiledEngine(table, running)


def direct_fit(data: Likelihood, engine: Engine) -> np.ndarray | None:
    """Where chi2 of the direct fit is smallest, and corners of what is near: shape (3, 2).

    None if no category of `CATEGORIES` counts.
    """
    if not set(CATEGORIES) & set(data.categories):
        return None

    def chi2(points: np.ndarray) -> np.ndarray:
        return direct_chi2(data, engine, points)

    coarse = _lattice(*[np.linspace(-_FURTHEST, _FURTHEST, _NODES)] * 2).reshape(-1, 2)
    values = chi2(coarse)
    start = coarse[[values.argmin()]]
    wide = np.full(2, 2 * _FURTHEST)
    (best,), _ = fits.minima(chi2, start, np.arange(2), -wide, wide)
    near = coarse[values < values.min() + _HEIGHT]
    return np.array([best, near.min(axis=0), near.max(axis=0)])


def direct_plane(
    data: Likelihood, names: tuple[str, str], shown: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The direct fit in a plane that holds it and as many as possible of some points (n, 2).

    Returns
    -------
    corners : ndarray, shape (2, 2)
        The lowest and the highest coefficients.
    chi2 : ndarray, shape (81, 81)
        Between them.
    best : ndarray, shape (2,)
        None instead of all if no category of `CATEGORIES` counts.
    """
    engine = direct_engine(names)
    if (direct := direct_fit(data, engine)) is None:
        return None
    near = shown[(abs(shown) < _FURTHEST).all(axis=1)]
    low, high = _window(np.concatenate([np.zeros((1, 2)), near, direct]))
    fine = _lattice(*np.linspace(low, high, _NODES_OF_DIRECT).T)
    chi2 = direct_chi2(data, engine, fine.reshape(-1, 2)).reshape(fine.shape[:2])
    return np.array([low, high]), chi2, direct[0]


def _lattice(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Points of a lattice, shape (len(x), len(y), 2)."""
    return np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)


def direct_chi2(data: Likelihood, engine: Engine, points: np.ndarray) -> np.ndarray:
    """chi2 of the direct fit at coefficients (n, 2): of what counts of `CATEGORIES`, shape (n,)."""
    chi2 = data.chi2(engine.evaluate(points).predictions)
    return sum((chi2[name] for name in CATEGORIES if name in chi2), np.zeros(len(points)))


def at(
    engine: CompiledEngine | Joined,
    points: np.ndarray,
    ckm: np.ndarray,
    names: tuple[str, ...] = OF_PLANES,
) -> list[dict[str, float]]:
    """Coefficients of b → s l l at points, real parts by name, of each point.

    Parameters
    ----------
    engine : CompiledEngine or Joined
    points : ndarray, shape (n, n_parameters)
    ckm : ndarray, shape (n, 4)
        CKM elements there, as `Evaluation` has them.
    names : tuple of str, optional
        In flavio's basis (default: those of all `PLANES`).
    """
    found = engine.coefficients(points, ckm, PORT, list(names)).real
    return [dict(zip(names, row, strict=True)) for row in found.tolist()]


# ----------------------------------------------------------------------------------- a model there


class Reach:
    """A model in the plane of two coefficients, inside a box of its parameters.

    Parameters
    ----------
    likelihood : ModelLikelihood
        Of the compiled engine.
    box : dict
        From `fits.physical_box`.
    names : tuple of str
        The two coefficients.
    starts : ndarray, shape (m, n_parameters)
        Points to start from besides random ones.

    Attributes
    ----------
    chi2 : dict of str to ndarray, shape (n,)
        At starts and random points, of `CATEGORIES` and "global"; NaN where there is none.
    places : ndarray, shape (n, 2)
        The coefficients there, real parts.
    rough : dict of str to int
        By category, how many of the nodes that were `held` last are not at their lowest chi2,
        because their neighbours are lower than a smooth chi2 allows.
    """

    def __init__(
        self, likelihood: ModelLikelihood, box: fits.Box, names: tuple[str, str], starts: np.ndarray
    ) -> None:
        self.likelihood, self.names = likelihood, list(names)
        self._low, self._high = fits.limits_of(box)
        self._free = np.flatnonzero(self._low < self._high)
        looks = np.random.default_rng(_SEED).uniform(size=(_LOOKS, len(box)))
        looks = self._low + looks * (self._high - self._low)
        self.rough: dict[str, int] = {}
        self._looks = np.concatenate([starts, looks if self._free.size else looks[:1]])
        self.chi2, self.places = self.evaluate(self._looks)

    def evaluate(
        self, points: np.ndarray, data: Likelihood | None = None
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """chi2 by category and coefficients (n, 2) at points (n, n_parameters).

        ``data``: of some of the categories (default: of all).
        """
        engine, data = self.likelihood.engine, data or self.likelihood.data
        assert isinstance(engine, HasCoefficients)
        physical = fits.physical(self.likelihood, points)
        names = [name for name in (*CATEGORIES, GLOBAL) if name in data.n_obs]
        chi2 = {name: np.full(len(points), np.nan) for name in names}
        places = np.full((len(points), 2), np.nan)
        for start in range(0, len(points), BLOCK):  # bounded memory
            rows = slice(start, start + BLOCK)
            size = block_of(len(points[rows]))
            found = engine.evaluate(points[rows], block=size)
            places[rows] = engine.coefficients(points[rows], found.ckm, PORT, self.names).real
            weighed = data.chi2(found.predictions, size)
            for name in names:
                chi2[name][rows] = np.where(physical[rows], weighed[name], np.nan)
        return chi2, places

    def directions(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Directions in which the model spreads between corners of the plane, shape (2, 0 to 2)."""
        inside = ((self.places >= low) & (self.places <= high)).all(axis=1)
        inside &= np.isfinite(self.chi2[GLOBAL])
        if not inside.any():
            return np.zeros((2, 0))
        places = self.places[inside]
        centred = places - places.mean(axis=0)
        axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1]  # the widest first
        wide = np.ptp(places @ axes, axis=0) > _THIN * (high - low).max()
        number = min(int(wide.sum()), self._free.size)
        return np.eye(2) if number == 2 else axes[:, :number]

    def held(
        self,
        nodes: np.ndarray,
        directions: np.ndarray,
        hold: float,
        progress: Callable[[float], None] = lambda _: None,
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """chi2 minimised over the parameters, with the coefficients held at nodes.

        Parameters
        ----------
        nodes : ndarray, shape (..., k)
            Values of coefficients @ directions, neighbours beside each other; k may be 0, for one
            node.
        directions : ndarray, shape (2, k)
        hold : float
            Standard deviation with which they are held.
        progress : callable, optional
            Called now and then with the part that is done, 0 to 1.

        Returns
        -------
        chi2 : dict of str to ndarray, shape (...)
            By category and "global"; NaN where no point was found, or all are far above the
            minimum; where the model does not reach the node, of the place next to it.
        places : dict of str to ndarray, shape (..., 2)
            The coefficients at each minimum: those of the node, where the model reaches it.
        """
        from scipy import ndimage  # half a second, which `at` does without

        chi2, places = {}, {}
        for number, name in enumerate(self.chi2):

            def told(part: float, before: int = number) -> None:
                progress((before + part) / len(self.chi2))

            x = self._minima(name, nodes, directions, hold, told)
            found, place = self.evaluate(x.reshape(-1, x.shape[-1]))
            place = place.reshape(*nodes.shape[:-1], 2)
            off = ((place @ directions - nodes) ** 2).sum(axis=-1) / hold**2
            # chi2 of the node itself, by its slope, which is that of what holds the coefficients;
            # of a node that the model does not reach, chi2 where it comes nearest: further away
            # than chi2 pulls it at the neighbours
            steps = _HOLD * np.sqrt(off)
            pulled = ndimage.minimum_filter(np.nan_to_num(steps, nan=np.inf), size=3)
            reached = steps < np.clip(3 * pulled, _PULLED, NEAR)
            slope = np.where(reached, 2 * np.minimum(off, 1), 0)
            chi2[name] = found[name].reshape(off.shape) + slope
            places[name] = place
        return chi2, places

    def _minima(
        self,
        name: str,
        nodes: np.ndarray,
        directions: np.ndarray,
        hold: float,
        progress: Callable[[float], None],
    ) -> np.ndarray:
        """Points (..., n_parameters) at which chi2 is lowest, NaN where none is looked for."""
        shape, m = nodes.shape[:-1], len(self._low)
        flat = nodes.reshape(math.prod(shape), nodes.shape[-1])
        wide = np.full(flat.shape[1], np.inf)
        limits = np.concatenate([self._low, -wide]), np.concatenate([self._high, wide])
        points, height = np.full((len(flat), m), np.nan), np.full(len(flat), np.inf)

        own = self.likelihood.data.of(None if name == GLOBAL else [name])

        def objective(x: np.ndarray) -> np.ndarray:  # of parameters, and the node
            chi2, places = self.evaluate(x[:, :m], own)
            off = ((places @ directions - x[:, m:]) ** 2).sum(axis=1) / hold**2
            return _SCALE * (chi2[name] + off)

        def follow(starts: np.ndarray, rows: np.ndarray, before: float, after: float) -> None:
            def told(found: int) -> None:
                progress(before + (after - before) * found / len(rows))

            starts = np.concatenate([starts, flat[rows]], axis=1)
            x, value = fits.minima(objective, starts, self._free, *limits, told)
            lower = value / _SCALE < height[rows]
            points[rows[lower]], height[rows[lower]] = x[lower, :m], value[lower] / _SCALE

        known = np.flatnonzero(np.isfinite(self.chi2[name]))
        if not known.size:
            return points.reshape(*shape, m)
        values, along = self.chi2[name][known], self.places[known] @ directions
        looked = [values + _HOLD**2 * ((along - node) ** 2).sum(axis=1) / hold**2 for node in flat]
        guess = np.array([trial.min() for trial in looked])
        rows = np.flatnonzero(guess < guess.min() + _FAR)
        follow(self._looks[known[[looked[row].argmin() for row in rows]]], rows, 0, _FIRST)
        for done in np.linspace(
            _FIRST, 1, _ROUNDS, endpoint=False
        ):  # from the lower neighbour of bumps, which are other minima
            rows, neighbours = _bumps(height.reshape(shape))
            if not rows.size:
                break
            before = height[rows]
            follow(points[neighbours], rows, done, done + (1 - _FIRST) / _ROUNDS)
            if not (height[rows] < before - _BUMP).any():
                break
        self.rough[name] = len(_bumps(height.reshape(shape))[0])
        return points.reshape(*shape, m)


def _bumps(height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes above the mean of two opposite neighbours, and the lower of these, as flat indices.

    A node that was not looked at counts where a neighbour is low: infinite is above anything.
    """
    number, lowest = np.arange(height.size).reshape(height.shape), height.min()
    found: dict[int, int] = {}
    for axis in range(height.ndim):
        if height.shape[axis] < 3:
            continue
        h, n = np.moveaxis(height, axis, 0), np.moveaxis(number, axis, 0)
        left, right = np.minimum(h[:-2], lowest + _FAR), np.minimum(h[2:], lowest + _FAR)
        bump = h[1:-1] > (left + right) / 2 + _BUMP
        bump &= np.minimum(left, right) < lowest + _FAR / 2
        lower = np.where(left <= right, n[:-2], n[2:])
        found |= dict(zip(n[1:-1][bump].tolist(), lower[bump].tolist(), strict=True))
    return np.array(list(found), dtype=int), np.array(list(found.values()), dtype=int)


# -------------------------------------------------------------------------------------- the planes


def save(
    path: str | Path,
    planes: list[str],
    likelihood: ModelLikelihood,
    box: fits.Box,
    starts: list[dict[str, float]],
    extra_table: Table | None = None,
    out: Callable[[str], None] = lambda _: None,
) -> str:
    """Compute the planes of a run and write them.

    Parameters
    ----------
    path : path
        HDF5 file with a group a plane: ``x``, ``y`` (31,) the nodes; ``direct`` (81, 81) chi2 of
        the direct fit between the same ends, and ``direct_best`` (2,), if there is one; the
        model's ``chi2`` (category, ...) and ``places`` (category, ..., 2), the coefficients where
        it is: at all nodes, on a line or at one point, as far as the model reaches; attributes
        ``categories`` and ``rough``, see `Reach`.
    planes : list of str
        Some of `PLANES`.
    likelihood : ModelLikelihood
        Of the compiled engine.
    box : dict
        From `fits.physical_box`.
    starts : list of dict
        Values by parameter to start from, and to be seen: the best of the grid.
    extra_table : Table, optional
        Of the additional observables.
    out : callable, optional
        Takes lines on progress, in nodes of all planes and categories.

    Returns
    -------
    str
        What the direct fits found, in a sentence.
    """
    data, said = likelihood.data, []
    rows = np.array([[point[name] for name in box] for point in starts]).reshape(-1, len(box))
    each = _NODES**2 * len([name for name in (*CATEGORIES, GLOBAL) if name in data.n_obs])
    progress = chunks.Progress(len(planes) * each, out, what="C9 point")
    with store.create(path, content=_CONTENT) as file:
        for number, plane in enumerate(planes):

            def told(part: float, before: int = number) -> None:
                progress(int((before + part) * each))

            names, group = PLANES[plane], file.create_group(plane)
            engine: Engine = direct_engine(names)
            if extra_table:
                engine = Joined([engine, direct_engine(names, extra_table)], data.observables)
            model = Reach(likelihood, box, names, rows)
            shown = [np.zeros((1, 2)), model.places[: len(rows)]]
            if (direct := direct_fit(data, engine)) is not None:
                best = direct[0]
                shown.append(direct)
                said.append(f"direct fit: {names[0]} = {best[0]:.2f}, {names[1]} = {best[1]:.2f}")
                store.write_array(group, "direct_best", best)
            low, high = _window(np.concatenate(shown))
            axes = np.linspace(low, high, _NODES).T
            for name, axis in zip("xy", axes, strict=True):
                store.write_array(group, name, axis)
            if direct is not None:
                fine = _lattice(*np.linspace(low, high, _NODES_OF_DIRECT).T)
                values = direct_chi2(data, engine, fine.reshape(-1, 2)).reshape(fine.shape[:2])
                store.write_array(group, "direct", values)
            chi2, places = _reached(model, _lattice(*axes), low, high, told)
            group.attrs["categories"] = json.dumps(list(chi2))
            group.attrs["rough"] = store.canonical(model.rough)
            store.write_array(group, "chi2", np.array(list(chi2.values())))
            store.write_array(group, "places", np.array(list(places.values())))
    return "; ".join(said)


def _window(shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners of a square that holds points (n, 2), with a margin."""
    low, high = np.nanmin(shown, axis=0), np.nanmax(shown, axis=0)
    middle, half = (low + high) / 2, max(np.max(high - low) / 2, _THIN) * _MARGIN
    return middle - half, middle + half


def _reached(
    model: Reach,
    lattice: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    progress: Callable[[float], None] = lambda _: None,
) -> tuple[dict, dict]:
    """`Reach.held` at the nodes of a lattice (n, n, 2), on a line, or at a point."""
    directions = model.directions(low, high)
    if directions.shape[1] == 2:
        hold = _HOLD * (high - low)[0] / (_NODES - 1)
        return model.held(lattice, directions, hold, progress)
    inside = ((model.places >= low) & (model.places <= high)).all(axis=1)
    if directions.shape[1] == 0:
        return model.held(np.zeros((1, 0)), directions, 1.0)
    along = model.places[inside & np.isfinite(model.chi2[GLOBAL])] @ directions
    nodes = np.linspace(along.min(), along.max(), _NODES_OF_LINE)[:, np.newaxis]
    hold = _HOLD * np.ptp(nodes) / (_NODES_OF_LINE - 1)
    return model.held(nodes, directions, hold, progress)
