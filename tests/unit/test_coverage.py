"""scripts/coverage.py: on a Gaussian toy whose coverage is known, with all that a run can have."""

import importlib.util
import re
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from malaphoric import store
from malaphoric.data.likelihood import NORMAL, Constraint, Likelihood
from malaphoric.engines.protocol import Evaluation
from malaphoric.inference.results import Fit, Fits
from malaphoric.physics.model import Model
from malaphoric.report.paper import FITS
from malaphoric.report.paper import PARAMETERS as AXES
from malaphoric.schema import ROOT, ConfigurationError

TRUTH, ERRORS = np.array([-0.5, 0.15, -0.17]), np.array([0.05, 0.02, 0.04])
CHARGES = {"X_q": [0, 0, 0.5], "X_l": [0, -1.5, 0], "X_e": [0, 0, 0], "X_d": [0, 0, 0]}
MINE = {
    "name": "mine",
    "charges": {**CHARGES, "X_u": [0, 0, 0], "X_H": 0},
    "mixing": {"V_dL": [{"plane": 23, "angle": "theta_sb"}]},
}


class Linear:
    """A theory whose predictions are some of the parameters themselves."""

    def __init__(self, columns):
        self.columns, self.observables = columns, [AXES[c] for c in columns]

    def evaluate(self, points, progress=None, **block):
        n = len(points)
        none = np.full(n, "", dtype=object)
        return Evaluation(points[:, self.columns].copy(), np.zeros((n, 4)), none)


@pytest.fixture
def coverage():
    spec = importlib.util.spec_from_file_location("coverage_script", ROOT / "scripts/coverage.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def toy(tmp_path, coverage, monkeypatch):
    """A finished run of a model given by path, two categories, an additional observable."""
    constraints = [
        Constraint(c, c, NORMAL, np.array([i]), {"central": x, "covariance": np.array([[e**2]])})
        for i, c, x, e in zip(
            (0, 1, 2, 0),
            ("quarks", "EWPOs", "EWPOs", "LFU"),
            (*TRUTH[:, np.newaxis], np.array([3.0])),
            (*ERRORS, 1e-3),
            strict=True,
        )
    ]
    data = Likelihood(list(AXES), constraints, np.zeros(3), np.zeros(3))
    data.save(tmp_path / "likelihood.h5")
    axes = [np.linspace(x - 4 * e, x + 4 * e, 33) for x, e in zip(TRUTH, ERRORS, strict=True)]
    mesh = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    chi2 = np.sum(((mesh - TRUTH) / ERRORS) ** 2, axis=-1)
    theory = {"model": MINE, "M_X": 3000.0, "smeft_accuracy": "leadinglog", "engine": "exact"}
    attributes = {"content": "scan", "theory": theory, "parameters": list(AXES)}
    with store.create(tmp_path / "scan.h5", **attributes) as file:
        names = ["quarks", "EWPOs", "global"]
        file.create_dataset("category", data=names, dtype=h5py.string_dtype(), track_times=False)
        for name, axis in zip(AXES, axes, strict=True):
            store.write_array(file, name, axis)
        store.write_array(file, "chi2", np.stack([chi2] * 3))
    fit = Fit(values=dict(zip(AXES, TRUTH.tolist(), strict=True)))
    fits = Fits(held=FITS, found={"malaphoric": fit})
    store.write_json(tmp_path / "best_fit.json", fits.as_dict())
    asked = []

    def load_engine(model, engine, M_X, accuracy, running=None, additional=None, table=None):
        asked.append((model, running, table, additional))
        return Linear([0, 1] if additional is None and table is None else [2])

    monkeypatch.setattr(coverage.loading, "load_engine", load_engine)
    return SimpleNamespace(folder=tmp_path, asked=asked, data=data)


def test_coverage_of_a_gaussian(toy, coverage, capsys):
    """Truth: Wilks' theorem is exact there; 68% and 95% of 1000 toys within three deviations."""
    coverage.main(toy.folder, 1000)
    found = [float(x) for x in re.findall(r": ([0-9.]+)% \+-", capsys.readouterr().out)]
    assert len(found) == 4
    for value, level in zip(found, (68, 95, 68, 95), strict=True):
        assert value == pytest.approx(level, abs=3 * np.sqrt(level * (100 - level) / 1000))


def test_what_the_run_had(toy, coverage, monkeypatch):
    """Truth: the model as the scan's record says, the categories of the scan, its running."""
    seen = []
    compiled_engine = coverage.compiled_engine
    monkeypatch.setattr(
        coverage, "compiled_engine", lambda *args: seen.append(args[2]) or compiled_engine(*args)
    )
    coverage.main(toy.folder, 10)
    assert seen[0].categories == ["quarks", "EWPOs"]
    (model, running, *_), (_, _, table, additional) = toy.asked
    assert model == Model.of(MINE)
    assert (running, table, additional) == (None, None, ["theta_sb"])

    (toy.folder / "running.h5").touch()
    toy.asked.clear()
    coverage.main(toy.folder, 10)
    assert toy.asked[0][1] == toy.folder / "running.h5"


def test_run_whose_mass_is_a_parameter(toy, coverage, monkeypatch):
    """Three scanned parameters, of which one is M_X: said in a sentence."""
    parse = store.parse

    def without_a_mass(text):
        found = parse(text)
        return {**found, "M_X": None} if isinstance(found, dict) else found

    monkeypatch.setattr(store, "parse", without_a_mass)
    with pytest.raises(ConfigurationError, match="at a mass"):
        coverage.main(toy.folder, 10)


def test_run_without_a_fit(toy, coverage):
    """Truth: no best fit, no coverage; said in a sentence."""
    store.write_json(toy.folder / "best_fit.json", Fits(held=FITS).as_dict())
    with pytest.raises(ConfigurationError, match="needs a best fit"):
        coverage.main(toy.folder, 10)
