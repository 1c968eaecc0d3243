"""The functions of a model's parameters that its coefficients are linear combinations of.

Coefficients are products of two couplings. Which couplings a model has, and which of their products
are independent, is found from samples, so that nothing here knows a model or its parameters; what
becomes of the coefficients is in `running` and `compiled`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import h5py
import numpy as np

from malaphoric import store
from malaphoric.physics import smeft
from malaphoric.physics.model import Model
from malaphoric.physics.parameters import M_X_RANGE, MASS

#: Logarithms of the masses between which the shipped running holds.
LOG_M_X = tuple(np.log(M_X_RANGE))

#: Reason of a point whose mass is not accepted.
NOT_INSIDE = "M_X is not between {:.0f} and {:.0f} GeV".format(*M_X_RANGE)

# Singular values that are rounding, relative to the largest.
_ROUNDING = 1e-12

# Couplings are sampled at this many points; products at this many times their number.
_POINTS, _TIMES = 200, 4


def nodes(n: int) -> np.ndarray:
    """Chebyshev nodes of ln(M_X/GeV), shape (n,)."""
    low, high = LOG_M_X
    return (low + high) / 2 + (high - low) / 2 * np.cos((np.arange(n) + 0.5) * np.pi / n)


def weights(M_X: float | np.ndarray, n: int) -> np.ndarray:
    """What values at `nodes` count at a mass in GeV, shape (n,) or (len(M_X), n)."""
    at, x = nodes(n), np.log(M_X)
    factors = [
        np.prod([(x - other) / (node - other) for other in at if other != node], axis=0)
        for node in at
    ]
    return np.stack(factors, axis=-1)


def inside(M_X: float | np.ndarray) -> bool | np.ndarray:
    """Whether masses in GeV are accepted."""
    return (M_X_RANGE[0] <= M_X) & (M_X_RANGE[1] >= M_X)


@dataclass(frozen=True)
class Basis:
    """Monomials of a model: every coefficient is a linear combination of them.

    Attributes
    ----------
    model : Model
    M_X : float or None
        Mass of the X boson in GeV; None where it is a parameter, the last.
    couplings : ndarray, shape (s, 34)
        Independent linear combinations of `smeft.COUPLINGS`, each even or odd under CP.
    products : ndarray, shape (n, s (s + 1) / 2)
        Monomials as linear combinations of products of two of them (upper triangle).
    odd : ndarray of bool, shape (n,)
        Monomials that change sign under CP.
    """

    model: Model
    M_X: float | None
    couplings: np.ndarray
    products: np.ndarray
    odd: np.ndarray

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the columns of points."""
        return parameters(self.model, self.M_X)

    @property
    def size(self) -> int:
        """Number of monomials."""
        return len(self.odd)

    def monomials(self, points: np.ndarray) -> np.ndarray:
        """The monomials at points (n, n_parameters), shape (size, n); without unit.

        They are made of couplings times 3 TeV / M_X, in which coefficients do not depend on M_X.
        """
        mass = points[:, -1] if self.M_X is None else self.M_X
        t = self.couplings @ _hatted(self.model, points, mass)
        i, j = self._pairs
        return self.products @ (t[i] * t[j])

    @cached_property
    def _pairs(self) -> tuple[np.ndarray, np.ndarray]:
        return np.triu_indices(len(self.couplings))

    def masses(self, points: np.ndarray, n: int) -> np.ndarray:
        """What values at n `nodes` of the mass count at points, shape (n, n_points)."""
        return weights(points[:, -1], n).T

    def save(self, group: h5py.Group) -> None:
        """Write to a group of an HDF5 file."""
        group.attrs["model"] = store.canonical(self.model.as_dict())
        group.attrs["M_X"] = "parameter" if self.M_X is None else self.M_X
        for name in ("couplings", "products", "odd"):
            store.write_array(group, name, getattr(self, name))

    @classmethod
    def load(cls, group: h5py.Group) -> Basis:
        """Read what `save` wrote."""
        M_X = group.attrs["M_X"]
        return cls(
            Model.of(store.parse(group.attrs["model"])),
            None if isinstance(M_X, str) else float(M_X),
            *(group[name][()] for name in ("couplings", "products", "odd")),
        )


def parameters(model: Model, M_X: float | None) -> tuple[str, ...]:
    """Names of the parameters of a model at a mass, or of one whose mass is a parameter (None)."""
    return model.parameters if M_X is not None else (*model.parameters, MASS)


def find(model: Model, M_X: float | None, inputs: list) -> tuple[Basis, np.ndarray]:
    """The monomials of a model, and the coefficients that each of them multiplies.

    Parameters
    ----------
    model : Model
    M_X : float or None
        In GeV; None where it is a parameter.
    inputs : list of running.Component
        Real and imaginary parts of coefficients.

    Returns
    -------
    Basis
    ndarray, shape (size, n_inputs)
        Orthonormal, times 1 / (3 TeV)²: GeV^-2.
    """
    rng = np.random.default_rng(0)
    sampled = _sampled(model, M_X, _POINTS, rng)
    even, odd = (_span(x) for x in np.split(sampled, [smeft.N_EVEN]))
    couplings = np.zeros((len(even) + len(odd), len(smeft.COUPLINGS)))
    couplings[: len(even), : smeft.N_EVEN] = even
    couplings[len(even) :, smeft.N_EVEN :] = odd
    i, j = np.triu_indices(len(couplings))
    # what is quadratic is known from its values at single vectors and at sums of two
    single = _coefficients(couplings, inputs)
    together = _coefficients(couplings[i] + couplings[j], inputs)
    of_pairs = np.where((i == j)[:, None], single[i], together - single[i] - single[j])
    sampled = _sampled(model, M_X, _TIMES * len(i) + _POINTS, rng)
    t = sampled.T @ couplings.T
    pairs = t[:, i] * t[:, j]
    changes = (i < len(even)) != (j < len(even))
    directions, products, parity = [], [], []
    found = []
    for sign in (False, True):
        own = np.flatnonzero(changes == sign)
        triangle = np.linalg.qr(pairs[:, own], mode="r")
        _, size, vectors = np.linalg.svd(triangle @ of_pairs[own], full_matrices=False)
        found.append((sign, own, size, vectors))
    largest = max(size.max(initial=0.0) for _, _, size, _ in found)
    for sign, own, size, vectors in found:
        kept = vectors[size > _ROUNDING * largest]
        column = np.zeros((len(i), len(kept)))
        column[own] = of_pairs[own] @ kept.T
        directions.append(kept)
        products.append(column)
        parity += [sign] * len(kept)
    basis = Basis(
        model,
        M_X,
        couplings,
        np.ascontiguousarray(np.concatenate(products, axis=1).T),
        np.array(parity, dtype=bool),
    )
    return basis, np.concatenate(directions) / smeft.M_REFERENCE**2


def _hatted(model: Model, points: np.ndarray, M_X: float | np.ndarray) -> np.ndarray:
    """Couplings times 3 TeV / M_X, shape (34, n)."""
    own = points[:, : len(model.parameters)]
    return model.couplings(own, M_X) * (smeft.M_REFERENCE / M_X)


def _sampled(model: Model, M_X: float | None, n: int, rng: np.random.Generator) -> np.ndarray:
    """Couplings at random points, shape (34, n)."""
    low, high = LOG_M_X
    mass = np.exp(rng.uniform(low, high, n)) if M_X is None else M_X
    return _hatted(model, model.sample(n, rng), mass)


def _span(columns: np.ndarray) -> np.ndarray:
    """An orthonormal basis (s, m) of what columns (m, n) span."""
    basis, size, _ = np.linalg.svd(columns, full_matrices=False)
    return basis[:, size > _ROUNDING * size.max(initial=0.0)].T


def _coefficients(couplings: np.ndarray, inputs: list) -> np.ndarray:
    """Coefficients times M_X² at couplings (n, 34), shape (n, n_inputs)."""
    found = smeft.coefficients(couplings.T, 1.0)
    take = {"re": np.real, "im": np.imag}
    result = np.zeros((len(couplings), len(inputs)))
    for column, (name, part) in zip(result.T, inputs, strict=True):
        column[:] = take[part](found[name])
    return result
