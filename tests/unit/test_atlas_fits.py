"""Fits of many models: those of any model by itself, whatever is fitted beside it."""

import copy
import csv
import tarfile

import numpy as np
import pytest

from malaphoric import load_likelihood, store
from malaphoric.atlas import anomaly_free, fitting, flavour, ranking, toys
from malaphoric.data.measurements import make_likelihood
from malaphoric.engines.loading import ModelLikelihood, load_engine
from malaphoric.inference import box, fits
from malaphoric.inference.results import Minimum, ScanResult
from malaphoric.physics.model import Model
from malaphoric.schema import ConfigurationError, load_schema, load_yaml
from malaphoric.workflow import archive, recipes
from malaphoric.workflow.configuration import AtlasConfiguration, check_file, configured
from malaphoric.workflow.recipes import recipes_of

MINIMAL = {"run": "test", "atlas": {"N": 1}}


@pytest.fixture(scope="module")
def data():
    return make_likelihood()


@pytest.fixture(scope="module")
def two():
    """The only models with charges up to 1."""
    return AtlasConfiguration(MINIMAL).models


@pytest.fixture(scope="module")
def fitted(two, data):
    return fitting.fitted(two, 3000.0, data)


def test_fits_are_those_of_a_run(data):
    """Truth: `fits.best_fits` of config/models/b3-l2, started near the paper's best fits."""
    likelihood = load_likelihood("b3-l2")
    near = {"epsilon_hat": -0.9, "g_hat": 0.08, "theta_sb": -0.17}
    chi2 = {name: float(x[0]) for name, x in likelihood.chi2([[*near.values()]]).items()}
    grid = ScanResult(all={"global": Minimum(near, chi2)})
    own = (likelihood.chi2_sm, likelihood.n_obs, box.physical(likelihood), fitting.FITS)
    truth = fits.best_fits(grid, *own, likelihood.chi2_of_few).found
    every, _ = flavour.models(anomaly_free(3, True), flavour.Filters())
    row = flavour.find(every, Model.load("b3-l2"))
    found = fitting.fitted(every.taken([row]), 3000.0, data).columns
    for name, fit in truth.items():
        errors = [fit.errors.get(x, np.nan) for x in fitting.PARAMETERS]
        off = found[f"{name}/values"][0] - list(fit.values.values())
        assert np.nanmax(abs(off / errors)) < 0.02
        np.testing.assert_allclose(found[f"{name}/errors"][0], errors, rtol=0.02)
        np.testing.assert_allclose(found[f"{name}/chi2"][0, -1], fit.chi2["global"], atol=1e-3)
        np.testing.assert_allclose(found[f"{name}/dchi2"][0], [*fit.dchi2.values()], atol=0.05)
        assert found[f"{name}/AIC"][0] == pytest.approx(fit.AIC, abs=1e-3)
        assert found[f"{name}/p_value"][0] == pytest.approx(fit.p_value, rel=1e-3)


def test_models_in_any_chunks(fitted, two, data, tmp_path):
    """Truth: all at once; files and table have the same bytes."""
    for chunks in ([(0, 2)], [(0, 1), (1, 2)]):
        paths = [tmp_path / f"{len(chunks)}-{start}-{stop}.h5" for start, stop in chunks]
        with store.signing("made", lambda: True):
            for path, (start, stop) in zip(paths, chunks, strict=True):
                fitting.fitted(two.taken(slice(start, stop)), 3000.0, data).save(path)
        found = ranking.merge(paths, "made", two)
        found.save(tmp_path / f"{len(chunks)}.h5")
        store.write_csv(tmp_path / f"{len(chunks)}.csv", ranking.rows(found, {}))
    for kind in ("h5", "csv"):
        assert (tmp_path / f"1.{kind}").read_bytes() == (tmp_path / f"2.{kind}").read_bytes()
    number, mixed, unmixed, one = ranking.said(found, {"one": 1})
    assert number == "2 models, 0 without a fit"
    assert mixed.startswith("mixed: chi2_SM - chi2 from 35.")
    assert unmixed.startswith("unmixed: chi2_SM - chi2 from ")
    assert one == f"one: {found.columns['mixed/dchi2'][1, -1]:.2f}, number 2"
    dchi2 = found.columns["mixed/dchi2"][:, -1]
    assert sorted(dchi2, reverse=True) == dchi2.tolist()
    assert (dchi2 > found.columns["unmixed/dchi2"][:, -1] - 1e-6).all()
    with pytest.raises(store.StoreError, match="another recipe"):
        ranking.merge(paths, "other", two)
    with pytest.raises(store.StoreError, match="other models"):
        ranking.merge(paths[:1], "made", two)


def test_a_model_that_fails_has_a_reason(two, data, tmp_path, monkeypatch):
    """Truth: the exception; the other model is fitted, and stands first."""
    load, calls = fitting.load_engine, []

    def failing(*about):
        calls.append(about)
        if len(calls) == 1:
            raise ValueError("no such\0running: θ")
        return load(*about)

    monkeypatch.setattr(fitting, "load_engine", failing)
    fitting.fitted(two, 3000.0, data).save(tmp_path / "a.h5", recipe="made")
    found = ranking.merge([tmp_path / "a.h5"], "made", two)
    assert found.reason.tolist() == ["", "ValueError: no such running: \\u03b8"]
    np.testing.assert_array_equal(found.models.charges, two.charges[::-1])
    assert all(np.isnan(x[1]).all() for x in found.columns.values())
    store.write_csv(tmp_path / "a.csv", ranking.rows(found, {"one": 1}))
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert (rows[1]["mixed_g_hat"], rows[1]["known_as"]) == ("", "one")
    assert rows[1]["reason"] == found.reason[1]
    # at |epsilon| = 1 there is no Z'
    about = ("at_limit", "perturbative", "converged")
    assert [rows[0][f"mixed_{x}"] for x in about] == ["epsilon_hat", "no", "yes"]
    assert "1 without a fit" in ranking.said(found, {})[0]


def test_what_no_model_is_to_blame_for_ends_the_job(two, data, monkeypatch):
    """Truth: another attempt, with more memory, may succeed."""

    def full(*about):
        raise MemoryError

    monkeypatch.setattr(fitting, "load_engine", full)
    with pytest.raises(MemoryError):
        fitting.fitted(two, 3000.0, data)


def test_columns(fitted, data):
    """Truth: the sum of categories, and what coefficients do to the muon and the electron."""
    for fit in fitting.FITS:
        own = {name: fitted.columns[f"{fit}/{name}"] for name in fitting.COLUMNS}
        sm = [data.chi2_sm[name] for name in fitted.categories]
        np.testing.assert_allclose(own["chi2"] + own["dchi2"], np.tile(sm, (2, 1)))
        np.testing.assert_allclose(own["chi2"][:, :-1].sum(axis=1), own["chi2"][:, -1])
        # lepton charges are those of all families
        np.testing.assert_allclose(*own["coefficients"][:, :2].T, rtol=0.02)
    assert (fitted.columns["unmixed/values"][:, 0] == 0).all()


# ----------------------------------------------------------------------------- look-elsewhere


def test_pseudo_data_have_the_covariance(data):
    """Truth: the inverse covariances of all measurements, summed by hand."""
    own = data.of(["EWPOs"])
    mean, pull = own.pseudo_data(np.random.default_rng(3), 4000)
    inverse = np.zeros((len(own.observables),) * 2)
    for k in own.constraints:
        covariance = k.arrays.get("covariance", np.diag(k.deviation() ** 2))
        inverse[np.ix_(k.columns, k.columns)] += np.linalg.inv(covariance)
    used = np.flatnonzero(inverse.diagonal())
    unit = np.sqrt(inverse.diagonal()[used])
    off = (np.cov(pull[:, used].T) - inverse[np.ix_(used, used)]) / np.outer(unit, unit)
    assert abs(off).max() < 0.1
    shift = np.zeros(len(own.observables))
    shift[used] = np.linspace(-1, 1, len(used)) / unit
    found = mean.chi2(np.stack([own.sm, own.sm + shift]))["global"]
    np.testing.assert_allclose(found, [0, shift @ inverse @ shift], rtol=1e-6, atol=1e-9)


def test_toys_find_the_minimum(two, data):
    """Truth: iminuit, started from minima of the same chi2 alone."""
    found = toys.improvements(two.taken([0]), 3000.0, data, 2, 1)
    mean, pull = data.pseudo_data(np.random.default_rng(1), 2)
    model = two.model(0)
    likelihood = ModelLikelihood(model, 3000.0, load_engine(model, "compiled", 3000.0), mean)

    def chi2(points):
        """Difference to the Standard Model."""
        p = likelihood.engine.evaluate(points, block=256).predictions
        return {"global": mean.chi2(p, 256)["global"] - 2 * (p - data.sm) @ pull[1]}

    wide = box.physical(likelihood)
    starts = box.minima(chi2, wide, 1024, 8)
    fit = fits.minimise(box.named(starts, wide), wide, chi2)
    assert found.shape == (2, 1)
    assert found[1, 0] == pytest.approx(-fit.chi2["global"], abs=0.01)
    assert found[1, 0] > 5


def test_summary_of_toys():
    """Truth: counting."""
    found = np.array([[1.0, 3.0, 2.0], [4.0, 0.0, 5.0], [0.0, 0.0, 0.0]])
    said = toys.summary(found, 4.5)
    assert said["best"] == [3.0, 5.0, 0.0]
    assert said["p_value"] == 2 / 4
    assert {n: x["median"] for n, x in said["best_of"].items()} == {"1": 1.0, "2": 3.0, "3": 3.0}
    rows = toys.chosen(9, 4, 1)
    assert len(set(rows.tolist())) == 4
    assert toys.chosen(9, 20, 1)[:4].tolist() == rows.tolist()


# ------------------------------------------------------------------- configuration and recipes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"atlas": {}}, "missing key atlas.N"),
        ({"atlas": {"N": 7}}, "atlas.N: 7 is not accepted"),
        ({"atlas": {"N": 1, "right_handed_neutrinos": False}}, "0  no two alike but for hyper"),
        ({"atlas": {"N": 1, "yukawa": ["top"]}}, "atlas.yukawa.0: 'top' is not accepted"),
        ({"M_X": 100}, "M_X: 100 is not accepted"),
        ({"validation": {"models": -1}}, "validation.models: -1 is not accepted"),
        ({"toys": {"number": 1.5}}, "toys.number: 1.5 is not accepted"),
        ({"model": "b3-l2"}, "unknown key model"),
        ({"categories": []}, "categories: [] is not accepted"),
        ({"confidence_levels": [0.9, 0.1]}, "the first smaller"),
        (
            {"data": {"quarks": {"observables": {"include": ["BR(B+->Knunu)"]}}}},
            "accepted: in an atlas, observables of smelli alone",
        ),
    ],
    ids=str,
)
def test_what_is_refused(changes, said):
    """Before any job, in a sentence."""
    with pytest.raises(ConfigurationError, match="accepted") as error:
        configured({**MINIMAL, **changes}, "mine.yaml")
    assert said in str(error.value)
    assert str(error.value).startswith("mine.yaml: ")


def test_what_is_accepted(tmp_path):
    """Every key, by what looks at files and by what looks at their content."""
    data = {**MINIMAL, "M_X": 2900, "toys": {"models": 3}, "validation": {"models": 50}}
    (tmp_path / "a.yaml").write_text(store.canonical(data))
    check_file(tmp_path / "a.yaml")
    run = configured(data, "a.yaml")
    assert (run.mass, run.exact_models) == (2900.0, 2)
    assert run["toys"] == {"number": 50, "models": 3, "seed": 1}


#: Another value of every key, and the recipes that it changes.
RECORDED = {"record", "export", "atlas_page"}
FITS_CHANGED = {"atlas_chunk", "ranking", "exact_models", "validate_models", "toys"}
FITS_CHANGED |= {"atlas_figures", *RECORDED}
CHANGES = {
    "atlas.N": (2, FITS_CHANGED),
    "atlas.right_handed_neutrinos": (False, FITS_CHANGED),
    "atlas.neutrinos": (2, FITS_CHANGED),
    "atlas.yukawa": (["up quarks"], FITS_CHANGED),
    "atlas.vector_like_leptons": (True, FITS_CHANGED),
    "M_X": (2900, FITS_CHANGED),
    "categories": (["quarks"], FITS_CHANGED),
    "lep2_set": ("full", {"likelihood", *FITS_CHANGED}),
    "data": (
        {"LFU": {"measurements": {"exclude": ["LHCb RK RK* 2022"]}}},
        {"likelihood", *FITS_CHANGED},
    ),
    "covariance": ({"draws": 2000}, {"measurements", "likelihood", *FITS_CHANGED}),
    "confidence_levels": ([0.5, 0.9], {"atlas_figures", *RECORDED}),
    "validation.models": (2, {"validate_models", *RECORDED}),
    "toys.number": (2, {"toys", "atlas_figures", *RECORDED}),
    "toys.models": (2, {"toys", "atlas_figures", *RECORDED}),
    "toys.seed": (2, {"toys", "atlas_figures", *RECORDED}),
    "chunk_minutes": (0.001, RECORDED),
    "run": ("other", FITS_CHANGED - {"atlas_chunk"}),
}


@pytest.mark.parametrize("key", CHANGES)
def test_what_a_key_changes(key):
    """Truth: what depends on it, and no more."""
    base, changed = ({"run": "test", "atlas": {"N": 3}} for _ in range(2))
    *outer, name = key.split(".")
    inner = changed.setdefault(outer[0], {}) if outer else changed
    inner[name] = CHANGES[key][0]
    one, two = (recipes_of(configured(copy.deepcopy(own), "test")) for own in (base, changed))
    assert {x for x in one | two if one.get(x) != two.get(x)} == CHANGES[key][1]
    assert (one.chunks == two.chunks) == (
        "atlas_chunk" not in CHANGES[key][1] and key != "chunk_minutes"
    )


def test_every_key_is_changed():
    """Truth: the schema."""
    schema = load_schema("atlas")["properties"]
    nested = ("atlas", "validation", "toys")
    inner = {f"{name}.{key}" for name in nested for key in schema[name]["properties"]}
    assert {*schema, *inner} - {*nested} == set(CHANGES)


def test_export_is_a_run_of_its_own(tmp_path):
    """Truth: the configuration, as it is read again; `make check` takes it."""
    run = configured({**MINIMAL, "toys": {"number": 0}}, "a.yaml")
    archive.export(recipes_of(run)["export"].settings, [], tmp_path / "a.tar.gz")
    with tarfile.open(tmp_path / "a.tar.gz") as file:
        member = file.extractfile("malaphoric-test/archive/config.yaml")
        (tmp_path / "config.yaml").write_bytes(member.read())
    again = configured(load_yaml(tmp_path / "config.yaml"), "b.yaml")
    assert again.data == run.data
    store.write_json(tmp_path / "results/test/record.json", {"files": {"results/test/a": "0"}})
    lines, good = archive.check(tmp_path, tmp_path)
    assert "results/test/a: in the record, and missing in the archive" in lines
    assert not good


def test_chunks_hold_all_models():
    """Truth: counting; of about equal size."""
    for minutes in (1e-6, 0.1, 3, 1440):
        run = AtlasConfiguration({"run": "a", "atlas": {"N": 3}, "chunk_minutes": minutes})
        starts, stops = zip(*run.chunks, strict=True)
        assert (starts[0], stops[-1]) == (0, len(run.models))
        assert starts[1:] == stops[:-1]
        sizes = np.subtract(stops, starts)
        assert 1 <= sizes.min() >= sizes.max() - 1
        assert run.longest_chunk < max(minutes, 1) * 1.01


def test_marked_models_are_found():
    """Truth: config/models; charges up to 3 hold both, up to 2 the second, up to 1 none."""
    for N, names in ((1, ()), (2, recipes.MARKED[1:]), (3, recipes.MARKED)):
        run = AtlasConfiguration({"run": "a", "atlas": {"N": N}})
        found = fitting.Fitted.empty(run.models, run.categories)
        known = recipes_of(run)["ranking"].settings["known"]
        assert set(ranking.places(found, known)) == set(names)
