"""All fitted models in one table, the best first.

Fits are in `fitting`; the table is drawn by `figures`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from malaphoric import store
from malaphoric.atlas.fitting import COEFFICIENTS, COLUMNS, FITS, PARAMETERS, Fitted
from malaphoric.atlas.flavour import Models, find
from malaphoric.atlas.solutions import SPECIES
from malaphoric.physics.model import Model

#: The fit that models are ranked by.
MAIN = list(FITS)[-1]


def merge(paths: Iterable[str | Path], recipe: str, models: Models) -> Fitted:
    """The fits of all models, the largest improvement on the Standard Model first.

    Parameters
    ----------
    paths : iterable of path
        Files of `Fitted.save`, in the order of the models.
    recipe : str
        What they must have been made by.
    models : Models
        All that there must be.

    Returns
    -------
    Fitted
        By dchi2 of the main fit; models without one last, in the order of the models.

    Raises
    ------
    StoreError
        If a file is damaged or made by another recipe, or models are missing.
    """
    parts = [Fitted.load(path, recipe) for path in paths]
    charges = np.concatenate([part.models.charges for part in parts])
    if not np.array_equal(charges, models.charges):
        raise store.StoreError(
            f"the files hold other models than those that are ranked: {len(charges)}"
        )
    columns = {
        name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns
    }
    reason = np.concatenate([part.reason for part in parts])
    found = Fitted(models, parts[0].categories, reason, columns)
    return found.taken(np.argsort(-found.columns[f"{MAIN}/dchi2"][:, -1], kind="stable"))


def load(path: str | Path) -> tuple[Fitted, dict[str, int], dict[str, int]]:
    """A ranking, rows of known models by their names, and how many models filters left.

    Raises
    ------
    StoreError
        If it is damaged or foreign.
    """
    with store.read(path) as file:
        known, left = (store.parse(file.attrs[name]) for name in ("known", "left"))
    return Fitted.load(path), known, dict(left)


def coefficients(found: Fitted, names: tuple[str, ...]) -> np.ndarray:
    """Some of `fitting.COEFFICIENTS` at the main fits, shape (n, len(names)); NaN without one."""
    return found.columns[f"{MAIN}/coefficients"][:, [COEFFICIENTS.index(name) for name in names]]


def best(found: Fitted) -> float:
    """The largest chi2_SM - chi2 of the main fit; 0, the Standard Model, if no model has a fit."""
    return float(np.nan_to_num(found.columns[f"{MAIN}/dchi2"][0, -1]))


def best_fit(found: Fitted, rank: int) -> tuple[Model, np.ndarray]:
    """A ranked model and the point of its main fit, shape (1, 3); of one without a fit (0, 3)."""
    point = found.columns[f"{MAIN}/values"][rank - 1 : rank]
    return found.models.model(rank - 1), point[np.isfinite(point).all(axis=1)]


def places(found: Fitted, known: Iterable[dict]) -> dict[str, int]:
    """Rows of known models, by name, of those that are ranked.

    Parameters
    ----------
    found : Fitted
    known : iterable of dict
        From `Model.as_dict`.
    """
    rows = {own["name"]: find(found.models, Model.of(own)) for own in known}
    return {name: row for name, row in rows.items() if row is not None}


def rows(found: Fitted, known: dict[str, int]) -> list[dict]:
    """Rows of a table as text and numbers; nothing where there is no number.

    Parameters
    ----------
    found : Fitted
    known : dict of str to int
        From `places`.
    """
    names = {row: name for name, row in known.items()}
    result = []
    for row in range(len(found)):
        charges = zip(SPECIES, found.models.charges[row].tolist(), strict=True)
        result.append(
            {
                "rank": row + 1,
                "known_as": names.get(row, ""),
                **{f"X_{f}": " ".join(map(str, own)) for f, own in charges},
                "X_H": int(found.models.higgs[row]),
                **{key: x for fit in reversed(FITS) for key, x in _columns(found, fit, row)},
                "reason": found.reason[row],
            }
        )
    return result


def _columns(found: Fitted, fit: str, row: int) -> list[tuple[str, object]]:
    """Columns of a fit in the table."""
    own = {name: found.columns[f"{fit}/{name}"][row].tolist() for name in COLUMNS}
    limits = [name for name, yes in zip(PARAMETERS, own["at_limit"], strict=True) if yes == 1]
    result = [(f"dchi2_{name}", x) for name, x in zip(found.categories, own["dchi2"], strict=True)]
    for name, value, error in zip(PARAMETERS, own["values"], own["errors"], strict=True):
        result += [(name, value), (f"{name}_error", error)]
    result += [(name, own[name]) for name in ("AIC", "p_value", "width_over_mass")]
    result += zip(COEFFICIENTS, own["coefficients"], strict=True)
    shown = [(f"{fit}_{name}", "" if np.isnan(x) else x) for name, x in result]
    shown.append((f"{fit}_at_limit", " ".join(limits)))
    said = {1.0: "yes", 0.0: "no"}
    return [*shown, *((f"{fit}_{n}", said.get(own[n], "")) for n in ("perturbative", "converged"))]


def said(found: Fitted, known: dict[str, int]) -> list[str]:
    """What was found, in a few lines."""
    parts = [f"{len(found)} models, {np.count_nonzero(found.reason)} without a fit"]
    for fit in reversed(FITS):
        own = {name: found.columns[f"{fit}/{name}"] for name in COLUMNS}
        dchi2 = own["dchi2"][:, -1]
        if np.isfinite(dchi2).any():
            ends, median = (np.nanmin(dchi2), np.nanmax(dchi2)), np.nanmedian(dchi2)
            parts.append(
                f"{fit}: chi2_SM - chi2 from {ends[0]:.2f} to {ends[1]:.2f}, median {median:.2f}, "
                f"{np.sum((own['at_limit'] == 1).any(axis=1))} at a limit, "
                f"{np.sum(own['perturbative'] == 1)} perturbative"
            )
    for name, row in known.items():
        own_dchi2 = found.columns[f"{MAIN}/dchi2"][row, -1]
        parts.append(f"{name}: {own_dchi2:.2f}, number {row + 1}")
    return parts
