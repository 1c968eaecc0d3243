"""Predictions by smelli and flavio for given parameters and Wilson coefficients.

Where these come from is the matter of the engines.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from malaphoric.data import categories, lep2


def predictions(parameters: dict, w: Any) -> np.ndarray:
    """Predictions of all of smelli's and our observables, as `categories.observables`."""
    values = []
    for category, names in categories.observables_by_category().items():
        if category == "LEP2":
            running = w.match_run(lep2.SCALE, "SMEFT", "Warsaw").dict if w.wc else {}
            values.extend(lep2.predictions(running, parameters)[0])
            continue
        likelihood = categories.smelli_likelihood(category)
        data = getattr(likelihood, "full_measurement_likelihood", None)
        data = data or likelihood.measurement_likelihood
        predicted = data.get_predictions_par(parameters, w)
        values.extend(predicted[name] for name in names)
    return np.array(values, dtype=float)


def predict(observables: list, parameters: dict, w: Any) -> np.ndarray:
    """Predictions of some observables of flavio's."""
    import flavio

    lep2.register()
    values = []
    for observable in observables:
        name, *arguments = (observable,) if isinstance(observable, str) else observable
        values.append(flavio.Observable[name].prediction_par(parameters, w, *arguments))
    return np.real(values).astype(float)


def standard_model(observables: list | None = None) -> np.ndarray:
    """Predictions of the Standard Model with smelli's CKM elements, shape (n_observables,).

    Parameters
    ----------
    observables : list, optional
        flavio observables (default: `categories.observables`).
    """
    import flavio

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parameters, wc = categories.global_likelihood().par_dict_sm, flavio.WilsonCoefficients()
        if observables is None:
            return predictions(parameters, wc)
        return predict(observables, parameters, wc)
