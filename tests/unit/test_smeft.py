"""Matching against the current-current Lagrangian expanded by brute force in the redundant basis.

The independent truth is L = -(J - epsilon j)^2 / (2 M_X^2), eq. (2.6), written here with ordered
products of currents. Operators are stood in for by random numbers that have exactly the symmetries
of the operators: hermiticity, exchange of equal currents and, for ee only, Fierz rearrangement.
Two Lagrangians agree on all such numbers if and only if they are the same.
"""

import dataclasses
import itertools

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from malaphoric import Model
from malaphoric.physics import smeft

Y = {"q": 1 / 6, "l": -1 / 2, "e": -1, "d": -1 / 3, "u": 2 / 3, "H": 1 / 2}

# Operators of two fermion currents, and of the Higgs current with a fermion current.
FOUR_FERMION = {
    "ll": "ll", "ee": "ee", "uu": "uu", "dd": "dd", "qq1": "qq", "le": "le", "lu": "lu",
    "ld": "ld", "eu": "eu", "ed": "ed", "ud1": "ud", "lq1": "lq", "qe": "qe", "qu1": "qu",
    "qd1": "qd",
}  # fmt: skip
HIGGS_FERMION = {"phiq1": "q", "phil1": "l", "phie": "e", "phid": "d", "phiu": "u"}


PAPERS = {"V_dL": [{"plane": 23, "angle": "theta_sb"}]}  # eq. (3.2)


def rotated(rng):
    """Mixing of all quarks in all families, with phases: no coupling vanishes."""

    def all_planes():
        return [
            {"plane": p, "angle": rng.uniform(-3, 3), "phase": rng.uniform(-3, 3)}
            for p in (13, 12, 23)
        ]

    return {
        "V_dL": [*all_planes(), *PAPERS["V_dL"]],
        "V_dR": all_planes(),
        "V_uR": [*all_planes(), {"plane": 12, "angle": "theta_sb", "phase": 0.3}],
    }


def random_model(rng, mixing=rotated):
    charges = {f"X_{f}": rng.uniform(-5, 5, 3).tolist() for f in "qledu"}
    charges["X_H"] = float(rng.uniform(-2, 2))
    mixing = mixing if isinstance(mixing, dict) else mixing(rng)
    return Model.from_dict(
        {"name": "random", "title": "random", "charges": charges, "mixing": mixing}
    )


def random_point(rng):
    """epsilon_hat, g_hat, theta_sb, M_X."""
    return (*rng.uniform([-1, -1, -3.2], [1, 1, 3.2]), rng.uniform(1000, 10000))


def exchanges(operator):
    """Permutations of ijkl that leave the operator unchanged."""
    first, second = FOUR_FERMION[operator]
    group = [(0, 1, 2, 3)]
    if first == second:
        group.append((2, 3, 0, 1))
    if operator == "ee":  # no SU(2), no colour, one chirality: Fierz rearrangement
        group += [(0, 3, 2, 1), (2, 1, 0, 3)]
    return group


def random_operators(rng):
    """Numbers in place of operators, with their symmetries."""
    values = {}
    for name in FOUR_FERMION:
        group = exchanges(name)
        t = rng.normal(size=(3, 3, 3, 3)) + 1j * rng.normal(size=(3, 3, 3, 3))
        t = sum(t.transpose(p) for p in group) / len(group)
        values[name] = (t + t.transpose(1, 0, 3, 2).conj()) / 2
    for name in HIGGS_FERMION:
        t = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
        values[name] = t + t.conj().T
    values["phiBox"], values["phiD"] = rng.normal(size=2)
    return values


def rotation(plane, angle, phase=0.0):
    """The matrix of eq. (3.2), in any plane, with a phase as in the standard parametrisation."""
    i, j = plane // 10 - 1, plane % 10 - 1
    matrix = np.eye(3, dtype=complex)
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[i, j], matrix[j, i] = np.sin(angle) * np.exp([-1j * phase, 1j * phase]) * [1, -1]
    return matrix


def mixing_matrix(model, name, theta):
    """Product of a model's rotations, from left to right."""
    result = np.eye(3)
    for r in model.mixing.get(name, ()):
        angle = theta if r["angle"] == "theta_sb" else r["angle"]
        result = result @ rotation(r["plane"], angle, r["phase"])
    return result


def current_terms(model, epsilon_hat, g_hat, theta, m_x):
    """Terms of J - epsilon j: (field, coupling, matrix in mass eigenstates)."""
    g, g_eps = g_hat * m_x / 3000, smeft.g_prime(m_x) * epsilon_hat * m_x / 3000
    v = {
        f: mixing_matrix(model, n, theta) for n, f in (("V_dL", "q"), ("V_dR", "d"), ("V_uR", "u"))
    }
    terms = [("H", g * model.charges["X_H"] - g_eps * Y["H"], None)]
    for f in "qledu":
        for k in range(3):  # psi'_k = sum_j V_kj psi_j
            row = v.get(f, np.eye(3))[k]
            coupling = g * model.charges[f"X_{f}"][k] - g_eps * Y[f]
            terms.append((f, coupling, np.outer(row.conj(), row)))
    return terms


def product(first, second, operators):
    """Value of the ordered product of two currents."""
    (f, _, a), (g, _, b) = first, second
    if f == g == "H":  # (H† i<->D H)^2 = Q_box + 4 Q_D, see test_higgs_current_squared
        return operators["phiBox"] + 4 * operators["phiD"]
    if f == "H":
        name = next(n for n, field in HIGGS_FERMION.items() if field == g)
        return np.sum(b * operators[name])
    if g == "H":
        return product(second, first, operators)
    for name, fields in FOUR_FERMION.items():
        if fields == f + g:
            return np.einsum("ij,kl,ijkl", a, b, operators[name])
    return product(second, first, operators)


def brute_force(terms, m_x, operators):
    """-(sum of currents)^2 / (2 M_X^2), every ordered term, and the sum of their moduli."""
    values = [
        -a[1] * b[1] / (2 * m_x**2) * product(a, b, operators)
        for a, b in itertools.product(terms, repeat=2)
    ]
    return sum(values), np.abs(values).sum()


def indices(name):
    return tuple(int(i) - 1 for i in name.partition("_")[2])


def is_hermitian(name):
    operator, index = name.partition("_")[0], indices(name)
    if len(index) < 4:
        return not index or index[0] == index[1]
    conjugate = (index[1], index[0], index[3], index[2])
    return any(tuple(index[p] for p in g) == conjugate for g in exchanges(operator))


def non_redundant(coefficients, operators):
    """Sum of C O (+ h.c. where O is not Hermitian): the meaning of a WCxf file."""
    total = 0
    for name, c in coefficients.items():
        o = operators[name.partition("_")[0]]
        value = c * (o[indices(name)] if indices(name) else o)
        total += value if is_hermitian(name) else value + np.conj(value)
    return total


@pytest.mark.parametrize("kind", [PAPERS, rotated])
@pytest.mark.parametrize("seed", range(4))
def test_lagrangian_equals_brute_force(seed, kind):
    """Truth: all ordered products of currents, on random numbers with the operators' symmetries."""
    rng = np.random.default_rng(seed)
    model, point = random_model(rng, kind), random_point(rng)
    operators = random_operators(rng)
    expected, size = brute_force(current_terms(model, *point), point[3], operators)
    found = non_redundant(model.smeft(*point[:3], M_X=point[3]), operators)
    assert abs(found - expected) < 1e-13 * size


def test_lagrangian_equals_square_of_commuting_currents():
    """Truth: one square of one number; ee needs no Fierz identity, its 1221 entries are zero."""
    rng = np.random.default_rng(7)
    model, point = random_model(rng), random_point(rng)
    currents = {f: rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)) for f in "qledu"}
    currents = {f: (j + j.conj().T) for f, j in currents.items()}
    operators = {
        name: np.multiply.outer(currents[f[0]], currents[f[1]]) for name, f in FOUR_FERMION.items()
    }
    a = complex(*rng.normal(size=2))  # H† D H in one dimension
    higgs = -2 * a.imag
    operators |= {name: higgs * currents[f] for name, f in HIGGS_FERMION.items()}
    operators |= {"phiBox": -4 * a.real**2, "phiD": abs(a) ** 2}
    total = sum(
        c * (higgs if f == "H" else np.sum(m * currents[f]))
        for f, c, m in current_terms(model, *point)
    )
    found = non_redundant(model.smeft(*point[:3], M_X=point[3]), operators)
    assert found == pytest.approx(-(total**2) / (2 * point[3] ** 2), rel=1e-11)


@pytest.mark.parametrize("seed", range(4))
def test_wilson_understands_the_same_lagrangian(seed):
    """Truth: wilson's symmetrised tensors, summed over all indices, against brute force."""
    from wilson.util import smeftutil

    rng = np.random.default_rng(100 + seed)
    model, point = random_model(rng), random_point(rng)
    operators = random_operators(rng)
    arrays = smeftutil.wcxf2arrays_symmetrized(model.smeft(*point[:3], M_X=point[3]))
    for name, array in arrays.items():
        assert name in operators or not np.any(array), name
    found = sum(np.sum(arrays[name] * operators[name]) for name in operators)
    expected, size = brute_force(current_terms(model, *point), point[3], operators)
    assert abs(found - expected) < 1e-13 * size


@pytest.mark.parametrize("seed", range(4))
def test_every_coefficient_equals_the_redundant_tensor(seed):
    """Truth: tensors filled term by term, averaged over the symmetries, converted by wilson."""
    from wilson.util import smeftutil

    rng = np.random.default_rng(200 + seed)
    model, point = random_model(rng), random_point(rng)
    tensors = {name: np.zeros((3, 3, 3, 3), complex) for name in FOUR_FERMION}
    tensors |= {name: np.zeros((3, 3), complex) for name in HIGGS_FERMION}
    tensors |= {"phiBox": 0.0, "phiD": 0.0}
    pairs = {fields: name for name, fields in FOUR_FERMION.items()}
    for (f, c, a), (g, d, b) in itertools.product(current_terms(model, *point), repeat=2):
        factor = -c * d / (2 * point[3] ** 2)
        if f == g == "H":
            tensors["phiBox"] += factor
            tensors["phiD"] += 4 * factor
        elif "H" in (f, g):
            field, matrix = (g, b) if f == "H" else (f, a)
            name = next(n for n, x in HIGGS_FERMION.items() if x == field)
            tensors[name] += factor * matrix
        elif f + g in pairs:
            tensors[pairs[f + g]] += factor * np.multiply.outer(a, b)
        else:
            tensors[pairs[g + f]] += factor * np.multiply.outer(b, a)
    for name in FOUR_FERMION:
        group = exchanges(name)
        tensors[name] = sum(tensors[name].transpose(p) for p in group) / len(group)
    expected = smeftutil.arrays2wcxf_nonred(smeftutil.add_missing(tensors))
    found = model.smeft(*point[:3], M_X=point[3])
    scale = max(map(abs, expected.values()))
    assert set(expected) <= set(found)
    for name, value in found.items():
        assert value == pytest.approx(expected.get(name, 0), rel=1e-10, abs=1e-14 * scale), name


def test_names_and_reality_are_those_of_wcxf():
    """Truth: wilson's definition of the basis; it says which operators are Hermitian, too."""
    from wilson import wcxf

    basis = wcxf.Basis["SMEFT", "Warsaw"]
    definition = {k: v or {} for s in basis.sectors.values() for k, v in s.items()}
    names = random_model(np.random.default_rng(1)).smeft(0.3, 0.2, 0.1)
    assert set(names) <= set(basis.all_wcs)
    every = "qq1 uu dd ud1 qu1 qd1 phiq1 phiu phid".split()
    quarks = {name for name in basis.all_wcs if name.partition("_")[0] in every}
    assert {name for name in names if name.partition("_")[0] in every} == quarks
    for name in names:
        assert bool(definition[name].get("real", False)) == is_hermitian(name), name
    wcxf.WC("SMEFT", "Warsaw", 3000, wcxf.WC.dict2values(names)).validate()


def test_wilson_round_trip_keeps_the_coefficients():
    """Truth: identity; fails if two names were given for one operator."""
    from wilson.util import smeftutil

    rng = np.random.default_rng(3)
    found = random_model(rng).smeft(0.4, -0.3, 0.7)
    back = smeftutil.arrays2wcxf_nonred(smeftutil.wcxf2arrays_symmetrized(found))
    scale = max(map(abs, found.values()))
    for name in set(found) | set(back):
        assert back.get(name, 0) == pytest.approx(found.get(name, 0), abs=1e-13 * scale), name


def test_higgs_current_squared():
    """Truth: integral over a periodic box of (H† i<->D H)^2 with random H(x), a gauge field too."""
    rng = np.random.default_rng(5)
    n, modes = 64, 5
    x = 2 * np.pi * np.arange(n) / n
    k = np.arange(-modes, modes + 1)
    waves = np.exp(1j * np.outer(k, x))
    c = rng.normal(size=(2, k.size)) + 1j * rng.normal(size=(2, k.size))
    h, dh = c @ waves, (c * 1j * k) @ waves
    gauge = rng.normal(size=3) @ np.cos(np.outer(np.arange(3), x))  # D = d + i B
    dh = dh + 1j * gauge * h
    h_dh = np.sum(h.conj() * dh, axis=0)
    current = 1j * (h_dh - h_dh.conj())
    hh = np.sum(abs(h) ** 2, axis=0)
    spectrum = np.fft.fft(hh)
    box = np.fft.ifft(-(np.fft.fftfreq(n, 1 / n) ** 2) * spectrum).real
    assert np.abs(current.imag).max() < 1e-10 * np.abs(current).max()
    assert np.sum(current.real**2) == pytest.approx(
        np.sum(hh * box) + 4 * np.sum(abs(h_dh) ** 2), rel=1e-10
    )


def test_higgs_coefficients():
    """Truth: eqs (2.29), (2.30) for X_H alone, where everything else vanishes."""
    charges = {f"X_{f}": [0, 0, 0] for f in "qledu"} | {"X_H": 0.7}
    model = Model.from_dict({"name": "h", "title": "h", "charges": charges, "mixing": PAPERS})
    found = model.smeft(0, 0.3, 0.2)
    assert found["phiBox"] == pytest.approx(-((0.7 * 0.3) ** 2) / (2 * 3000**2), rel=1e-14)
    assert found["phiD"] == pytest.approx(4 * found["phiBox"], rel=1e-14)
    assert not any(v for k, v in found.items() if k not in ("phiBox", "phiD"))


def test_charges_along_hypercharge_cancel_kinetic_mixing():
    """Truth: X = Y with g_X = g' epsilon gives J = epsilon j, no operator at all."""
    charges = {f"X_{f}": [Y[f]] * 3 for f in "qledu"} | {"X_H": Y["H"]}
    model = Model.from_dict({"name": "y", "title": "y", "charges": charges, "mixing": PAPERS})
    m_x = 4321.0
    found = model.smeft(0.8, 0.8 * smeft.g_prime(m_x), 0.4, M_X=m_x)
    assert max(map(abs, found.values())) < 1e-30


def b3_l2(epsilon_hat, g_hat, theta, m_x):
    """Coefficients, g_X, g' epsilon and Xi_23 = -g_X sin(2 theta) / 2 of the B3-L2 model."""
    found = Model.load("b3-l2").smeft(epsilon_hat, g_hat, theta, M_X=m_x)
    g, g_eps = g_hat * m_x / 3000, smeft.g_prime(m_x) * epsilon_hat * m_x / 3000
    return found, g, g_eps, -g * np.sin(2 * theta) / 2


POINTS = [(0.0, 0.12, -0.11, 3000.0), (-0.92, 0.078, -0.17, 3000.0), (0.5, -0.2, 0.9, 7000.0)]


@pytest.mark.parametrize("point", POINTS)
def test_closed_forms_of_the_paper(point):
    """Truth: eqs (A.2) and (A.3)."""
    found, g, g_eps, xi = b3_l2(*point)
    m2 = point[3] ** 2
    expected = {
        "lq1_2223": -(-3 * g + g_eps / 2) * xi / m2,
        "lq1_1123": -g_eps * xi / (2 * m2),
        "qe_2322": -(-3 * g + g_eps) * xi / m2,
        "qe_2311": -g_eps * xi / m2,
        "phiq1_23": g_eps * xi / (2 * m2),
    }
    for name, value in expected.items():
        assert found.get(name, 0) == pytest.approx(value, rel=1e-12), name
    absent = ["lq3_2223", "phiq3_23", "ed_2223", "ld_2223", "phid_23", "ledq_2223", "ledq_2232"]
    assert not any(found.get(name, 0) for name in absent)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("s2w", [0.0, 0.231, 0.7])
def test_c9_and_c10(point, s2w):
    """Truth: eq. (4.4), from the matching (A.1), for any s_W^2."""
    found, g, g_eps, _ = b3_l2(*point)
    prefactor = -g * np.sin(2 * point[2]) / point[3] ** 2
    for lepton, muonic in ((1, 0), (2, 1)):
        lq, qe, phi = (
            found.get(n, 0)
            for n in (f"lq1_{lepton}{lepton}23", f"qe_23{lepton}{lepton}", "phiq1_23")
        )
        c9 = qe + lq - (1 - 4 * s2w) * phi
        c10 = qe - lq + phi
        size = abs(qe) + abs(lq)
        assert abs(c9 - prefactor * (3 * g * muonic + g_eps * (s2w - 1))) <= 1e-13 * size
        assert abs(c10) <= 1e-14 * size


parameter = st.integers(-(10**6), 10**6).map(lambda n: n / 10**6)  # squares do not underflow
angle = st.floats(-4, 4)
mass = st.floats(500, 1e5)


def assert_equal(first, second):
    scale = max(map(abs, first.values()), default=0)
    for name in {*first, *second}:
        ours, theirs = first.get(name, 0), second.get(name, 0)
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-14 * scale), name


MODEL = random_model(np.random.default_rng(11), PAPERS)


@settings(deadline=None, max_examples=50)
@given(parameter, parameter, angle, mass)
def test_half_a_turn_changes_nothing(epsilon_hat, g_hat, theta, m_x):
    """Truth: theta_sb + pi only changes the signs of the s and b fields."""
    first = MODEL.smeft(epsilon_hat, g_hat, theta, M_X=m_x)
    assert_equal(first, MODEL.smeft(epsilon_hat, g_hat, theta + np.pi, M_X=m_x))


@settings(deadline=None, max_examples=50)
@given(parameter, parameter, angle, mass)
def test_sign_of_the_vector_field_changes_nothing(epsilon_hat, g_hat, theta, m_x):
    """Truth: X_mu -> -X_mu maps (epsilon, g_X) to (-epsilon, -g_X)."""
    first = MODEL.smeft(epsilon_hat, g_hat, theta, M_X=m_x)
    assert_equal(first, MODEL.smeft(-epsilon_hat, -g_hat, theta, M_X=m_x))


@settings(deadline=None, max_examples=50)
@given(parameter, parameter, angle, mass)
def test_mass_enters_through_g_prime_only(epsilon_hat, g_hat, theta, m_x):
    """Truth: eq. (4.1), the hatted variables absorb M_X up to g'(M_X)."""
    ratio = smeft.g_prime(m_x) / smeft.g_prime(3000)
    first = MODEL.smeft(epsilon_hat, g_hat, theta, M_X=m_x)
    assert_equal(first, MODEL.smeft(epsilon_hat * ratio, g_hat, theta, M_X=3000.0))


@settings(deadline=None, max_examples=50)
@given(parameter, parameter, angle, parameter)
def test_couplings_scale_all_coefficients(epsilon_hat, g_hat, theta, factor):
    """Truth: L is quadratic in the current."""
    first = MODEL.smeft(epsilon_hat, g_hat, theta)
    second = MODEL.smeft(epsilon_hat * factor, g_hat * factor, theta)
    assert_equal({k: v * factor**2 for k, v in first.items()}, second)


def test_vectorised_equals_scalar():
    """Truth: the same points one by one; also broadcasting of scalars."""
    points = np.random.default_rng(2).uniform(-1, 1, (17, 3))
    bulk = MODEL.smeft(*points.T)
    for i, point in enumerate(points):
        one = MODEL.smeft(*map(float, point))
        assert {k: v[i] for k, v in bulk.items()} == one
        assert all(type(v) is float for v in one.values())
    plane = MODEL.smeft(0.0, points[:, 1], points[:, 2])
    full = MODEL.smeft(np.zeros(17), points[:, 1], points[:, 2])
    assert all(np.array_equal(plane[k], full[k]) and plane[k].shape == (17,) for k in full)


def test_parameters_by_name_or_in_order():
    """Truth: the same call, written differently."""
    expected = MODEL.smeft(0.3, 0.2, -0.4, M_X=2000.0)
    assert MODEL.smeft(theta_sb=-0.4, g_hat=0.2, epsilon_hat=0.3, M_X=2000.0) == expected
    assert MODEL.smeft(0.3, 0.2, theta_sb=-0.4, M_X=2000.0) == expected
    for wrong, named in (((0.3, 0.2), {}), ((1, 2, 3, 4), {}), ((0.3, 0.2, 0.1), {"g_hat": 1})):
        with pytest.raises(TypeError, match="its parameters are epsilon_hat, g_hat, theta_sb"):
            MODEL.smeft(*wrong, **named)


def test_cp_conjugation():
    """Truth: all phases reversed, all coefficients complex conjugate."""
    model = random_model(np.random.default_rng(4))
    mirrored = {
        matrix: tuple({**r, "phase": -r["phase"]} for r in rotations)
        for matrix, rotations in model.mixing.items()
    }
    first = model.smeft(0.3, 0.2, -0.4)
    second = dataclasses.replace(model, mixing=mirrored).smeft(0.3, 0.2, -0.4)
    assert sum(isinstance(x, complex) for x in first.values()) > 200
    assert_equal({k: np.conj(v) for k, v in first.items()}, second)


@pytest.mark.parametrize("scale", [500.0, 3000.0, 1e5])
def test_g_prime_is_wilsons(scale):
    """Truth: wilson's own Standard Model parameters at the matching scale."""
    from wilson import wcxf
    from wilson.run.smeft import SMEFT

    expected = SMEFT(wcxf.WC("SMEFT", "Warsaw", scale, {})).C_in["gp"]
    assert smeft.g_prime(scale) == pytest.approx(expected.real, rel=1e-9)


def mixed(epsilon, g_x, M_X, x, y, t3, v):
    """Mass and coupling of the heaviest boson, by diagonalising (2.1) and the W3 numerically.

    Fields X, B, W3; a Higgs field of charge 1 under X, so that the masses mix, too.
    """
    g_prime, g = smeft.g_prime(M_X), 0.63
    kinetic = np.array([[1, epsilon, 0], [epsilon, 1, 0], [0, 0, 1]])
    higgs = np.array([g_x * 1.0, g_prime / 2, -g / 2])  # of the component with the vev v / sqrt(2)
    masses = np.diag([M_X**2, 0, 0]) + v**2 * np.outer(higgs, higgs)
    squares, fields = scipy.linalg.eigh(masses, kinetic)
    coupling = fields[:, -1] @ [g_x * x, g_prime * y, g * t3]
    return squares[-1] ** 0.5, coupling * np.sign(fields[0, -1])


@pytest.mark.parametrize("epsilon", [0.0, -0.86, 0.5, 0.99])
def test_physical_mass_and_couplings_by_diagonalisation(epsilon):
    """The formulas are exact without a vev, and off by the order of v^2/M_X^2 with one."""
    for M_X in (1000.0, 3000.0):
        e, g = epsilon * 3000 / M_X, 0.078
        ours = smeft.zprime(e, g, M_X)
        for x, y, t3 in ((1.0, 1 / 6, 0.5), (0.0, -1.0, 0.0), (-3.0, -0.5, -0.5)):
            coupling = ours["g_X"] * x + ours["g_Y"] * y
            g_x = g * M_X / 3000
            mass, numerical = mixed(epsilon, g_x, M_X, x, y, t3, v=0.0)
            assert ours["mass"] == pytest.approx(mass, rel=1e-9)
            assert coupling == pytest.approx(numerical, abs=1e-9)
            errors = [
                np.subtract(mixed(epsilon, g_x, M_X, x, y, t3, v), (ours["mass"], coupling))
                / (ours["mass"], 1)
                for v in (246.0, 123.0)
            ]
            assert np.abs(errors[0]).max() < (246 / M_X) ** 2
            ratio = errors[0][np.abs(errors[0]) > 1e-6] / errors[1][np.abs(errors[0]) > 1e-6]
            np.testing.assert_allclose(ratio, 4, rtol=0.05)


def test_there_is_no_physical_boson_beyond_the_limit():
    """|epsilon| >= 1: a kinetic term is not positive."""
    for epsilon in (1.0, -1.2, -1 + 2e-6):
        assert set(smeft.zprime(epsilon, 0.1).values()) == {None}
    assert smeft.zprime(-0.5, 0.1, 6000.0)["mass"] is None
    assert smeft.zprime(-0.5, 0.1, 3000.0)["mass"] == pytest.approx(3000 / 0.75**0.5)
