"""Charges linear in parameters, and flavour-changing ones, against models of plain numbers."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malaphoric import Model, load_likelihood
from malaphoric.physics import charges
from malaphoric.schema import ConfigurationError
from malaphoric.workflow.configuration import Configuration
from test_smeft import PAPERS, mixing_matrix

#: Charges of a model of two parameters, as Python reads them, too.
FORMULAS = {
    "X_q": [0, "a/3 - 1", "1 - a"],
    "X_l": ["-3*a", "(a + b)*2", 0.5],
    "X_e": ["-b", 0, "b - 2*(a - 1/2)"],
    "X_d": ["+a", "0.1*b", "1/3"],
    "X_u": [0, "a - b/7", -1],
    "X_H": "b/2 - a/2",
}


def model(charges=FORMULAS, **more):
    """A model of these charges with the paper's mixing."""
    return Model.from_dict(
        {"name": "m", "title": "m", "charges": charges, "mixing": PAPERS, **more}
    )


def written_in(a, b):
    """The charges with numbers in place of the parameters, by Python's own arithmetic."""

    def number(x):
        return float(eval(x, {"a": a, "b": b})) if isinstance(x, str) else x

    return {k: list(map(number, v)) if k != "X_H" else number(v) for k, v in FORMULAS.items()}


values = st.floats(-2, 2)


@settings(max_examples=50, deadline=None)
@given(values, values, st.floats(-1, 1), st.floats(0, 1), st.floats(-2, 2))
def test_parameters_are_numbers_written_in(a, b, epsilon_hat, g_hat, theta):
    """Truth: the model with the numbers in its file."""
    ours = model().smeft(epsilon_hat, g_hat, a, b, theta)
    theirs = model(written_in(a, b)).smeft(epsilon_hat, g_hat, theta)
    largest = max(map(abs, theirs.values()))
    for name, x in theirs.items():
        assert ours[name] == pytest.approx(x, rel=1e-12, abs=1e-14 * largest)


def test_many_points_at_once():
    """Truth: one point at a time."""
    points = np.random.default_rng(1).uniform(-1, 1, (7, 5))
    together = model().couplings(points)
    for point, row in zip(points, together.T, strict=True):
        assert np.allclose(model().couplings([point])[:, 0], row, rtol=1e-15, atol=0)


def test_only_the_product_with_the_coupling_counts():
    """Truth: charges proportional to a parameter are the same at equal products with g_hat."""
    own = model(
        {"X_q": [0, 0, "a"], "X_l": [0, "-3*a", 0], "X_e": [0, "-3*a", 0]}
        | {"X_d": [0, 0, "a"], "X_u": [0, 0, "a"], "X_H": 0}
    )
    assert own.parameters == ("epsilon_hat", "g_hat", "a", "theta_sb")
    one, two = own.smeft(-0.9, 0.08, 1, -0.17), own.smeft(-0.9, 0.04, 2, -0.17)
    assert one == pytest.approx(two, rel=1e-14)
    assert one == pytest.approx(Model.load("b3-l2").smeft(-0.9, 0.08, -0.17), rel=1e-14)


def test_parameters_in_their_order():
    """Truth: as documented: those of charges before angles, by first mention; M_X is known, too."""
    entry = {"families": 13, "charge": "k - a", "phase": "phi"}
    own = model(flavour_changing={"X_q": [entry]}, parameters={"k": {"label": "K", "size": 2}})
    assert own.parameters == ("epsilon_hat", "g_hat", "a", "b", "k", "theta_sb", "phi")
    assert tuple(own.records) == (*own.parameters, "M_X")
    units = {name: record.unit for name, record in own.records.items()}
    assert units == dict.fromkeys(own.parameters, "") | dict.fromkeys(
        ("theta_sb", "phi"), "rad"
    ) | {"M_X": "GeV"}
    assert [own.records[name].period for name in ("a", "theta_sb")] == [None, math.pi]
    assert (own.records["k"].symbol, own.records["k"].size) == ("K", 2)


@pytest.mark.parametrize("about", [(), ("label",), ("size", "range")])
def test_plain_data_make_the_same_model(about):
    """Truth: the model, and of what is said of parameters no more than was asked for."""
    said = {"a": {"label": "A", "range": [-1, 1], "size": 0.3}}
    entry = {"families": 13, "charge": "k - a", "phase": "phi"}
    own = model(flavour_changing={"X_d": [entry]}, parameters=said)
    again = Model.of(own.as_dict(*about))
    point = np.random.default_rng(2).uniform(-1, 1, len(own.parameters))
    assert again.parameters == own.parameters
    assert again.smeft(*point) == own.smeft(*point)
    assert again.as_dict() == own.as_dict() == model(flavour_changing={"X_d": [entry]}).as_dict()
    for key, attribute in (("label", "symbol"), ("range", "range"), ("size", "size")):
        mine, theirs = (getattr(m.records["a"], attribute) for m in (own, again))
        assert (mine == theirs) is (key in about)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("-3*a", "-3*a"),
        ("a*-3", "-3*a"),
        (" ( 1 - a ) / 3 ", "1/3 - 1/3*a"),
        ("0.1*(b + a)", "1/10*b + 1/10*a"),
        ("-a + a - 1/2", -0.5),
        ("1/3", 1 / 3),
        ("--a", "a"),
    ],
)
def test_one_form_for_whatever_is_written(text, form):
    """Truth: by hand."""
    assert charges.read(text) == charges.read(charges.read(text)) == form


def test_coefficients_are_exact():
    """Truth: rational numbers, which binary fractions are not."""
    found = charges.terms("0.1*a + a/5 - 1/3")
    assert found == {"a": Fraction(3, 10), "": Fraction(-1, 3)}


@settings(max_examples=100, deadline=None)
@given(st.tuples(values, values), st.tuples(values, values))
def test_largest_charge(one, two):
    """Truth: the four corners."""
    ranges = {"a": tuple(sorted(one)), "b": tuple(sorted(two))}
    corners = [1 - 2 * a + 3 * b for a in one for b in two]
    found = charges.largest("1 - 2*a + 3*b", ranges)
    assert found == pytest.approx(max(map(abs, corners)), abs=1e-12)
    assert charges.largest(-1.5, {}) == 1.5


# ------------------------------------------------------------------------------- flavour-changing


def test_entries_of_the_matrix_of_charges():
    """Truth: V† X V of the paper's mixing, whose entries are written into a model without any."""
    theta, x = 0.3, np.diag([0.0, 0.5, 2.0])
    plain = {**{f"X_{f}": [0, 1, -1] for f in "le"}, "X_d": [0] * 3, "X_u": [0] * 3, "X_H": 0}
    mixed = model({**plain, "X_q": np.diag(x).tolist()})
    v = mixing_matrix(mixed, "V_dL", theta)
    entries = (v.conj().T @ x @ v).real
    entry = {"families": 23, "charge": float(entries[1, 2])}
    data = {"name": "m", "title": "m", "mixing": {}, "flavour_changing": {"X_q": [entry]}}
    own = Model.from_dict({**data, "charges": {**plain, "X_q": np.diag(entries).tolist()}})
    assert own.smeft(0.2, 0.4) == pytest.approx(mixed.smeft(0.2, 0.4, theta), rel=1e-13, abs=1e-25)


def test_phase_of_an_entry():
    """Truth: X_23 = charge times exp(i phase), in -(l_22 q_23) / M_X^2, eq. (2.14)."""
    entry = {"families": 23, "charge": "kappa", "phase": "phi"}
    for f, name in (("q", "lq1_2223"), ("d", "ld_2223"), ("u", "lu_2223")):
        own = model(
            {**dict.fromkeys(("X_q", "X_d", "X_u", "X_e"), [0] * 3), "X_l": [0, 1, -1], "X_H": 0},
            flavour_changing={f"X_{f}": [entry, {"families": 23, "charge": 0.1}]},
        )
        c = own.smeft(epsilon_hat=0, g_hat=0.3, kappa=0.2, phi=0.7, theta_sb=0.4, M_X=3000)
        truth = -(0.3**2) * (0.2 * np.exp(0.7j) + 0.1) / 3000**2
        assert c[name] == pytest.approx(truth, rel=1e-14)
        assert c[f"{f * 2 if f != 'q' else 'qq1'}_2323"] == pytest.approx(
            -((0.3 * (0.2 * np.exp(0.7j) + 0.1)) ** 2) / 2 / 3000**2, rel=1e-14
        )


# ------------------------------------------------------------------------------ engine and runs


def test_compiled_likelihood():
    """Truth: that of the model with the numbers in its file; degenerate with g_hat where linear."""
    own = {k: [f"{x}*a" for x in v] for k, v in written_in(0.4, 0.2).items() if k != "X_H"}
    one = load_likelihood(model({**own, "X_H": 0}))
    two = load_likelihood(model({**written_in(0.4, 0.2), "X_H": 0}))
    assert one.parameters == ("epsilon_hat", "g_hat", "a", "theta_sb")
    points = np.array([[-0.5, 0.1, -0.02], [0.3, 0.05, 0.01], [0.0, 0.2, 0.005]])
    theirs = two.chi2(points)
    assert np.isfinite(theirs["global"]).all()
    for a in (1.0, -2.0, 0.3):
        there = np.insert(points / [1, a, 1], 2, a, axis=1)
        for name, values in one.chi2(there).items():
            assert np.allclose(values, theirs[name], rtol=1e-9, atol=1e-8), name


RANGE = {"a": {"range": [0, 2]}}


@pytest.fixture
def run(tmp_path):
    """A run configuration of a model of two parameters, one with a range."""

    def run(a, b=0.1):
        text = {"name": "m", "title": "m", "charges": FORMULAS, "mixing": {}, "parameters": RANGE}
        path = tmp_path / "m.yaml"
        path.write_text(repr(text))  # YAML, too
        own = {"epsilon_hat": {"min": -1, "max": 0, "points": 3}, "g_hat": 0.1, "a": a, "b": b}
        return Configuration({"run": "m", "model": str(path), "parameters": own})

    return run


def test_every_kind_of_value(run):
    """Truth: numbers, axes and profiled ones are accepted of any parameter, within its range."""
    axis = {"min": 0, "max": 2, "points": 5}
    assert run(axis).grid.scanned == ("epsilon_hat", "a")
    assert run(2).grid.size == 3
    assert run(axis, {"min": -1, "max": 1, "profile": True}).profiled == {"b": (-1, 1)}
    for value, key, said in (
        (2.1, "parameters.a:", "2.1"),
        ({**axis, "max": 3}, "parameters.a.max:", "3"),
        ({"min": -0.5, "max": 1, "profile": True}, "parameters.a.min:", "-0.5"),
    ):
        with pytest.raises(ConfigurationError, match=r"accepted: 0 to 2, .* of model m") as caught:
            run(value)
        assert key in str(caught.value)
        assert f"{said} is not accepted" in str(caught.value)
