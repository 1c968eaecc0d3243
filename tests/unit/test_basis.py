"""The monomials of a model against its matching, for models of every kind."""

import numpy as np
import pytest

from malaphoric.engines import basis, running
from malaphoric.physics import smeft
from malaphoric.physics.model import Model

INPUTS = running.Map.load().inputs

PAPERS = [{"plane": 23, "angle": "theta_sb"}]
EVERY = [{"plane": p, "angle": f"a{p}", "phase": f"f{p}"} for p in (12, 13, 23)]


def model(charges=None, **mixing):
    """The paper's charges, or others, with a mixing."""
    own = {k: list(v) if k != "X_H" else v for k, v in Model.load("b3-l2").charges.items()}
    return Model.from_dict(
        {"name": "m", "title": "m", "charges": {**own, **(charges or {})}, "mixing": mixing}
    )


ALL_DIFFERENT = {
    "X_q": [1, 1.5, -2], "X_l": [2, -1, 0], "X_e": [-1, 2, 1], "X_d": [0, 1, 2],
    "X_u": [1, 0, -1], "X_H": 1,
}  # fmt: skip

#: Models, and how many monomials each has: counted by hand, by harmonics of the angles.
MODELS = {
    # ε²; εg and g² with 1, cos 2θ, sin 2θ; g² with cos 4θ and sin 4θ, too
    "paper": (model(V_dL=PAPERS), 9),
    "no mixing": (model(), 3),
    "a fixed angle": (model(V_dL=[{"plane": 23, "angle": 0.3}]), 3),
    # s_R and b_R rotate, too: cos, sin of 2θ and 2θ' with εg and g², their squares and products
    "right-handed": (model(V_dL=PAPERS, V_dR=[{"plane": 23, "angle": "theta_R"}]), 19),
    "a phase": (model(V_dL=[{**PAPERS[0], "phase": "phi"}]), None),
    "everything": (model(ALL_DIFFERENT, V_dL=EVERY, V_dR=EVERY[1:], V_uR=EVERY[:1]), None),
}


@pytest.mark.parametrize("M_X", [700.0, 3000.0, None])
@pytest.mark.parametrize("name", MODELS)
def test_monomials_span_the_coefficients(name, M_X):
    """Truth: the matching itself, at other points than were sampled, far beyond them."""
    boson, size = MODELS[name]
    found, directions = basis.find(boson, M_X, INPUTS)
    assert size in (found.size, None)
    rng = np.random.default_rng(3)
    points = rng.uniform(-3, 3, (20, len(boson.parameters)))
    masses = np.full(20, M_X) if M_X else rng.uniform(500, 1e5, 20)
    given = points if M_X else np.column_stack([points, masses])
    ours = found.monomials(given).T @ directions
    coefficients = smeft.coefficients(boson.couplings(points, masses), masses)
    for column, (coefficient, part) in zip(ours.T, INPUTS, strict=True):
        value = coefficients[coefficient]
        truth = value.real if part == "re" else value.imag
        np.testing.assert_allclose(column, truth, rtol=0, atol=1e-12 * abs(ours).max())
    assert {name for name, _ in INPUTS} == set(coefficients)
    np.testing.assert_allclose(directions @ directions.T * 3000.0**4, np.eye(found.size), atol=1e-9)


def test_parity():
    """Truth: all phases reversed; odd monomials change sign, the others do not."""
    boson = MODELS["a phase"][0]
    found, _ = basis.find(boson, 3000.0, INPUTS)
    assert 0 < found.odd.sum() < found.size
    points = np.random.default_rng(5).uniform(-1, 1, (10, 4))
    mirrored = points * [1, 1, 1, -1]
    sign = np.where(found.odd, -1, 1)
    np.testing.assert_allclose(
        found.monomials(mirrored), found.monomials(points) * sign[:, None], atol=1e-14
    )
    assert not basis.find(MODELS["paper"][0], 3000.0, INPUTS)[0].odd.any()


def test_no_coupling_is_the_standard_model():
    """Truth: nothing is coupled, and every monomial is exactly zero."""
    for boson, _ in MODELS.values():
        found, _ = basis.find(boson, 3000.0, INPUTS)
        point = np.array([[0.0, 0.0, *[0.3] * (len(boson.parameters) - 2)]])
        assert not found.monomials(point).any()


def test_file(tmp_path):
    """Truth: what was saved, bit by bit."""
    import h5py

    for M_X in (700.0, None):
        found, _ = basis.find(MODELS["a phase"][0], M_X, INPUTS)
        with h5py.File(tmp_path / "file.h5", "w") as file:
            found.save(file.create_group("basis"))
            again = basis.Basis.load(file["basis"])
        points = np.random.default_rng(5).uniform(0.5, 1, (10, len(found.parameters)))
        assert again.parameters == found.parameters
        assert np.array_equal(again.monomials(points), found.monomials(points))
        assert np.array_equal(again.odd, found.odd)


def test_weights():
    """Truth: a polynomial of the logarithm is interpolated exactly, at and between nodes."""
    nodes = basis.nodes(5)
    values = 3 - nodes + nodes**4 / 100
    for M_X in (500.0, float(np.exp(nodes[2])), 3456.0, 1e5):
        x = np.log(M_X)
        assert basis.weights(M_X, 5) @ values == pytest.approx(3 - x + x**4 / 100, rel=1e-12)
    assert basis.weights(np.array([600.0, 900.0, 2e4]), 5).shape == (3, 5)
