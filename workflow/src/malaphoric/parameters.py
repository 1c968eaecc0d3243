"""What is known of a parameter by its name: label, unit, typical size, and what is physical.

Which parameters a model has, and what becomes of their values, is in `model`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from malaphoric.smeft import M_REFERENCE

#: Parameters of every model, before its angles and phases: eq. (4.1).
HATTED = ("epsilon_hat", "g_hat")

#: Name of the mass where it is a parameter, in GeV.
MASS = "M_X"

#: Masses in GeV that are accepted.
M_X_RANGE = (500.0, 100e3)

_GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "eta", "theta", "lambda", "mu", "nu", "xi",
    "rho", "sigma", "tau", "phi", "chi", "psi", "omega",
}  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """A parameter of a model.

    Attributes
    ----------
    name : str
    symbol : str
        LaTeX, without dollar signs.
    unit : str
        "", "rad" or "GeV".
    size : float
        A change that matters: chi2 changes by a few units in a typical model. Steps of numerical
        derivatives and coarse lattices are taken from it.
    period : float or None
        After which couplings are the same again.
    """

    name: str
    symbol: str
    unit: str
    size: float
    period: float | None = None

    @property
    def label(self) -> str:
        """For an axis of a figure."""
        return f"${self.symbol}$" + (f" [{self.unit}]" if self.unit else "")


_KNOWN = {
    "epsilon_hat": Parameter("epsilon_hat", r"\hat\epsilon", "", 0.2),
    "g_hat": Parameter("g_hat", r"\hat g_X", "", 0.02),
    MASS: Parameter(MASS, "M_X", "GeV", 100.0),
}


def parameter(name: str) -> Parameter:
    """A parameter by its name; what no model has by itself is an angle or phase of a rotation."""
    return _KNOWN.get(name) or Parameter(name, _symbol(name), "rad", 0.04, math.pi)


def _symbol(name: str) -> str:
    """LaTeX of a name: theta_sb is a Greek letter with an index."""
    head, *rest = name.split("_")
    index = "".join(rest)
    if head in _GREEK:
        head = rf"\{head}"
    elif len(head) > 1:
        head = rf"\mathrm{{{head}}}"
    return f"{head}_{{{index}}}" if index else head


def is_physical(point: Mapping[str, float | np.ndarray]) -> bool | np.ndarray:
    """Whether |epsilon| <= 1: beyond, a kinetic term has the wrong sign (below eq. (2.1))."""
    return np.abs(point["epsilon_hat"]) <= M_REFERENCE / point[MASS]
