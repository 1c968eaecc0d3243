"""What every engine can do: predictions at points, and what comes with them.

The engines are in `exact` and `compiled`; `loading` chooses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

#: CKM parameters that smelli extracts anew at every point.
CKM = ("Vus", "Vcb", "Vub", "gamma")

#: Reason of a point that is no point.
NOT_FINITE = "the point is not finite"

#: Reason of a point where the CKM extraction fails: the white regions of the paper's Fig. 2.
CKM_FAILURE = "ckm"


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
    ) -> Evaluation:
        """Predictions at points (n, n_parameters).

        ``progress`` is told how many are done; ``block`` are evaluated together, where that is
        quicker.
        """
        ...


@runtime_checkable
class HasCoefficients(Protocol):
    """What the compiled engine can do beside."""

    def coefficients(
        self, points: np.ndarray, ckm: np.ndarray, port: Any, names: list[str]
    ) -> np.ndarray:
        """Wilson coefficients at a `compiled.Port`, shape (n, len(names)), complex."""
        ...
