"""Anomaly-free charges of three families, all of them up to a largest charge.

A family of one species is here like any other: which is the muon's, and what makes a solution a
model, is in `flavour`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Whose charges they are, in the order of all arrays: left-handed doublets q and l, right-handed
#: singlets u, d, e and nu, so that charges are those of model files.
SPECIES = ("q", "u", "d", "l", "e", "nu")

# The four conditions that are linear leave two sums over families free, those of q and u, and give
# the sums of all species: SU(3)^2: d = 2q - u; SU(2)^2: l = -3q; Y^2: e = -2q - u; gravity^2:
# nu = u - 4q.
_LINEAR = np.array([[1, 0], [0, 1], [2, -1], [-3, 0], [-2, -1], [-4, 1]])

# Y X^2 and X^3: what a square and a cube of a charge count: components, times hypercharge in the
# first, negative for right-handed fields
_QUADRATIC = np.array([1, -2, 1, -1, 1, 0])
_CUBIC = np.array([6, -3, -3, 2, -1, -1])


@dataclass(frozen=True, eq=False)
class Solutions:
    """Solutions of the six anomaly conditions.

    Attributes
    ----------
    charges : ndarray of int, shape (n, 6, 3)
        By solution, `SPECIES` and family.
    """

    charges: np.ndarray

    def __len__(self) -> int:
        return len(self.charges)

    def of(self, species: str) -> np.ndarray:
        """Charges of one of `SPECIES`, shape (n, 3)."""
        return self.charges[:, SPECIES.index(species)]

    @property
    def largest(self) -> np.ndarray:
        """Largest modulus of a charge, shape (n,)."""
        return abs(self.charges).max(axis=(1, 2))

    @property
    def neutrinos(self) -> np.ndarray:
        """How many right-handed neutrinos are charged, shape (n,)."""
        return np.count_nonzero(self.of("nu"), axis=1)


def anomaly_free(N: int, right_handed_neutrinos: bool) -> Solutions:
    """All inequivalent anomaly-free integer charges of modulus up to N, arXiv:1812.04602.

    Parameters
    ----------
    N : int
        Largest modulus of a charge.
    right_handed_neutrinos : bool
        Whether there are three right-handed neutrinos; without them their charges are 0.

    Returns
    -------
    Solutions
        By largest charge, then by the number of charged neutrinos, so that those of a smaller N
        come first. One of each set that differs by a common factor, by a sign or by permutations of
        a species' families: without a common factor, families in ascending order of charge, and of
        X and -X the lexicographically larger one. The zero solution is not among them.

    Raises
    ------
    ValueError
        If N is not positive.

    Notes
    -----
    The three charges of a species are sorted, and looked up by their sum. For each choice of sums
    that satisfies the linear conditions, quarks are joined with the leptons that cancel their sums
    of squares and cubes, which takes no longer than sorting them: N = 6 takes seconds.
    """
    if N < 1:
        raise ValueError(f"N: {N} is not accepted; accepted: 1 or more")
    triples = np.array(list(itertools.combinations_with_replacement(range(-N, N + 1), 3)))
    sums = triples.sum(axis=1)
    by_sum = {total: triples[sums == total] for total in range(-3 * N, 3 * N + 1)}
    neutral = {0: np.zeros((1, 3), dtype=int)}
    known = [by_sum] * 5 + [by_sum if right_handed_neutrinos else neutral]
    found = []
    for free in itertools.product(by_sum, repeat=2):
        totals = (_LINEAR @ free).tolist()
        if all(total in own for own, total in zip(known, totals, strict=True)):
            some = _joined([own[total] for own, total in zip(known, totals, strict=True)], N)
            found.append(some[_representative(some)])
    every = Solutions(np.concatenate(found))
    columns = flat(every.charges).T
    return Solutions(every.charges[np.lexsort((*columns[::-1], every.neutrinos, every.largest))])


def _joined(triples: Sequence[np.ndarray], N: int) -> np.ndarray:
    """Combinations of triples (m, 3), one a species, that cancel Y X^2 and X^3; shape (n, 6, 3)."""
    # both sums in one number: that of cubes is smaller than the unit of the other
    unit = abs(_CUBIC).sum() * 3 * N**3 + 1
    keys = [
        unit * square * (x**2).sum(axis=1) + cube * (x**3).sum(axis=1)
        for x, square, cube in zip(triples, _QUADRATIC, _CUBIC, strict=True)
    ]
    quarks, leptons = (a[:, None, None] + b[:, None] + c for a, b, c in (keys[:3], keys[3:]))
    order = np.argsort(leptons, axis=None)
    in_order = leptons.ravel()[order]
    first, last = (np.searchsorted(in_order, -quarks.ravel(), side) for side in ("left", "right"))
    partners = last - first
    one = np.repeat(np.arange(quarks.size), partners)
    # counts on from the first partner for each of the quarks
    other = order[np.arange(len(one)) + np.repeat(last - np.cumsum(partners), partners)]
    rows = (*np.unravel_index(one, quarks.shape), *np.unravel_index(other, leptons.shape))
    return np.stack([x[row] for x, row in zip(triples, rows, strict=True)], axis=1)


def _representative(charges: np.ndarray) -> np.ndarray:
    """Whether solutions have no common factor, and are no smaller than their negative; (n,)."""
    # families of -X are in the opposite order
    larger = leading(charges + charges[:, :, ::-1]) >= 0
    return (np.gcd.reduce(flat(charges), axis=1) == 1) & larger


def flat(charges: np.ndarray) -> np.ndarray:
    """Charges of all species and families in a row, shape (n, m)."""
    return charges.reshape(len(charges), charges.shape[1] * charges.shape[2])


def leading(charges: np.ndarray) -> np.ndarray:
    """The first charge that is not 0, or 0, shape (n,)."""
    own = flat(charges)
    return own[np.arange(len(own)), (own != 0).argmax(axis=1)]
