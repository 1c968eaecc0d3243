"""Look-elsewhere: how large the best improvement of many models is by chance.

Pseudo-data of the Standard Model are drawn in `likelihood`; models are fitted to the real data in
`fitting`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from malaphoric.atlas.flavour import Models
from malaphoric.data.categories import GLOBAL
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines.loading import ModelLikelihood, load_engine
from malaphoric.inference import box, fits

# Random points that are looked at, and how many of them are followed down for each pseudo-data.
# Noise has many shallow minima: what more of both would find is in docs/atlas.md.
_LOOKS, _FOLLOWED = 4096, 4

# numbers of models of which the best is told
_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


def improvements(
    models: Models,
    M_X: float,
    data: Likelihood,
    number: int,
    seed: int,
    progress: Callable[[int], None] = lambda _: None,
) -> np.ndarray:
    """chi2_SM - chi2 of the best fits of models, all parameters free, to pseudo-data of the SM.

    Parameters
    ----------
    models : Models
    M_X : float
        Mass of the X boson in GeV.
    data : Likelihood
        Of the categories that count.
    number, seed : int
        Pseudo-data, and where their random numbers start.
    progress : callable
        Told how many models are done.

    Returns
    -------
    ndarray, shape (number, n_models)
        Not below 0, which is the Standard Model.
    """
    mean, pull = data.pseudo_data(np.random.default_rng(seed), number)
    result = np.empty((number, len(models)))
    for column in range(len(models)):
        model = models.model(column)
        likelihood = ModelLikelihood(model, M_X, load_engine(model, "compiled", M_X), mean)
        result[:, column] = _improvements(likelihood, pull)
        progress(column + 1)
    return result


def _improvements(likelihood: ModelLikelihood, pull: np.ndarray) -> np.ndarray:
    """Those of a model, shape (number,)."""
    wide, mean = box.physical(likelihood), likelihood.data

    def chi2(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Without fluctuations, and by how much predictions differ from the SM's."""
        predictions = likelihood.predictions(points)
        return mean.chi2(predictions)[GLOBAL], predictions - mean.sm

    def of_own(points: np.ndarray) -> np.ndarray:
        """The difference of each point to the SM for the pseudo-data of its last column."""
        height, shift = chi2(points[:, :-1])
        return height - 2 * (shift * pull[points[:, -1].astype(int)]).sum(axis=1)

    points = box.random_points(wide, _LOOKS)
    height, shift = chi2(points)
    known = np.isfinite(height)
    points, height, shift = points[known], height[known], shift[known]
    every = height - 2 * pull @ shift.T
    best = np.argsort(every, axis=1, kind="stable")[:, :_FOLLOWED]
    own = np.repeat(np.arange(len(pull)), best.shape[1])
    starts = np.column_stack([points[best.ravel()], own])
    low, high = fits.limits_of({**wide, "toy": (0, len(pull) - 1)})
    # the last column says which pseudo-data, and is not minimised
    _, lowest = fits.minima(of_own, starts, np.arange(len(wide)), low, high)
    return np.maximum(-lowest.reshape(best.shape).min(axis=1, initial=0.0), 0)


def summary(found: np.ndarray, observed: float) -> dict:
    """What the best of many models improves by chance, and what that says of the observed best.

    Parameters
    ----------
    found : ndarray, shape (number, n_models)
        From `improvements`, models in random order.
    observed : float
        The best chi2_SM - chi2 for the real data; of more models, perhaps.

    Returns
    -------
    dict
        ``best``, the largest of each pseudo-data; ``best_of``, its median and 95% quantile over
        pseudo-data by the number of models of which it is the best; ``observed``; ``p_value``, how
        often pseudo-data have a best that is as large, the real data counted as one of them.
    """
    number, n = found.shape
    counts = sorted({*(c for c in _COUNTS if c < n), n})
    largest = np.maximum.accumulate(found, axis=1)
    quantiles = {c: np.quantile(largest[:, c - 1], [0.5, 0.95]).tolist() for c in counts}
    return {
        "best": largest[:, -1].tolist(),
        "best_of": {
            str(c): dict(zip(("median", "quantile_95"), q, strict=True))
            for c, q in quantiles.items()
        },
        "observed": observed,
        "p_value": (1 + int(np.sum(largest[:, -1] >= observed))) / (1 + number),
    }


def chosen(n_models: int, wanted: int, seed: int) -> np.ndarray:
    """Rows of a random subset of models, in random order."""
    return np.random.default_rng([seed, 1]).permutation(n_models)[:wanted]
