"""chi2 minimised over some parameters at every point of a grid, many points at a time.

Which parameters, and the files, are in `configuration` and `chunks`; the profile of a stored scan
over parameters that are on its grid is in `statistics`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from malaphoric.data.categories import GLOBAL
from malaphoric.engines.loading import ModelLikelihood
from malaphoric.engines.protocol import CKM_FAILURE, NOWHERE
from malaphoric.inference import fits
from malaphoric.physics.parameters import HATTED, MASS
from malaphoric.physics.smeft import M_REFERENCE
from malaphoric.scan.grid import Grid

#: Random values that are looked at per profiled parameter, and how many of them are followed down.
_LOOKS, _FOLLOWED, _SEED = 24, 2, 1

# Rounds of starts from the minima of the neighbours, and what counts as lower.
_ROUNDS, _LOWER = 40, 1e-3


@dataclass
class Profiled:
    """Minima of chi2 over the profiled parameters at points of a grid.

    Attributes
    ----------
    chi2 : dict of str to ndarray, shape (n,)
        By category and "global": the minimum of each, NaN where there is none.
    places : dict of str to ndarray, shape (n, n_profiled)
        Where each of them is.
    ckm : ndarray, shape (n, 4)
        CKM elements at the global minimum.
    reason : ndarray of str, shape (n,)
        Empty, or why there is no minimum.
    """

    chi2: dict[str, np.ndarray]
    places: dict[str, np.ndarray]
    ckm: np.ndarray
    reason: np.ndarray


def minimised(
    likelihood: ModelLikelihood,
    grid: Grid,
    limits: dict[str, tuple[float, float]],
    start: int,
    stop: int,
    progress: Callable[[int], None] = lambda _: None,
) -> Profiled:
    """Minimise chi2 over parameters at points start <= number < stop of a grid.

    Every category is minimised by itself. A minimum is looked for from random values, the same at
    every point, and from the minima at the neighbouring points in the plane of the last two scanned
    parameters: results do not depend on how a grid is split into whole planes of these.

    Parameters
    ----------
    likelihood : ModelLikelihood
        Of the compiled engine.
    grid : Grid
        Of the other parameters.
    limits : dict
        Lowest and highest value of each profiled parameter.
    start, stop : int
        Multiples of the number of points in a `Grid.slab`.
    progress : callable, optional
        Called with the number of points done (of all categories, a share of them) now and then.
    """
    names = likelihood.parameters
    free = np.array([names.index(name) for name in limits])
    fixed = np.array([names.index(name) for name in grid.names])
    together = math.prod(grid.slab)
    every = [*likelihood.data.categories, GLOBAL]
    result = Profiled(
        {name: np.full(stop - start, np.nan) for name in every},
        {name: np.full((stop - start, len(limits)), np.nan) for name in every},
        np.full((stop - start, 4), np.nan),
        np.full(stop - start, CKM_FAILURE, dtype=object),
    )
    problem = _Problem(fits.physical_chi2(likelihood), names, limits)
    for first in range(start, stop, together):
        last = min(first + together, stop)
        points = np.full((last - first, len(names)), np.nan)
        points[:, fixed] = grid.points(first, last)
        rows = slice(first - start, last - start)
        done, share = first - start, (last - first) / (2 * len(every))
        starts = problem.starts(points, every)
        for number, name in enumerate(every):
            x, value = problem.minima(name, starts[name])
            progress(done + int(share * (2 * number + 1)))
            x, value = problem.spread(name, x, value, grid.slab)
            known = np.isfinite(value)
            result.chi2[name][rows] = np.where(known, value, np.nan)
            result.places[name][rows] = np.where(known[:, np.newaxis], x[:, free], np.nan)
            progress(done + int(share * (2 * number + 2)))
        # x is that of the global chi2, the last
        at_best = likelihood.engine.evaluate(np.where(known[:, np.newaxis], x, np.nan))
        result.ckm[rows] = at_best.ckm
        result.reason[rows] = np.where(known, "", problem.why(points))
    return result


class _Problem:
    """chi2 at given values of some parameters, to be minimised over the others."""

    def __init__(self, chi2: fits.Chi2, names: tuple[str, ...], limits: dict) -> None:
        self.chi2 = chi2
        self.free = np.array([names.index(name) for name in limits])
        self.low, self.high = np.full((2, len(names)), [[-np.inf], [np.inf]])
        self.low[self.free], self.high[self.free] = np.array(list(limits.values())).T
        self.mixing = names.index("epsilon_hat"), names.index(MASS) if MASS in names else None
        unit = np.random.default_rng(_SEED).uniform(-1, 1, (_LOOKS * len(limits), len(limits)))
        low, high = self.low[self.free], self.high[self.free]
        for i, name in enumerate(limits):
            if name not in (*HATTED, MASS) and low[i] < 0 < high[i]:
                # more at small angles, where less is excluded
                unit[:, i] = np.where(unit[:, i] < 0, -low[i], high[i]) * unit[:, i] ** 3
            else:
                unit[:, i] = low[i] + (unit[:, i] + 1) / 2 * (high[i] - low[i])
        self.looks = unit

    def starts(self, points: np.ndarray, every: list[str]) -> dict[str, np.ndarray]:
        """The best of the looks for every category, shape (n, followed, n_parameters)."""
        trial = np.repeat(points[:, np.newaxis], len(self.looks), axis=1)
        trial[..., self.free] = self.looks
        found = self.chi2(trial.reshape(-1, points.shape[1]))
        result = {}
        for name in every:
            values = found[name].reshape(trial.shape[:2])
            order = np.argsort(np.where(np.isfinite(values), values, np.inf), axis=1, kind="stable")
            chosen = order[:, :_FOLLOWED, np.newaxis]
            result[name] = np.take_along_axis(trial, chosen, axis=1)
        return result

    def minima(self, name: str, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The lowest minimum of a category from starts (n, m, n_parameters)."""
        n, m, k = starts.shape

        def chi2(points: np.ndarray) -> np.ndarray:
            return self.chi2(points)[name]

        flat = starts.reshape(-1, k)
        low, high = np.tile(self.low, (len(flat), 1)), np.tile(self.high, (len(flat), 1))
        mixing, mass = self.mixing
        if mixing in self.free and mass is not None and mass not in self.free:
            # |epsilon| <= 1 at every mass
            limit = M_REFERENCE / flat[:, mass]
            low[:, mixing] = np.maximum(low[:, mixing], -limit)
            high[:, mixing] = np.minimum(high[:, mixing], limit)
        x, value = fits.minima(chi2, flat, self.free, low, high)
        value = np.where(np.isfinite(value), value, np.inf).reshape(n, m)
        best = value.argmin(axis=1)
        rows = np.arange(n)
        return x.reshape(n, m, k)[rows, best], value[rows, best]

    def spread(
        self, name: str, x: np.ndarray, value: np.ndarray, slab: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Start again from the minima at neighbouring points of a slab, while that leads lower."""
        row, column = np.divmod(np.arange(len(x)), slab[1])
        neighbours = (
            (-slab[1], row > 0),
            (slab[1], row < slab[0] - 1),
            (-1, column > 0),
            (1, column < slab[1] - 1),
        )
        changed = np.ones(len(x), dtype=bool)
        for _ in range(_ROUNDS):
            again = np.zeros(len(x), dtype=bool)
            for step, there in neighbours:
                own = np.flatnonzero(there)
                own = own[changed[own + step] & np.isfinite(value[own + step])]
                if not own.size:
                    continue
                starts = x[own].copy()
                starts[:, self.free] = x[own + step][:, self.free]
                found, height = self.minima(name, starts[:, np.newaxis])
                lower = height < value[own] - _LOWER
                x[own[lower]], value[own[lower]] = found[lower], height[lower]
                again[own[lower]] = True
            changed = again
            if not changed.any():
                break
        return x, value

    def why(self, points: np.ndarray) -> np.ndarray | str:
        """Why points have no minimum: no physical value at all, or no CKM elements."""
        mixing, mass = self.mixing
        if mass is None:
            return CKM_FAILURE
        smallest = np.where(np.isnan(points[:, mass]), self.low[mass], points[:, mass])
        # a profiled epsilon_hat, not a number here, can always be small enough
        beyond = np.abs(points[:, mixing]) > M_REFERENCE / smallest
        return np.where(beyond, NOWHERE, CKM_FAILURE)
