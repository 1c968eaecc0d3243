"""The compiled engine held against the exact one at the same points, with the same data.

Both engines' results arrive as chunk files; drawing is in `figures`.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from malaphoric import categories, store
from malaphoric.grid import AXES
from malaphoric.likelihood import Likelihood
from malaphoric.theory import Theory

#: Accepted |chi2_compiled - chi2_exact| where the exact global chi2 is within 100, and within 400,
#: of the best fit.
BOUNDS = {
    "quarks": (0.01, 0.1),
    "EWPOs": (0.001, 0.1),
    "LEP2": (0.001, 0.1),
    "LFU": (0.01, 0.1),
}

_REACH = (100.0, 400.0)

#: Accepted error of a prediction, in units of max(|prediction|, total uncertainty).
PREDICTION_BOUND = 1e-4

#: The same for observables that a configuration includes beyond smelli's: some, as BR(B->K nu nu),
#: are of second order in coefficients whose table is of first order.
ADDITIONAL_BOUND = 1e-2

#: flavio integrates these with a relative accuracy of 0.005 by adaptive subdivision, and the end
#: point lies inside the bin: its own numbers jump by up to 3e-4 when the subdivision changes.
NOISY = {("<BR>(B->Xsmumu)", 14.2, 25.0): 3e-4, ("<BR>(B->Xsee)", 14.2, 25.0): 3e-4}

#: How close to the boundary of the CKM extraction the engines may disagree, in cos(gamma).
CKM_MARGIN = 1e-3


def compare(
    exact: dict, compiled: Theory, data: Likelihood, minimum: float, additional: Collection = ()
) -> dict:
    """Errors of the compiled engine at points evaluated by both.

    Parameters
    ----------
    exact : dict
        Exact results, as `chunks.read_points` returns them.
    compiled : Theory
        Compiled results at the same points.
    data : Likelihood
    minimum : float
        Smallest global chi2 of the scan.
    additional : collection
        Observables that are not smelli's.

    Returns
    -------
    dict
        ``distance`` (n,): exact global chi2 - minimum; ``chi2``: by category, |difference| (n,);
        ``observables``: largest error of each prediction within a distance of 400, in units of
        max(|prediction|, total uncertainty) (n_observables,); ``failures``: sentences, empty if
        all bounds hold.
    """
    names = [*data.categories, categories.GLOBAL]
    distance = exact["chi2"][:, names.index(categories.GLOBAL)] - minimum
    ours = data.chi2(compiled.predictions)
    errors = {c: np.abs(ours[c] - exact["chi2"][:, names.index(c)]) for c in data.categories}
    failures = []
    for index, (theirs, mine) in enumerate(zip(exact["reason"], compiled.reason, strict=True)):
        point = tuple(exact["points"][index].tolist())
        known = exact["ckm"][index, 3] if theirs == "" else compiled.ckm[index, 3]
        if theirs not in ("", "ckm"):
            failures.append(f"{point}: the exact engine reports {theirs}")
        elif theirs != mine and abs(np.cos(known)) < 1 - CKM_MARGIN:
            failures.append(f"{point}: CKM extraction: exact {theirs!r}, compiled {mine!r}")
    both = np.isfinite(distance) & (compiled.reason == "")
    for category, values in errors.items():
        for reach, bound in zip(_REACH, BOUNDS[category], strict=True):
            for index in np.flatnonzero(both & (distance <= reach)):
                if not values[index] <= bound:
                    failures.append(
                        f"{tuple(exact['points'][index].tolist())}: {category} is off by "
                        f"{values[index]:.2g}, accepted: {bound:g} at chi2 - chi2_min = "
                        f"{distance[index]:.1f}"
                    )
    rows = both & (distance <= _REACH[1])
    uncertainty = np.nan_to_num(data.measured()[1])
    scale = np.maximum(np.abs(exact["predictions"][rows]), uncertainty)
    relative = np.abs(compiled.predictions[rows] - exact["predictions"][rows]) / scale
    worst = relative.max(axis=0, initial=0.0)
    bounds = np.array(
        [
            ADDITIONAL_BOUND if name in additional else NOISY.get(name, PREDICTION_BOUND)
            for name in data.observables
        ]
    )
    for index in np.flatnonzero(~(worst <= bounds)):
        failures.append(
            f"prediction of {categories.observable_key(data.observables[index])} is off by "
            f"{worst[index]:.3g} of max(|prediction|, uncertainty), accepted: {bounds[index]:g}; "
            f"worst at {tuple(exact['points'][rows][np.argmax(relative[:, index])].tolist())}"
        )
    return {"distance": distance, "chi2": errors, "observables": worst, "failures": failures}


def write_tables(
    result: dict, points: np.ndarray, observables: list, by_point: str, by_observable: str
) -> None:
    """Write the errors as CSV, by point and category, and by observable (worst first).

    Parameters
    ----------
    result : dict
        From `compare`.
    points : ndarray, shape (n, 3)
    observables : list
        Columns of the predictions.
    by_point, by_observable : path
        Files to write.
    """
    rows = [
        {
            **dict(zip(AXES, point, strict=True)),
            "chi2_minus_min": float(result["distance"][i]),
            **{f"error_{c}": float(values[i]) for c, values in result["chi2"].items()},
        }
        for i, point in enumerate(points.tolist())
    ]
    store.write_csv(by_point, rows)
    order = np.argsort(-result["observables"], kind="stable")
    rows = [
        {
            "observable": categories.observable_key(observables[i]),
            "relative_error": float(result["observables"][i]),
        }
        for i in order
    ]
    store.write_csv(by_observable, rows)
