"""Predictions by smelli and flavio for given parameters and Wilson coefficients.

Where these come from is the matter of the engines.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from malaphoric.data import categories, lep2

#: Amplitudes are those of one thread's parameters.
_SHARING = threading.RLock()


def predictions(parameters: dict, w: Any) -> np.ndarray:
    """Predictions of all of smelli's and our observables, as `categories.observables`."""
    values = []
    with shared_amplitudes({}):
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
    with shared_amplitudes({}):
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


@contextlib.contextmanager
def seeded(seed: list[int]) -> Iterator[None]:
    """Numpy's global generator, which flavio draws from, seeded, and put back at the end."""
    state = np.random.get_state()
    try:
        np.random.seed(seed)
        yield
    finally:
        np.random.set_state(state)


@contextlib.contextmanager
def replaced(functions: list[tuple[Any, str, Callable]]) -> Iterator[None]:
    """Functions of flavio's replaced, and put back at the end: owner, name and the new one."""
    saved = [(owner, name, getattr(owner, name)) for owner, name, _ in functions]
    try:
        for owner, name, new in functions:
            setattr(owner, name, new)
        yield
    finally:
        for owner, name, old in saved:
            setattr(owner, name, old)


@contextlib.contextmanager
def shared_amplitudes(memory: dict) -> Iterator[None]:
    """Let flavio's observables of one b decay share its amplitudes: the same numbers, sooner.

    Parameters
    ----------
    memory : dict
        Where they are kept: to be cleared when parameters or Wilson coefficients change.
    """
    from flavio.physics.bdecays import bpll, lambdablambdall
    from flavio.physics.bdecays.bvll import amplitudes, observables

    def init(this, B, V, lep, wc_obj, par, _init=observables.BVllObservable.__init__):
        _init(this, B, V, lep, wc_obj, par)
        for kind in ("_ff", "_wceff", "_wceff_bar", "_ha", "_ha_bar", "_j", "_j_bar"):
            setattr(this, kind, memory.setdefault((kind, B, V, lep), {}))

    def remembered(owner: Any, name: str, select: Callable) -> tuple[Any, str, Callable]:
        function = getattr(owner, name)

        def wrapped(*args, **kwargs):
            key = (function, *select(*args, **kwargs))
            if key not in memory:
                memory[key] = function(*args, **kwargs)
            return memory[key]

        return owner, name, wrapped

    def meson(q2, ff, wc_obj, par, B, V, lep):
        return q2, B, V, lep

    def pseudoscalar(q2, wc_obj, par, B, P, lep):
        return q2, B, P, lep

    def baryon(q2, wc_obj, par, lep, cp_conjugate):
        return q2, lep, cp_conjugate

    functions = [
        (observables.BVllObservable, "__init__", init),
        remembered(amplitudes, "helicity_amps", meson),
        remembered(amplitudes, "helicity_amps_bar", meson),
        remembered(bpll, "helicity_amps", pseudoscalar),
        remembered(bpll, "helicity_amps_bar", pseudoscalar),
        remembered(lambdablambdall, "get_transverity_amps", baryon),
    ]
    with _SHARING, replaced(functions):
        yield
