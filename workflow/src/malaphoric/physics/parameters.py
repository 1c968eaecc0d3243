"""What is known of a parameter: label, unit, typical size, and what is physical.

Which parameters a model has, what its file says of them and what becomes of their values is in
`model`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from malaphoric.physics.smeft import M_REFERENCE

#: Parameters of every model, before its angles and phases: eq. (4.1).
HATTED = ("epsilon_hat", "g_hat")

#: Name of the mass where it is a parameter, in GeV.
MASS = "M_X"

#: Masses in GeV that are accepted.
M_X_RANGE = (500.0, 100e3)

# Of a period: pi/2 is written as 1.57 or as 1.6.
_ROUNDED = 0.03

_GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda",
    "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
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
    range : tuple of float, or None
        Lowest and highest physical value, as far as these are the same at all points.
    """

    name: str
    symbol: str
    unit: str
    size: float
    period: float | None = None
    range: tuple[float, float] | None = None

    @property
    def label(self) -> str:
        """For an axis of a figure."""
        return f"${self.symbol}$" + (f" [{self.unit}]" if self.unit else "")

    def is_all_round(self, low: float, high: float) -> bool:
        """Whether it is periodic and a range is one period, as far as that is usually written."""
        return self.period is not None and abs((high - low) / self.period - 1) < _ROUNDED

    def described(
        self, label: str = "", size: float | None = None, range: Sequence[float] | None = None
    ) -> Parameter:
        """The parameter with what a model's file says of it."""
        return replace(
            self,
            symbol=label or self.symbol,
            size=size or self.size,
            range=(range[0], range[1]) if range else self.range,
        )


#: What every model has.
KNOWN = {
    "epsilon_hat": Parameter("epsilon_hat", r"\hat\epsilon", "", 0.2),
    "g_hat": Parameter("g_hat", r"\hat g_X", "", 0.02),
    MASS: Parameter(MASS, "M_X", "GeV", 100.0, range=M_X_RANGE),
}


def angle(name: str, period: float = math.pi) -> Parameter:
    """An angle or phase by its name."""
    return Parameter(name, _symbol(name), "rad", 0.04, period)


def dimensionless(name: str) -> Parameter:
    """A parameter that charges are linear in, by its name."""
    return Parameter(name, _symbol(name), "", 0.1)


class _ByName(dict):
    """What is known of parameters by their names alone: others than those of all are angles."""

    def __missing__(self, name: str) -> Parameter:
        return angle(name)


#: For whoever has no model at hand; else `Model.records`.
BY_NAME: Mapping[str, Parameter] = _ByName(KNOWN)


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
