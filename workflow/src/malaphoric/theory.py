"""Predictions at points, as every engine returns them: `exact` and `compiled`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: CKM parameters that smelli extracts anew at every point.
CKM = ("Vus", "Vcb", "Vub", "gamma")

#: Reason of a point that is no point.
NOT_FINITE = "the point is not finite"

#: Reason of a point where the CKM extraction fails: the white regions of the paper's Fig. 2.
CKM_FAILURE = "ckm"


@dataclass
class Theory:
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
