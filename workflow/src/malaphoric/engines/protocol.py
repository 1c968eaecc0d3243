"""What every engine can do: predictions at points, what comes with them, and their chi2.

The engines are in `exact` and `compiled`; `loading` chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from malaphoric.arithmetic import BLOCK
from malaphoric.data.categories import GLOBAL

if TYPE_CHECKING:
    from malaphoric.data.likelihood import Likelihood

#: CKM parameters that smelli extracts anew at every point.
CKM = ("Vus", "Vcb", "Vub", "gamma")

#: Reason of a point that is no point.
NOT_FINITE = "the point is not finite"

#: Reason of a point where the CKM extraction fails: the white regions of the paper's Fig. 2.
CKM_FAILURE = "ckm"

#: Reason of a point at which no value of the profiled parameters is accepted.
NOWHERE = "no value of the profiled parameters gives a physical point"

#: Reasons that are physics and no error; `statistics.profile` counts them, once for a whole scan.
NO_ERROR = ("", CKM_FAILURE, NOWHERE)


@dataclass
class Evaluation:
    """Predictions at a list of points.

    Attributes
    ----------
    predictions : ndarray, shape (n, n_observables)
        In flavio's units; a row of NaN where the point could not be computed.
    ckm : ndarray, shape (n, 4)
        Vus, Vcb, Vub and gamma (rad) as extracted at the point; NaN likewise.
    reason : ndarray of str, shape (n,)
        Empty, "ckm", or the message of the exception.
    """

    predictions: np.ndarray
    ckm: np.ndarray
    reason: np.ndarray


class Engine(Protocol):
    """Predictions of a model.

    Attributes
    ----------
    observables : list
        flavio observables, the columns of predictions.
    """

    observables: list

    def evaluate(
        self,
        points: np.ndarray,
        progress: Callable[[int], None] | None = None,
        block: int = ...,
        ckm: np.ndarray | None = None,
    ) -> Evaluation:
        """Predictions at points (n, n_parameters).

        ``progress`` is told how many are done; ``block`` are evaluated together, and ``ckm`` of
        `extract` used, where that is quicker.
        """
        ...

    def extract(self, points: np.ndarray) -> Evaluation:
        """What is known of points without predictions: those with a reason need none."""
        ...

    def of(self, observables: Iterable) -> Engine:
        """An engine that may leave the predictions of all others NaN, where that is quicker."""
        ...


@runtime_checkable
class HasCoefficients(Protocol):
    """What the compiled engine can do beside."""

    def coefficients(
        self, points: np.ndarray, ckm: np.ndarray, port: Any, names: list[str]
    ) -> np.ndarray:
        """Wilson coefficients at a `compiled.Port`, shape (n, len(names)), complex."""
        ...


#: chi2 by category, shape (n,) each, and an `Evaluation` without predictions.
Weighed = tuple[dict[str, np.ndarray], Evaluation]


def weigh(
    engine: Engine,
    data: Likelihood,
    points: np.ndarray,
    progress: Callable[[int], None] | None = None,
    before: Weighed | None = None,
) -> Weighed:
    """chi2 of points, however many: of predictions, a block is in memory at a time.

    Parameters
    ----------
    engine : Engine
    data : Likelihood
        Of the observables of the engine.
    points : ndarray, shape (n, n_parameters)
    progress : callable, optional
        Called with the number of points done after each block.
    before : Weighed, optional
        What is known of the points from the same engine: their CKM elements, and chi2 of some of
        the categories, from the same data.

    Returns
    -------
    chi2 : dict of str to ndarray, shape (n,)
        By category and "global"; NaN where a point cannot be computed.
    Evaluation
        Without predictions.
    """
    done, result = before or ({}, engine.extract(points))
    if done:
        data_left = data.of([name for name in data.categories if name not in done])
        columns = {int(column) for k in data_left.constraints for column in k.columns}
        engine = engine.of(data.observables[column] for column in columns)
    else:
        data_left = data
    known = np.flatnonzero(result.reason == "")
    chi2 = {name: done.get(name, np.full(len(points), np.nan)) for name in data.categories}
    for start in range(0, len(known) if data_left.categories else 0, BLOCK):
        rows = known[start : start + BLOCK]
        found = engine.evaluate(points[rows], ckm=result.ckm[rows])
        result.ckm[rows], result.reason[rows] = found.ckm, found.reason
        weighed = data_left.chi2(found.predictions)
        for name in data_left.categories:
            chi2[name][rows] = weighed[name]
        if progress:
            progress(len(points) - len(known) + start + len(rows))
    return {**chi2, GLOBAL: sum(chi2.values(), np.zeros(len(points)))}, result
