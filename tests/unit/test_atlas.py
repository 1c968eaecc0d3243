"""Anomaly-free charges against the literature's numbers, brute force and `facts`."""

import itertools

import numpy as np
import pytest

from malaphoric.atlas import anomaly_free
from malaphoric.atlas.solutions import SPECIES

#: Left-handed Weyl fermions of each species: how many, their hypercharge, and their charge in units
#: of the model file's, which is that of the conjugate of a right-handed field.
WEYL = {
    "q": (6, 1, 1), "u": (3, -4, -1), "d": (3, 2, -1), "l": (2, -3, 1), "e": (1, 6, -1),
    "nu": (1, 0, -1),
}  # fmt: skip


def triples(N):
    return list(itertools.combinations_with_replacement(range(-N, N + 1), 3))


def total(weight, **charges):
    """Sum over left-handed fermions of a function of species, hypercharge and charge."""
    return sum(
        WEYL[f][0] * weight(f, WEYL[f][1], WEYL[f][2] * x)
        for f, own in charges.items()
        for x in own
    )


def standard(solution):
    """The same for solutions that differ by order of families or sign."""
    return max(tuple(tuple(sorted(sign * x for x in own)) for own in solution) for sign in (1, -1))


def brute_force(N, neutrinos):
    """Solutions by loops over sorted charges, each condition as soon as its species are known."""
    found = set()
    every, nus = triples(N), triples(N) if neutrinos else [(0, 0, 0)]
    for q, u, d in itertools.product(every, repeat=3):
        if total(lambda f, y, x: x, q=q, u=u, d=d):  # triplets, all of one index
            continue
        for l in every:  # noqa: E741
            if total(lambda f, y, x: x, q=q, l=l):
                continue
            for e in every:
                five = {"q": q, "u": u, "d": d, "l": l, "e": e}
                if total(lambda f, y, x: y * y * x, **five):
                    continue
                if total(lambda f, y, x: y * x * x, **five):
                    continue
                for nu in nus:
                    six = {**five, "nu": nu}
                    if total(lambda f, y, x: x, **six) or total(lambda f, y, x: x**3, **six):
                        continue
                    if np.gcd.reduce(np.ravel(list(six.values()))) == 1:
                        found.add(standard(six.values()))
    return found


@pytest.mark.parametrize(
    ("neutrinos", "numbers"), [(False, (7, 21, 81, 250)), (True, (37, 357, 4115, 24551))]
)
def test_numbers(neutrinos, numbers):
    """Truth: arXiv:1812.04602, whose numbers include the zero solution."""
    assert tuple(len(anomaly_free(N, neutrinos)) for N in (1, 2, 3, 4)) == numbers


@pytest.mark.parametrize(("N", "neutrinos"), [(1, False), (1, True), (2, True)])
def test_brute_force(N, neutrinos):
    """Truth: loops, and the Standard Model's left-handed fermions."""
    found = [standard(x.tolist()) for x in anomaly_free(N, neutrinos).charges]
    assert len(found) == len(set(found))
    assert set(found) == brute_force(N, neutrinos)


def test_order():
    """Truth: what the docstring says; of smaller N first, and without neutrinos among them."""
    found = anomaly_free(4, True)
    few = np.count_nonzero(found.largest <= 3)
    np.testing.assert_array_equal(anomaly_free(3, True).charges, found.charges[:few])
    without = anomaly_free(4, False)
    np.testing.assert_array_equal(without.charges, found.charges[found.neutrinos == 0])
    assert np.all(np.diff(found.charges, axis=2) >= 0)
    for x in found.charges[::100].tolist():
        assert tuple(map(tuple, x)) == standard(x)
    np.testing.assert_array_equal(found.of("e"), found.charges[:, SPECIES.index("e")])


def test_no_charges():
    """Truth: there are none."""
    with pytest.raises(ValueError, match="N: 0 is not accepted"):
        anomaly_free(0, True)
