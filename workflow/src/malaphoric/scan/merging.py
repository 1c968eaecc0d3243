"""The scan: all chunks of a grid in one file.

The chunks themselves are in `chunks`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from malaphoric import store
from malaphoric.data import categories
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines.protocol import NO_ERROR
from malaphoric.physics.parameters import BY_NAME, Parameter
from malaphoric.scan.chunks import read_points
from malaphoric.scan.grid import Grid

_SCAN = "malaphoric scan"

#: Meaning of the data set ``status`` of a scan.
STATUS = {"ok": 0, "ckm": 1, "error": 2}

# Errors that are listed with their points.
_MOST_ERRORS = 100


def merge(
    path: str | Path,
    grid: Grid,
    chunks: list[tuple[list, int, int]],
    layers: list[dict],
    data: Likelihood,
    configuration: dict,
    profiled: Sequence[str] = (),
    about: Mapping[str, Parameter] = BY_NAME,
) -> dict[str, int]:
    """Merge chunk files into one scan, a slab of the first parameter at a time.

    Parameters
    ----------
    path : path
        HDF5 file with ``chi2`` (category and the parameters, in the order of the grid), ``status``
        and ``gamma`` (the parameters), and the axes as dimension scales; attribute ``parameters``:
        their names.
    grid : Grid
    chunks : list of (paths, start, stop)
        Files, one a layer, and the ranges of points they must hold, in order.
    layers : list of dict
        What the theory of the files was made from.
    data : Likelihood
    configuration : dict
        The run configuration, for the record.
    profiled : sequence of str, optional
        Parameters that the chunks minimise over: ``<name>_best`` (category and the parameters of
        the grid) is where each minimum is.
    about : mapping, optional
        What is known of the parameters, see `Model.records`.

    Returns
    -------
    dict
        Number of points and of errors.

    Raises
    ------
    malaphoric.store.StoreError
        If a chunk is damaged, foreign, or there is a hole.
    """
    names = [*data.categories, categories.GLOBAL]
    failed = 0
    errors: list[str] = []
    with store.create(
        path,
        size=grid.size * (8 * len(names) * (1 + len(profiled)) + 8 + 1),  # chi2, gamma, status
        content=_SCAN,
        configuration=configuration,
        configuration_digest=store.digest(configuration),
        theory=layers[-1],
        theory_digest=store.digest(layers[-1]),
        model=layers[-1]["model"],
        parameters=list(grid.names),
        profiled=list(profiled),
        versions=store.provenance(),
        likelihood_digest=data.digest,
        likelihood=data.settings,
        chi2_sm=data.chi2_sm,
        n_obs=data.n_obs,
        status_values=STATUS,
    ) as file:
        _write_scales(file, names, grid, about)
        shape = grid.shape
        chi2 = file.create_dataset("chi2", (len(names), *shape), "f8", track_times=False)
        gamma = file.create_dataset("gamma", shape, "f8", track_times=False)
        status = file.create_dataset("status", shape, "u1", track_times=False)
        places = [
            file.create_dataset(f"{name}_best", chi2.shape, "f8", track_times=False)
            for name in profiled
        ]
        for dataset in (chi2, gamma, status, *places):
            dims = ("category", *grid.names) if dataset.shape == chi2.shape else grid.names
            for number, name in enumerate(dims):
                dataset.dims[number].attach_scale(file[name])
        slab = math.prod(shape[1:])
        for i, part in enumerate(_slabs(grid, chunks, layers, data, slab)):
            codes = np.where(part["reason"] == "", 0, np.where(part["reason"] == "ckm", 1, 2))
            wrong = ~np.isin(part["reason"], NO_ERROR)
            failed += int(np.sum(wrong))
            errors += _said(part, wrong)[: max(0, _MOST_ERRORS - len(errors))]
            chi2[:, i] = part["chi2"].T.reshape(len(names), *shape[1:])
            for number, place in enumerate(places):
                place[:, i] = part["best"][..., number].T.reshape(len(names), *shape[1:])
            gamma[i] = part["ckm"][:, 3].reshape(shape[1:])
            status[i] = codes.reshape(shape[1:])
        file.attrs["errors"] = store.canonical(errors)
    return {"points": grid.size, "errors": failed}


def _said(part: dict, rows: np.ndarray) -> list[str]:
    """Points and reasons of rows of a slab."""
    points, reasons = part["points"][rows].tolist(), part["reason"][rows]
    return [f"{tuple(point)}: {reason}" for point, reason in zip(points, reasons, strict=True)]


def _write_scales(
    file: h5py.File, names: list[str], grid: Grid, about: Mapping[str, Parameter]
) -> None:
    file.create_dataset("category", data=names, dtype=h5py.string_dtype(), track_times=False)
    for name, axis in grid.named.items():
        store.write_array(file, name, axis, units=about[name].unit or "1")
    for name in ("category", *grid.names):
        file[name].make_scale(name)


def _slabs(
    grid: Grid, chunks: list[tuple[list, int, int]], layers: list[dict], data: Likelihood, size: int
) -> Iterator[dict[str, np.ndarray]]:
    """Regroup the chunks' points into slabs of `size` points; never holds more than a few."""
    keys: tuple[str, ...] = ("points", "chi2", "ckm", "reason")
    rest = None
    position = 0
    for paths, start, stop in chunks:
        if start != position:
            raise store.StoreError(f"{paths[0]}: starts at point {start} where {position} is next")
        position = stop
        part = read_points(paths, layers, data)
        keys = (*keys[:4], *(["best"] if "best" in part else []))
        if not np.array_equal(part["points"], grid.points(start, stop)):
            raise store.StoreError(
                f"{paths[0]}: holds other points than {start}-{stop} of the grid; {store.REMEDY}"
            )
        rest = part if rest is None else {k: np.concatenate([rest[k], part[k]]) for k in keys}
        while len(rest["points"]) >= size:
            yield {k: rest[k][:size] for k in keys}
            rest = {k: rest[k][size:] for k in keys}
    if position != grid.size:
        raise store.StoreError(f"the chunks hold {position} of {grid.size} points")
