"""The exact engine: predictions by smelli, flavio and wilson, point by point.

From parameters to predictions; data and chi2 are in `likelihood`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from malaphoric.data import categories, predicting
from malaphoric.engines.basis import NOT_INSIDE, inside
from malaphoric.engines.protocol import CKM, CKM_FAILURE, NOT_FINITE, Evaluation
from malaphoric.physics.model import Model
from malaphoric.schema import ConfigurationError

#: Accuracy of the SMEFT running; smelli sets leadinglog, wilson's own default is integrate.
SMEFT_ACCURACIES = ("leadinglog", "integrate")


class ExactEngine:
    """Exact predictions of a model.

    Parameters
    ----------
    model : Model
    M_X : float or None
        Mass of the X boson and matching scale, in GeV; None where it is a parameter, the last.
    smeft_accuracy : {"leadinglog", "integrate"}
        Accuracy of wilson's running in the SMEFT.
    observables : list, optional
        Only these observables of flavio (default: `categories.observables`).
    """

    def __init__(
        self,
        model: Model,
        M_X: float | None = 3000.0,
        smeft_accuracy: str = "leadinglog",
        observables: list | None = None,
    ) -> None:
        if smeft_accuracy not in SMEFT_ACCURACIES:
            raise ConfigurationError(
                f"smeft_accuracy: {smeft_accuracy!r} is not accepted; accepted: "
                f"{', '.join(SMEFT_ACCURACIES)}"
            )
        self.model, self.smeft_accuracy = model, smeft_accuracy
        self.M_X = None if M_X is None else float(M_X)
        self.observables = observables or categories.observables()
        self._predictions = (
            partial(predicting.predict, observables) if observables else predicting.predictions
        )

    def evaluate(
        self,
        points: np.ndarray,
        progress: Callable[[int], None] | None = None,
        block: int = 1,
        ckm: np.ndarray | None = None,
    ) -> Evaluation:
        """Predictions at points.

        Parameters
        ----------
        points : ndarray, shape (n, n_parameters)
            The model's parameters, and the mass where it is one.
        progress : callable, optional
            Called with the number of points done after each point.
        block, ckm
            Of no consequence: points are evaluated one by one, and from the beginning.

        Returns
        -------
        Evaluation
        """
        points = np.atleast_2d(np.asarray(points, dtype=float))
        n = len(points)
        found = Evaluation(
            predictions=np.full((n, len(self.observables)), np.nan),
            ckm=np.full((n, len(CKM)), np.nan),
            reason=np.full(n, "", dtype=object),
        )
        for i, point in enumerate(points):
            try:
                found.predictions[i], found.ckm[i] = self._point(point)
            except Exception as error:
                failed = "The extraction of CKM elements failed" in str(error)
                found.reason[i] = (
                    CKM_FAILURE if failed else f"{type(error).__name__}: {error}"[:500]
                )
            if progress:
                progress(i + 1)
        return found

    def extract(self, points: np.ndarray) -> Evaluation:
        """Nothing is known of points (n, n_parameters) before they are evaluated."""
        n = len(points)
        ckm, reason = np.full((n, len(CKM)), np.nan), np.full(n, "", dtype=object)
        return Evaluation(predictions=np.empty((n, 0)), ckm=ckm, reason=reason)

    def of(self, observables: Iterable) -> ExactEngine:
        """Itself: smelli predicts all of its observables together."""
        return self

    def wilson(self, point: np.ndarray) -> object:
        """The `wilson.Wilson` of a point at mu = M_X."""
        from wilson import Wilson

        *own, M_X = map(float, point if self.M_X is None else (*point, self.M_X))
        coefficients = self.model.smeft(*own, M_X=M_X)
        w = Wilson(coefficients, scale=M_X, eft="SMEFT", basis="Warsaw")
        w.set_option("smeft_accuracy", self.smeft_accuracy)
        return w

    def _point(self, point: np.ndarray) -> tuple[np.ndarray, list[float]]:
        if not np.all(np.isfinite(point)):
            raise ValueError(NOT_FINITE)
        if self.M_X is None and not inside(point[-1]):
            raise ValueError(NOT_INSIDE)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gp = categories.global_likelihood().parameter_point(self.wilson(point))
            parameters = gp.par_dict_np  # extracts the CKM elements, and sets them in gp.w
            values = self._predictions(parameters, gp.w)
        if not np.all(np.isfinite(values)):
            bad = self.observables[int(np.flatnonzero(~np.isfinite(values))[0])]
            raise ValueError(f"prediction of {bad} is not finite")
        return values, [parameters[name] for name in CKM]
