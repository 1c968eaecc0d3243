"""What figures show as rows of numbers, for whoever draws their own: a CSV beside each figure.

How it looks is in `figures`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from malaphoric import store
from malaphoric.data.categories import GLOBAL
from malaphoric.inference import c9
from malaphoric.inference.results import Fits
from malaphoric.inference.statistics import (
    category_names,
    grid_of,
    grid_profiles,
    plane_group,
    planes_of,
    profiled_of,
    reduced,
)
from malaphoric.physics.parameters import MASS
from malaphoric.physics.smeft import M_REFERENCE

_PULLS = ("observable", "category", "pull_sm", "pull")


def rows(
    name: str,
    files: Mapping[str, str | Path],
    fits: Fits,
    shown: tuple[str, ...] = (),
    pulls: list[dict] | None = None,
) -> list[dict]:
    """The data of a figure.

    Parameters
    ----------
    name : str
        Of the figure, as in `recipes.FIGURES`, or ``planes/...`` and ``profiles/...``.
    files : mapping
        ``scan``, ``profile`` and, where there is one, ``c9``: paths.
    fits : Fits
    shown : tuple of str
        Parameters of a figure that the configuration lists.
    pulls : list of dict, optional
        Rows of `statistics.pulls` that are drawn.

    Returns
    -------
    list of dict
        A point of a plane or of a curve each: parameters (angles in rad, M_X in GeV), and chi2 of
        each category, not relative to any minimum; NaN where there is none.
    """
    if name == "fig4":
        chosen = [{key: row[key] for key in _PULLS} for row in pulls or []]
        return chosen or [dict.fromkeys(_PULLS, "")]
    if name == "fig2":
        return _unmixed(files["scan"])
    if name in c9.PLANES:
        return _coefficients(files["c9"], name)
    if name == "profiles" or len(shown) == 1:
        return _curves(files["profile"], fits, shown)
    if name == "mass_coupling":
        found = _plane(files["profile"], ("g_hat", MASS))
        return [
            {MASS: row[MASS], "g_X": row["g_hat"] * row[MASS] / M_REFERENCE, **row} for row in found
        ]
    return _plane(files["profile"], (shown[0], shown[1]) if shown else None)


def masses(profiles: Mapping[float, str | Path]) -> list[dict]:
    """The data of the figure of several masses.

    Parameters
    ----------
    profiles : mapping of float to path
        A ``profile.h5`` for each M_X in GeV.

    Returns
    -------
    list of dict
        As `rows` of a plane, one mass after the other.
    """
    return [{MASS: mass, **row} for mass, path in profiles.items() for row in _plane(path)]


def _mesh(axes: dict[str, np.ndarray], columns: dict[str, np.ndarray]) -> list[dict]:
    """A row for every node of a plane, of arrays (n_x, n_y)."""
    mesh = dict(zip(axes, np.meshgrid(*axes.values(), indexing="ij"), strict=True))
    flat = {name: values.ravel().tolist() for name, values in (mesh | columns).items()}
    return [dict(zip(flat, row, strict=True)) for row in zip(*flat.values(), strict=True)]


def _plane(profile: str | Path, pair: tuple[str, str] | None = None) -> list[dict]:
    """A plane of a ``profile.h5``, and where the others are at the minimum of the global chi2."""
    with store.read(profile) as file:
        grid, names = grid_of(file), category_names(file)
        first = planes_of(grid)[0]
        pair = pair or first
        group = file if pair == first else file[plane_group(pair)]
        columns = {f"chi2_{n}": v for n, v in zip(names, group["chi2"][:], strict=True)}
        for name in (*grid.names, *profiled_of(file)):
            if name not in pair:
                columns[name] = group[f"{name}_best"][names.index(GLOBAL)]
    return _mesh({name: grid.named[name] for name in pair}, columns)


def _unmixed(scan: str | Path) -> list[dict]:
    """The plane of the first two scanned parameters at epsilon_hat = 0."""
    with store.read(scan) as file:
        grid, names = grid_of(file), category_names(file)
        slab = file["chi2"][:, grid.unmixed]
    first, second, *_ = (name for name in grid.scanned if name != grid.names[0])
    chi2 = reduced(slab, grid, (first, second))[0]
    columns = {f"chi2_{name}": values for name, values in zip(names, chi2, strict=True)}
    return _mesh({name: grid.named[name] for name in (first, second)}, columns)


def _curves(profile: str | Path, fits: Fits, shown: tuple[str, ...]) -> list[dict]:
    """Profiles of the global chi2, one parameter after the other."""
    curves = fits.profiles or grid_profiles(profile)
    found = [
        {"parameter": name, "value": value, "chi2_global": chi2}
        for name, curve in curves.items()
        if name in (shown or curves)
        for value, chi2 in zip(curve.values.tolist(), curve.chi2.tolist(), strict=True)
    ]
    return found or [{"parameter": "", "value": "", "chi2_global": ""}]


def _coefficients(path: str | Path, plane: str) -> list[dict]:
    """chi2 in a plane of C9: of each category in the model, and of the direct fit."""
    across, up = c9.PLANES[plane]
    with store.read(path) as file:
        group = file[plane]
        names = json.loads(group.attrs["categories"])
        x, y, chi2 = (group[key][:] for key in ("x", "y", "chi2"))
        places = group["places"][:]
        direct = group["direct"][:] if "direct" in group else None
    found = []
    for name, values, place in zip(names, chi2, places, strict=True):
        if values.ndim == 2:  # held at the nodes
            place = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
        for at, value in zip(place.reshape(-1, 2).tolist(), values.ravel().tolist(), strict=True):
            found.append({"of": name, across: at[0], up: at[1], "chi2": value})
    if direct is not None:
        axes = (np.linspace(a[0], a[-1], n) for a, n in zip((x, y), direct.shape, strict=True))
        direct_rows = _mesh(dict(zip((across, up), axes, strict=True)), {"chi2": direct})
        found += [{"of": "direct fit", **row} for row in direct_rows]
    return found
