"""Planes of C9: against smelli and flavio, and against closed formulas of a model that is a toy."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest

from malaphoric import store
from malaphoric.data import categories, measurements
from malaphoric.engines import compiled, running
from malaphoric.engines.exact import ExactEngine
from malaphoric.engines.protocol import Evaluation
from malaphoric.inference import c9
from malaphoric.inference.results import Fit, Fits
from malaphoric.physics.model import Model
from malaphoric.report import figures
from test_figures import PAGE, entries, texts

NAMES = c9.PLANES["c9"]


@pytest.fixture(scope="module")
def data():
    return measurements.make_likelihood()


# ------------------------------------------------------------------------------------ the numbers


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("b3-l2", [[-0.92, 0.078, -0.17], [0.3, 0.12, 0.05]]),
        ("deformed-hypercharge", [[0.6, 0.04, 0.32, 0.03], [0.2, 0.03, 0.1, -0.05]]),
    ],
)
def test_coefficients_of_a_point(name, points):
    """Truth: wilson's at the CKM elements that smelli extracts; C9 of e, mu, tau, and primed."""
    model, points = Model.load(name), np.array(points)
    names = [f"{c}_bs{lep}{lep}" for c in ("C9", "C10", "C9p") for lep in compiled.LEPTONS]
    table = compiled.Table.load()
    engine = compiled.CompiledEngine(table, running.run(model, table=table))
    ours = engine.coefficients(points, engine.evaluate(points).ckm, c9.PORT, names)
    for point, found in zip(points, ours, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            w = ExactEngine(model).wilson(point)
            gp = categories.global_likelihood().parameter_point(w)
            assert gp.par_dict_np["Vcb"] > 0  # extracts them, and sets them in gp.w
            truth = gp.w.match_run(4.8, "WET", "flavio", sectors=("sb",)).dict
        truth = np.array([truth.get(n, 0) for n in names])
        np.testing.assert_allclose(found, truth, rtol=0, atol=2e-4 * abs(truth).max())


def test_no_coefficients_without_ckm_elements():
    """Where the extraction fails, and of what is no point."""
    table = compiled.Table.load()
    engine = compiled.CompiledEngine(table, running.run(Model.load("b3-l2"), table=table))
    points = np.array([[0.5, 0.35, -0.4], [np.nan, 0.1, 0.1], [-0.9, 0.08, -0.17]])
    found = engine.coefficients(points, engine.evaluate(points).ckm, c9.PORT, list(NAMES))
    assert np.isfinite(found).all(axis=1).tolist() == [False, False, True]


def test_the_direct_fit_begins_at_the_standard_model(data):
    """Truth: smelli's chi2 without new physics."""
    found = c9.direct_chi2(data, c9.direct_engine(NAMES), np.zeros((1, 2)))
    assert found[0] == pytest.approx(data.chi2_sm["quarks"] + data.chi2_sm["LFU"], abs=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "point"),
    [(NAMES, (-0.8, -1.0)), (c9.PLANES["c9_primed"], (-0.7, 0.3))],
)
def test_direct_fit_against_flavio(data, names, point):
    """Truth: smelli and flavio, given these coefficients and nothing else."""
    from wilson import Wilson

    predictions = data.sm.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parameters = categories.global_likelihood().par_dict_sm
        w = Wilson(dict(zip(names, point, strict=True)), 4.8, "WET", "flavio")
        for category in c9.CATEGORIES:
            likelihood = categories.smelli_likelihood(category)
            whole = getattr(likelihood, "full_measurement_likelihood", None)
            found = (whole or likelihood.measurement_likelihood).get_predictions_par(parameters, w)
            for name in categories.observables_by_category()[category]:
                predictions[data.observables.index(name)] = found[name]
    truth = data.chi2(predictions[np.newaxis])
    ours = c9.direct_chi2(data, c9.direct_engine(names), np.array([point]))[0]
    truth = sum(truth[name][0] for name in c9.CATEGORIES)
    assert ours == pytest.approx(truth, abs=0.02)
    assert abs(truth - data.chi2_sm["quarks"] - data.chi2_sm["LFU"]) > 5  # it is not a trivial one


# ----------------------------------------------------------------------------- what a model reaches

# three parameters, of which the coefficients are linear combinations
MINIMUM, ERRORS = np.array([0.2, -0.3, 0.1]), np.array([0.5, 0.4, 0.3])
LINEAR = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, -0.5]])
BOX = {"a": (-3.0, 3.0), "b": (-3.0, 3.0), "c": (-3.0, 3.0)}


class Toy:
    """chi2 and coefficients of a model whose answers are known."""

    M_X = 3000.0

    def __init__(self, linear=LINEAR):
        self.linear, self.engine, self.data = linear, self, self
        self.n_obs = {"quarks": 1, "EWPOs": 1, "global": 2}

    def of(self, selection):
        return self

    def evaluate(self, points, block):
        return Evaluation(points, np.zeros((len(points), 4)), np.full(len(points), ""))

    def chi2(self, predictions, size):
        value = (((predictions - MINIMUM) / ERRORS) ** 2).sum(axis=1)
        return {"quarks": value, "EWPOs": 0 * value, "global": value + 7}

    def coefficients(self, points, ckm, port, names):
        assert (port, names) == (c9.PORT, list(NAMES))
        return points @ self.linear.T + 0j


def reach(linear=LINEAR, box=BOX):
    return c9.Reach(Toy(linear), box, NAMES, np.empty((0, 3)))


def test_a_model_held_at_nodes():
    """Truth: the profile of a Gaussian in two linear combinations, by its covariance there."""
    x = np.linspace(-1, 1, 9)
    nodes = c9._lattice(x, x)
    told = []
    chi2, places = reach().held(nodes, np.eye(2), 0.05, told.append)
    assert told == sorted(told)
    assert 0 <= told[0] < 0.2
    assert 0.5 < told[-1] <= 1
    off = nodes - LINEAR @ MINIMUM
    inverse = np.linalg.inv(LINEAR @ np.diag(ERRORS**2) @ LINEAR.T)
    truth = np.einsum("...i,ij,...j->...", off, inverse, off)
    assert list(chi2) == ["quarks", "global"]  # EWPOs say nothing of C9
    near = truth < 8
    assert near.sum() > 20
    np.testing.assert_allclose(chi2["quarks"][near], truth[near], atol=0.06)
    np.testing.assert_allclose(chi2["global"][near], truth[near] + 7, atol=0.06)
    np.testing.assert_allclose(places["global"][near], nodes[near], atol=0.03)


def test_what_the_box_does_not_reach():
    """Truth: the first coefficient is 0.4 or less, so that minima of nodes beyond lie there."""
    box = {"a": (-3.0, 0.4), "b": (0.0, 0.0), "c": (-3.0, 3.0)}
    nodes = np.array([[0.2, 0.0], [0.7, 0.0]])
    _, places = reach(box=box).held(nodes, np.eye(2), 0.02)
    np.testing.assert_allclose(places["quarks"][:, 0], [0.2, 0.4], atol=0.01)


def test_no_bump_beside_the_edge():
    """Truth: chi2 at the edge, 0.38, from where no chi2 pulls a node a fifth of a step beyond."""
    box = {"a": (-3.0, 0.38), "b": (0.0, 0.0), "c": (-3.0, 3.0)}
    x, y = np.linspace(0, 0.4, 5), np.linspace(-0.2, 0.2, 5)
    chi2, _ = reach(box=box).held(c9._lattice(x, y), np.eye(2), 0.25 * 0.1)
    point = np.array([[0.38, 0.0, -2 * value] for value in y])
    truth = (((point - MINIMUM) / ERRORS) ** 2).sum(axis=1)
    np.testing.assert_allclose(chi2["quarks"][-1, 1:-1], truth[1:-1], atol=0.06)


@pytest.mark.parametrize(
    ("linear", "box", "number"),
    [
        (LINEAR, BOX, 2),
        (LINEAR * [[0.001], [1]], BOX, 1),  # hardly any C9 of electrons
        (LINEAR * 1e-4, BOX, 0),  # no change of flavour
        (LINEAR, {**BOX, "a": (0.1, 0.1), "b": (0.1, 0.1)}, 1),
        (LINEAR, {"a": (0.1, 0.1), "b": (0.1, 0.1), "c": (0.1, 0.1)}, 0),
    ],
)
def test_how_many_directions_a_model_has(linear, box, number):
    """Truth: its coefficients and its free parameters."""
    found = reach(linear, box).directions(np.array([-2.0, -2.0]), np.array([2.0, 2.0]))
    assert found.shape == (2, number)
    np.testing.assert_allclose(found.T @ found, np.eye(number), atol=1e-12)


def test_a_model_on_a_line():
    """Truth: C9 of muons alone is Gaussian."""
    model = reach(LINEAR * [[0], [1]])
    low, high = np.array([-1.5, -1.5]), np.array([1.5, 1.5])
    chi2, places = c9._reached(model, c9._lattice(*[np.linspace(-1.5, 1.5, 5)] * 2), low, high)
    mean = LINEAR[1] @ MINIMUM
    error = np.sqrt(LINEAR[1] ** 2 @ ERRORS**2)
    known = chi2["quarks"] < 8
    truth = ((places["quarks"][known, 1] - mean) / error) ** 2
    np.testing.assert_allclose(chi2["quarks"][known], truth, atol=0.06)
    np.testing.assert_allclose(places["quarks"][known, 0], 0, atol=1e-12)
    assert known.sum() > 20


# ------------------------------------------------------------------------------------- the figures


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Draw a plane of given numbers; returns the figure."""
    kept, save = [], figures._save
    monkeypatch.setattr(figures, "_save", lambda *a: (kept.append(a[0]), save(*a)))

    def draw(chi2, places, direct=True, rough=3):
        x = np.linspace(-1, 1, 21)
        with store.create(tmp_path / "c9.h5") as file:
            group = file.create_group("c9")
            group.attrs["categories"] = json.dumps(["quarks", "global"])
            group.attrs["rough"] = json.dumps({"quarks": 2, "global": rough})
            store.write_array(group, "x", x)
            store.write_array(group, "y", x)
            store.write_array(group, "chi2", np.array([chi2, chi2]))
            store.write_array(group, "places", np.array([places, places]))
            if direct:
                nodes = c9._lattice(x, x)
                store.write_array(group, "direct", 40 * ((nodes + 0.3) ** 2).sum(axis=-1))
                store.write_array(group, "direct_best", np.array([-0.3, -0.3]))
        files = tmp_path / "c9.pdf", tmp_path / "c9.png"
        best = Fit(C9={"C9_bsee": -0.2, "C9_bsmumu": -0.4})
        fits = Fits(held={"malaphoric": {}}, found={"malaphoric": best})
        figures.c9_plane(tmp_path / "c9.h5", replace(PAGE, fits=fits), *files)
        assert files[0].read_bytes().startswith(b"%PDF")
        return kept[-1]

    draw.nodes = c9._lattice(*[np.linspace(-1, 1, 21)] * 2)
    return draw


def test_a_plane(draw):
    """Regions of both, best fit and SM; no edge where all is reached."""
    figure = draw(60 * (draw.nodes**2).sum(axis=-1), draw.nodes)
    expected = {"quarks 68%", "global 68%", "global 95%", "direct fit 68%", "direct fit 95%"}
    assert {*expected, "best fit", "best direct fit", "SM"} == set(entries(figure))
    lines = [c for c in figure.axes[0].collections if hasattr(c, "levels") and not c.filled]
    reached = max(p.vertices[:, 0].max() for c in lines for p in c.get_paths() if len(p.vertices))
    assert reached == pytest.approx(np.sqrt(5.99 / 60), abs=0.01)


def test_a_plane_that_is_reached_in_part(draw):
    """Nothing is filled where the model is not, and the edge is no contour of chi2."""
    places = draw.nodes.copy()
    places[..., 0] = np.minimum(places[..., 0], 0.0)
    figure = draw(60 * (draw.nodes**2).sum(axis=-1), places, direct=False)
    assert any("limit of the parameters" in entry for entry in entries(figure))
    clipped = [c for c in figure.axes[0].collections if c.get_zorder() in (3, 4)]
    assert clipped
    for artist in clipped:
        path, _ = artist.get_clip_path().get_transformed_path_and_affine()
        inverse = figure.axes[0].transData.inverted()
        assert inverse.transform(path.vertices)[:, 0].max() < 0.06


def test_nodes_without_a_lowest_chi2_are_said(draw):
    """Truth: their number, below the figure; a few are real kinks."""
    chi2 = 60 * (draw.nodes**2).sum(axis=-1)
    said = [[text.get_text() for text in draw(chi2, draw.nodes, rough=n).texts] for n in (3, 99)]
    assert not any("ragged" in text for text in said[0])
    assert any("global (99) nodes of 441" in text.replace("\n", " ") for text in said[1])


def test_a_line(draw):
    """68% and 95% of one parameter are marked on it."""
    y = np.linspace(-1, 1, 41)
    figure = draw(100 * y**2, np.stack([0 * y, y], axis=1))
    assert "global 95% (1 parameter)" in entries(figure)
    widest = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    found = next(line.get_ydata() for line in widest if len(line.get_ydata()) > 3)
    assert [found.min(), found.max()] == pytest.approx([-0.196, 0.196], abs=0.01)


def test_a_point_or_nothing(draw):
    """A model that changes no flavour, and one without a valid point."""
    figure = draw(np.array([5.0]), np.zeros((1, 2)))
    assert "all points of the model" in entries(figure)
    figure = draw(np.array([np.nan]), np.full((1, 2), np.nan))
    assert texts(figure) == ["no valid point"]
    assert not any("quarks" in entry or "global" in entry for entry in entries(figure))
