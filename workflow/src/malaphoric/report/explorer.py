"""What the explorer of a run's page knows: chi2 in planes and at nodes of the scan, pulls, C9, C10.

Small enough to stand in the page, which is made in `page`; ``templates/explorer.js`` draws it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from malaphoric import store
from malaphoric.data.categories import GLOBAL, observable_key
from malaphoric.engines.loading import ModelLikelihood
from malaphoric.engines.protocol import HasCoefficients
from malaphoric.inference.c9 import PORT
from malaphoric.inference.statistics import (
    category_names,
    grid_of,
    plane_group,
    planes_of,
    profiled_of,
)
from malaphoric.physics.parameters import MASS, is_physical
from malaphoric.scan.grid import Grid

#: Coefficients of b → s l l at 4.8 GeV that are shown, new physics alone.
COEFFICIENTS = ("C9_bsee", "C9_bsmumu", "C10_bsee", "C10_bsmumu")

#: Largest pulls of a point that are shown.
PULLS = 10

#: chi2 is known up to this far above the smallest of its category; what is higher says so.
FAR = 2500.0

# Most nodes of the scan for slices, nodes of all planes together, and points with pulls: of the
# planes, and of the slices. A page of the default run is half of what it may be with these.
_SLICES, _PLANES, _WITH_PULLS = 200_000, 120_000, 12_000

# An axis keeps as many nodes as that, where it has them.
_FEWEST = 7

# Codes of chi2, see `_Buffer.chi2`
_NONE, _BEYOND = 65535, 65534

# Points evaluated together
_BLOCK = 4096

# More than any chi2: physical points come first
_UNPHYSICAL = 1e9


class _Buffer:
    """Arrays of a page in one row of bytes; what is kept beside says where each is."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def content(self) -> bytes:
        return b"".join(self._parts)

    def add(self, values: np.ndarray) -> dict[str, Any]:
        """Take an array; returns its type, place in bytes and number of values."""
        data = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
        place = {"type": values.dtype.name, "start": self._size, "size": values.size}
        data += bytes(-len(data) % 4)
        self._parts.append(data)
        self._size += len(data)
        return place

    def chi2(self, values: np.ndarray) -> dict[str, Any]:
        """Take chi2 as roots of its height above ``low``, in 65534 steps up to `FAR`.

        So it is known to 0.0008 times the root of its height, and better near the minimum.
        """
        known = np.isfinite(values)
        low = float(values[known].min()) if known.any() else 0.0
        height = np.where(known, values - low, 0.0)
        codes = np.round(np.sqrt(np.minimum(height, FAR) / FAR) * _BEYOND)
        codes[~known] = _NONE
        return self.add(codes.astype(np.uint16)) | {"low": low}


def make(
    scan: str | Path,
    profile: str | Path,
    M_X: float | None,
    likelihood: ModelLikelihood | None = None,
) -> tuple[dict, bytes]:
    """All that the explorer of a run is given.

    Parameters
    ----------
    scan, profile : path
        Its ``scan.h5`` and ``profile.h5``.
    M_X : float or None
        In GeV; None where it is a parameter.
    likelihood : ModelLikelihood, optional
        Of the compiled engine. Without it there are no pulls and coefficients.

    Returns
    -------
    about : dict
        Plain data: axes, categories, planes, slices and points with pulls, and where their
        arrays stand in the content.
    content : bytes
        The arrays: little-endian, each at a multiple of four bytes.
    """
    buffer = _Buffer()
    with store.read(scan) as file, store.read(profile) as profiles:
        grid, profiled, names = grid_of(file), profiled_of(file), category_names(file)
        pairs = planes_of(grid) if len(grid.scanned) > 1 else []
        kept = _thinned(grid, _SLICES)
        planes = [_Plane(grid, pair, profiled, len(names)) for pair in pairs]
        nodes = {name: [] for name in ("chi2", *profiled)}  # type: dict[str, list]
        for i, slab, places in _slabs(file, profiled):
            for plane in planes:
                plane.add(i, slab, places, names.index(GLOBAL), M_X)
            if i in kept[0]:
                inner = np.ix_(*kept[1:])
                nodes["chi2"].append(np.stack([values[inner] for values in slab]))
                for name in profiled:
                    nodes[name].append(places[name][inner])
        about: dict[str, Any] = {
            "axes": {name: axis.tolist() for name, axis in grid.named.items()},
            "profiled": list(profiled),
            "M_X": M_X,
            "categories": names,
            "far": FAR,
            "planes": [],
        }
        most = _PLANES // max(1, len(pairs))
        for plane in planes:
            group = profiles if plane.pair == pairs[0] else profiles[plane_group(plane.pair)]
            about["planes"].append(plane.described(group, buffer, most, M_X))
    about["slices"] = {"kept": {n: k.tolist() for n, k in zip(grid.names, kept, strict=True)}}
    chi2 = np.stack(nodes["chi2"], axis=1)
    about["slices"]["chi2"] = [buffer.chi2(values) for values in chi2]
    at_nodes = {name: np.stack(nodes[name]) for name in profiled}
    about["slices"]["places"] = {n: buffer.add(v.astype("f4")) for n, v in at_nodes.items()}
    if likelihood:
        _with_pulls(about, buffer, likelihood, grid, planes, kept, at_nodes)
    return about, buffer.content


def _slabs(file: h5py.File, profiled: tuple[str, ...]) -> Iterator[tuple[int, np.ndarray, dict]]:
    """A scan by the values of its first parameter: chi2 (category, ...) and what is profiled."""
    number = category_names(file).index(GLOBAL)
    for i in range(file["chi2"].shape[1]):
        yield i, file["chi2"][:, i], {name: file[f"{name}_best"][number, i] for name in profiled}


def _thinned(grid: Grid, most: int, names: tuple[str, ...] = ()) -> list[np.ndarray]:
    """Which values of each axis (default: of all) are kept so that no more than `most` points are.

    The ends are kept, and zero.
    """
    axes = [grid.named[name] for name in names or grid.names]
    share = (most / math.prod(map(len, axes))) ** (1 / max(1, sum(len(a) > 1 for a in axes)))
    kept = []
    for axis in axes:
        number = min(len(axis), max(_FEWEST, int(len(axis) * min(1, share))))
        found = np.round(np.linspace(0, len(axis) - 1, number)).astype(int)
        kept.append(np.union1d(found, np.flatnonzero(axis == 0)))
    return kept


def _physical(grid: Grid, names: tuple[str, ...], M_X: float | None) -> np.ndarray:
    """Whether the points of a mesh of the named parameters are; also where that is not known."""
    mesh = np.meshgrid(*(grid.named[name] for name in names), indexing="ij")
    known = {name: axis[0] for name, axis in grid.named.items() if len(axis) == 1}
    known |= {MASS: M_X} if M_X else {}
    known |= dict(zip(names, mesh, strict=True))
    if not {"epsilon_hat", MASS} <= known.keys():
        return np.ones(mesh[0].shape, dtype=bool)
    return np.broadcast_to(is_physical(known), mesh[0].shape)


class _Plane:
    """A plane of a scan: at each node the point of the scan with the smallest global chi2.

    Physical points come first, as in a profile.

    Attributes
    ----------
    index : dict of str to ndarray, shape (n_x, n_y)
        Of each other parameter of the grid, the number of its value there.
    places : dict of str to ndarray, same shape
        Of each profiled parameter, its value there.
    chi2 : ndarray, shape (category, n_x, n_y)
    """

    def __init__(
        self, grid: Grid, pair: tuple[str, str], profiled: tuple[str, ...], categories: int
    ) -> None:
        self.grid, self.pair = grid, pair
        shape = tuple(len(grid.named[name]) for name in pair)
        self.index = {
            name: np.zeros(shape, dtype=np.uint16) for name in grid.names if name not in pair
        }
        self.places = {name: np.full(shape, np.nan) for name in profiled}
        self.chi2 = np.full((categories, *shape), np.nan)
        self._best = np.full(shape, np.inf)

    def add(self, i: int, slab: np.ndarray, places: dict, total: int, M_X: float | None) -> None:
        """Look at the points with the i-th value of the first parameter, (category, others)."""
        first, *others = self.grid.names
        free = [name for name in others if name not in self.pair]
        order = [others.index(name) for name in (*(n for n in self.pair if n != first), *free)]
        lengths = [len(self.grid.named[name]) for name in free]
        shown = [len(self.grid.named[name]) for name in self.pair if name != first]

        def flat(values: np.ndarray) -> np.ndarray:
            head = values.ndim - len(others)
            moved = values.transpose(*range(head), *(head + axis for axis in order))
            return moved.reshape(*values.shape[:head], *shown, -1)

        alone = Grid(self.grid.names, (self.grid.axes[0][[i]], *self.grid.axes[1:]))
        bad = _UNPHYSICAL * ~_physical(alone, tuple(others), M_X)
        height = flat(np.where(np.isnan(slab[total]), np.inf, slab[total] + bad))
        lowest = height.argmin(axis=-1)[..., np.newaxis]
        found = np.take_along_axis(height, lowest, -1)[..., 0]
        row: tuple = (i,) if first in self.pair else ()
        better = found < self._best[row]
        target = (*row, better) if row else (better,)
        self._best[target] = found[better]
        at = lowest[better, 0]
        self.chi2[(slice(None), *target)] = np.stack([flat(c)[better, at] for c in slab])
        for name, values in places.items():
            self.places[name][target] = flat(values)[better, at]
        for name, number in zip(free, np.unravel_index(at, lengths) if free else (), strict=True):
            self.index[name][target] = number
        if first in self.index:
            self.index[first][target] = i

    def described(self, group: h5py.Group, buffer: _Buffer, most: int, M_X: float | None) -> dict:
        """Its arrays, with profiles of a ``profile.h5``, at no more than so many nodes."""
        self.kept = _thinned(self.grid, most, self.pair)
        inner = np.ix_(*self.kept)
        physical = _physical(self.grid, self.pair, M_X)
        profiles = group["chi2"][:]
        inside = np.where(physical & np.isfinite(profiles), profiles, np.inf)
        minima = inside.reshape(len(profiles), -1).min(axis=1)
        return {
            "pair": list(self.pair),
            "kept": [kept.tolist() for kept in self.kept],
            "minima": [float(x) if np.isfinite(x) else None for x in minima],
            "profiles": [buffer.chi2(values[inner]) for values in profiles],
            "chi2": [buffer.chi2(values[inner]) for values in self.chi2],
            "index": {name: buffer.add(values[inner]) for name, values in self.index.items()},
            "places": {n: buffer.add(v[inner].astype("f4")) for n, v in self.places.items()},
        }


def _with_pulls(
    about: dict,
    buffer: _Buffer,
    likelihood: ModelLikelihood,
    grid: Grid,
    planes: list[_Plane],
    kept: list[np.ndarray],
    at_nodes: dict[str, np.ndarray],
) -> None:
    """Add pulls and coefficients at some nodes of each plane and of the slices."""
    data, axes = likelihood.data, grid.named
    most = _WITH_PULLS // max(1, len(planes))
    for plane, description in zip(planes, about["planes"], strict=True):
        # of the nodes that the plane has in the page
        kept_here = tuple(axes[name][k] for name, k in zip(plane.pair, plane.kept, strict=True))
        some = _thinned(Grid(plane.pair, kept_here), most)
        chosen = [k[s] for k, s in zip(plane.kept, some, strict=True)]
        nodes = np.ix_(*chosen)
        at = (axes[name][k] for name, k in zip(plane.pair, chosen, strict=True))
        values = dict(zip(plane.pair, np.meshgrid(*at, indexing="ij"), strict=True))
        values |= {name: axes[name][index[nodes]] for name, index in plane.index.items()}
        values |= {name: place[nodes] for name, place in plane.places.items()}
        description["pulls"] = {"kept": [s.tolist() for s in some]}
        description["pulls"] |= _pulls(buffer, likelihood, values)
    inside = Grid(grid.names, tuple(axis[k] for axis, k in zip(grid.axes, kept, strict=True)))
    some = _thinned(inside, _WITH_PULLS)
    chosen_axes = [axis[s] for axis, s in zip(inside.axes, some, strict=True)]
    values = dict(zip(grid.names, np.meshgrid(*chosen_axes, indexing="ij"), strict=True))
    values |= {name: place[np.ix_(*some)] for name, place in at_nodes.items()}
    pulls = {"kept": {n: s.tolist() for n, s in zip(grid.names, some, strict=True)}}
    about["slices"]["pulls"] = pulls | _pulls(buffer, likelihood, values)
    central, uncertainty = data.measured()
    category = {int(i): k.category for k in data.constraints for i in k.columns}
    pulls_sm = (data.sm - central) / uncertainty
    about["observables"] = [
        [observable_key(data.observables[i]), category[i], round(float(pulls_sm[i]), 3)]
        for i in sorted(category)
    ]
    about["coefficients"] = list(COEFFICIENTS)
    about["n_pulls"] = min(PULLS, len(category))


def _pulls(buffer: _Buffer, likelihood: ModelLikelihood, values: dict[str, np.ndarray]) -> dict:
    """The largest pulls and the coefficients at points, as far as they are known there."""
    points = np.stack([values[name].ravel() for name in likelihood.parameters], axis=1)
    data, engine = likelihood.data, likelihood.engine
    assert isinstance(engine, HasCoefficients)
    measured = sorted({int(i) for k in data.constraints for i in k.columns})
    central, uncertainty = (x[measured] for x in data.measured())
    number = min(PULLS, len(measured))
    largest = np.zeros((len(points), number), dtype=np.uint16)
    pulls = np.zeros((len(points), number), dtype="f4")
    coefficients = np.full((len(points), len(COEFFICIENTS)), np.nan, dtype="f4")
    for start in range(0, len(points), _BLOCK):
        block = slice(start, start + _BLOCK)
        known = np.isfinite(points[block]).all(axis=1)
        inside = np.where(known[:, np.newaxis], points[block], 0.0)
        result = engine.evaluate(inside)
        known &= result.reason == ""
        found = (result.predictions[:, measured] - central) / uncertainty
        size = np.where(known[:, np.newaxis], np.abs(found), 0.0)
        largest[block] = np.argsort(-size, axis=1, kind="stable")[:, :number]
        pulls[block] = np.where(
            known[:, np.newaxis], np.take_along_axis(found, largest[block].astype(int), 1), np.nan
        )
        read = engine.coefficients(inside, result.ckm, PORT, list(COEFFICIENTS)).real
        coefficients[block] = np.where(known[:, np.newaxis], read, np.nan)
    return {
        "largest": buffer.add(largest),
        "pulls": buffer.add(pulls),
        "coefficients": buffer.add(coefficients),
    }
