"""Anomaly-free charges against the literature's numbers, brute force, `facts` and the matching."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from malaphoric import Model
from malaphoric.atlas import anomaly_free
from malaphoric.atlas.flavour import Filters, Models, canonical, model, models, text
from malaphoric.atlas.solutions import SPECIES
from malaphoric.physics import facts, smeft

#: Six times the hypercharges of fermions, three families each, and of H.
Y = np.array([*np.repeat([1, 4, -2, -3, -6], 3), 3])

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


def vectors(found):
    """Charges of models as vectors of 16, X_H last."""
    return np.column_stack([found.charges[:, :5].reshape(len(found), 15), found.higgs])


def up_to_hypercharge(vector):
    """A vector without the part of Y that gives X_H, over its first component; None if it is 0."""
    part = Fraction(int(vector[15]), 3)
    own = [int(x) - part * int(y) for x, y in zip(vector, Y, strict=True)]
    first = next((x for x in own if x), None)
    return first and tuple(x / first for x in own)


def wanted(filters):
    """X_H and the filters as functions of the charges of q, u, d, l, e by family."""
    q, u, d, l, e = range(5)  # noqa: E741
    higgs = {
        "up quarks": lambda x: x[u][2] - x[q][2],
        "down quarks": lambda x: x[q][2] - x[d][2],
        "charged leptons": lambda x: x[l][2] - x[e][2],
    }
    h = higgs[filters.yukawa[0]]
    tests = {}
    if filters.light_quarks_alike:
        tests["first two quark families alike"] = lambda x: all(
            x[f][0] == x[f][1] for f in (q, u, d)
        )
    if filters.b_to_s:
        tests["left-handed b and s differ"] = lambda x: x[q][1] != x[q][2]
    for name in filters.yukawa:
        tests[f"Yukawa coupling 33 of {name}"] = lambda x, name=name: higgs[name](x) == h(x)
    if filters.vector_like_leptons:
        tests["vector-like leptons"] = lambda x: all(x[l][i] == x[e][i] + h(x) for i in range(3))
    return h, tests


@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(light_quarks_alike=False, vector_like_leptons=True),
        Filters(b_to_s=False, yukawa=("down quarks",), neutrinos=0),
        Filters(b_to_s=False, yukawa=("charged leptons", "up quarks")),
    ],
)
def test_models(filters):
    """Truth: all permutations of the families of all species, one by one."""
    solutions = anomaly_free(1, True)
    found, left = models(solutions, filters)
    higgs, tests = wanted(filters)
    charges = solutions.charges[solutions.neutrinos <= filters.neutrinos, :5].tolist()
    seen = {tuple(map(tuple, x)) for x in charges if np.any(x)}
    assert left["no two alike but for neutrinos"] == len(seen)
    every = {
        own for x in seen for own in itertools.product(*map(set, map(itertools.permutations, x)))
    }
    assert left["families told apart"] == len(every)
    for name, test in tests.items():
        every = {own for own in every if test(own)}
        assert left[name] == len(every), name
    truth = {up_to_hypercharge([*np.ravel(own), higgs(own)]) for own in every} - {None}
    own = [up_to_hypercharge(vector) for vector in vectors(found)]
    assert set(own) == truth
    assert len(own) == len(truth) == left["no two alike but for hypercharge"]
    assert f"{len(truth):,}  no two alike but for hypercharge" in text(left)


def test_filters_of_solutions():
    """Truth: the enumeration with smaller charges, and without neutrinos."""
    every = anomaly_free(3, True)
    for filters, fewer in (
        (Filters(largest=2), anomaly_free(2, True)),
        (Filters(neutrinos=0), anomaly_free(3, False)),
    ):
        found, truth = (models(x, filters)[0] for x in (every, fewer))
        np.testing.assert_array_equal(found.charges, truth.charges)
        np.testing.assert_array_equal(found.higgs, truth.higgs)
    with pytest.raises(ValueError, match="accepted: one or more of"):
        Filters(yukawa=())
    none, left = models(anomaly_free(1, False), Filters())
    assert len(none) == 0 == left["no two alike but for hypercharge"]


def test_more_than_one_higgs():
    """Truth: counting; a solution is models of several X_H that hypercharge does not relate."""
    found, _ = models(anomaly_free(2, True), Filters(light_quarks_alike=False))
    by_solution = {}
    for x, h in zip(found.charges.tolist(), found.higgs.tolist(), strict=True):
        by_solution.setdefault(standard(x), set()).add(abs(h))
    assert max(map(len, by_solution.values())) > 1


def test_classes_are_planes():
    """Truth: currents are parallel up to Y if and only if charges and Y are linearly dependent."""
    found, _ = models(anomaly_free(2, True), Filters(b_to_s=False))
    own = vectors(found)
    first, second = np.triu_indices(len(own), 1)
    sets = np.stack([own[first], own[second], np.broadcast_to(Y, own[first].shape)], axis=1)
    assert np.all(np.linalg.matrix_rank(sets) == 3)
    assert np.all(np.linalg.matrix_rank(np.stack([own, np.broadcast_to(Y, own.shape)], 1)) == 2)


@pytest.mark.parametrize(
    ("name", "N", "filters"),
    [
        ("b3-l2", 3, Filters(vector_like_leptons=True, neutrinos=1)),
        ("3b3-le-2lmu", 2, Filters(vector_like_leptons=True)),
        ("3b3-l", 1, Filters(vector_like_leptons=True)),
        ("b-l", 1, Filters(b_to_s=False, vector_like_leptons=True)),
        ("lmu-ltau", 1, Filters(b_to_s=False, neutrinos=0)),
        ("third-family-hypercharge", 6, Filters(yukawa=("up quarks", "down quarks"), neutrinos=0)),
    ],
)
def test_models_of_the_catalogue(name, N, filters):
    """Truth: their files; B - L has charges of 3, but T_3R of 1 differs from it by hypercharge."""
    papers = Model.load(name).charges
    own = [3 * x for f in SPECIES[:5] for x in papers[f"X_{f}"]]
    truth = up_to_hypercharge(np.rint([*own, 3 * papers["X_H"]]))
    found, _ = models(anomaly_free(N, filters.neutrinos > 0), filters)
    assert [up_to_hypercharge(x) for x in vectors(found)].count(truth) == 1


def at_the_same_point(one, other, epsilon_hat, g_hat, M_X):
    """Where the second of two vectors of charges has the coefficients of the first."""
    (a, b), residuals, *_ = np.linalg.lstsq(np.stack([Y / 6, other], axis=1), one)
    assert residuals < 1e-20 * (one @ one)
    # g X - g' eps Y = g b X' - (g' eps - g a) Y
    return epsilon_hat - a * g_hat / smeft.g_prime(M_X), g_hat * b


def assert_same_coefficients(first, second, one, other, rng):
    epsilon_hat, g_hat, theta, M_X = (*rng.uniform(-1, 1, 2), rng.uniform(-2, 2), 2000.0)
    truth = first.smeft(epsilon_hat, g_hat, theta, M_X=M_X)
    found = second.smeft(*at_the_same_point(one, other, epsilon_hat, g_hat, M_X), theta, M_X=M_X)
    largest = max(map(abs, truth.values()))
    assert truth.keys() == found.keys()
    assert max(abs(truth[name] - found[name]) for name in truth) < 1e-12 * largest


def test_canonical_charges_have_the_same_coefficients():
    """Truth: the matching: all 371 coefficients, at the points that the change of X says."""
    rng = np.random.default_rng(1)
    found, _ = models(anomaly_free(4, True), Filters())
    shared = canonical(found)
    assert len(np.unique(shared.reshape(len(found), 15), axis=0)) == len(found)
    for row in rng.choice(np.flatnonzero(found.higgs), 20, replace=False):
        other = np.append(shared[row].ravel(), 0)
        second = model(shared[row], 0)
        assert_same_coefficients(found.model(row), second, vectors(found)[row], other, rng)


def test_models_that_hypercharge_relates():
    """Truth: the matching: T_3R and B - L; Y_3 and its opposite in the first two families."""
    t3r, b_l = [0, 1, -1, 0, -1], [1, 1, 1, -3, -3]
    y3, y12 = ([[x * k for k in z] for x in (1, 4, -2, -3, -6)] for z in ([0, 0, 1], [-1, -1, 0]))
    rng = np.random.default_rng(2)
    for one, other, *higgs in (
        ([[x] * 3 for x in t3r], [[x] * 3 for x in b_l], 1, 0),
        (y3, y12, 3, 0),
    ):
        pair = Models(np.array([[*one, [0] * 3], [*other, [0] * 3]]), np.array(higgs))
        np.testing.assert_array_equal(*canonical(pair))
        assert_same_coefficients(pair.model(0), pair.model(1), *vectors(pair), rng)


def test_facts_of_models():
    """Truth: the exact sums of `facts`, its neutrinos and its Yukawa couplings."""
    rng = np.random.default_rng(3)
    found, _ = models(anomaly_free(4, True), Filters(vector_like_leptons=True))
    for row in rng.choice(len(found), 30, replace=False):
        own = found.model(row)
        said = facts.facts(own)
        assert own.parameters == ("epsilon_hat", "g_hat", "theta_sb")
        assert own.charges["X_q"] == tuple(found.of("q")[row])
        assert set(said["anomalies"]["with_neutrinos"].values()) == {"0"}
        assert all(said["Yukawa"]["charged leptons"][i][i] for i in range(3))
        assert said["warnings"] == []
    names = {found.model(row).name for row in range(60)}
    assert len(names) == 60


@pytest.mark.parametrize("neutrinos", [False, True])
def test_facts_of_solutions(neutrinos):
    """Truth: the exact sums of `facts`, to which neutrinos of any solution's charges are added."""
    every = anomaly_free(4, neutrinos)
    for row in np.random.default_rng(4).choice(len(every), 30, replace=False):
        said = facts.anomalies(model(every.charges[row], 0))
        nu = every.of("nu")[row]
        gravity, cubic = sum(nu), sum(nu**3)
        assert list(said["without_neutrinos"].values()) == [*"0000", str(gravity), str(cubic)]
        assert set(said["with_neutrinos"].values()) == {"0"}


def test_titles_are_shown():
    """Truth: matplotlib, and the schema's limit of 200 characters."""
    widest = np.full((6, 3), -10)
    own = model(widest, -20)
    own.check_latex()
    assert len(own.name) <= 100
