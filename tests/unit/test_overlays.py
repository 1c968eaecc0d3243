"""Overlays and selections: against flavio reading the same files, and against closed formulas."""

import numpy as np
import pytest
import yaml
from hypothesis import given

from malaphoric import overlays
from malaphoric.categories import observable_key
from malaphoric.likelihood import NORMAL, Constraint
from malaphoric.measurements import Measurements, combine
from malaphoric.overlays import Selection
from malaphoric.schema import ConfigurationError
from test_fuzz import check, fuzz, mutated, places

BIN = {"name": "<P5p>(B0->K*mumu)", "q2min": 4.0, "q2max": 6.0}
KEY = "<P5p>(B0->K*mumu) 4 6"
NAMES = ["m_W", ("<P5p>(B0->K*mumu)", 4.0, 6.0), "DeltaM_s", "BR(Bs->mumu)"]

UNIVARIATE = {
    "A": {"experiment": "X", "values": {"m_W": "80.4 ± 0.1", "DeltaM_s": "17.7 ± 0.3"}},
}
BINNED = {"B": {"values": [{**BIN, "value": "-0.4 ± 0.1"}]}}
CORRELATED = {
    "C": {
        "correlation": [[1, 0.5], [1]],
        "values": [
            {**BIN, "value": "-0.4 ± 0.1"},
            {**BIN, "q2min": 1.1, "q2max": 2.5, "value": "0.1 ± 0.2"},
        ],
    }
}
MULTIVARIATE = {
    "D": {
        "observables": ["DeltaM_s", BIN],
        "values": {
            "distribution": "multivariate_normal",
            "central_value": [17.7, -0.4],
            "covariance": [[0.04, 0.001], [0.001, 0.01]],
        },
    }
}
WRITTEN = [
    {
        "arguments": {"name": "E"},
        "metadata": {"experiment": "X"},
        "constraints": [
            {
                "observables": [["<P5p>(B0->K*mumu)", 4.0, 6.0]],
                "values": {
                    "distribution": "normal",
                    "central_value": -0.3,
                    "standard_deviation": 0.1,
                },
            }
        ],
    }
]


def write(folder, content, name="new.yml"):
    path = folder / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


@pytest.mark.parametrize(
    "content",
    [UNIVARIATE, BINNED, CORRELATED, MULTIVARIATE, WRITTEN],
    ids=["univariate", "binned", "correlated", "multivariate", "written by flavio"],
)
def test_names_are_flavios(tmp_path, content):
    """Truth: the measurements that flavio makes of the same file."""
    import flavio

    path = write(tmp_path, content)
    found = overlays.read(path)
    assert list(found) == flavio.measurements.read_file(str(path))
    for measurement, observables in found.items():
        theirs = flavio.Measurement[measurement].all_parameters
        assert set(observables) == set(theirs)
        del flavio.Measurement.instances[measurement]


BAD = [
    ("", ["mapping"]),
    ("a: [", ["YAML"]),
    ("!!python/object/apply:os.system ['true']", ["YAML"]),
    ({"A": {}}, ["A", "values"]),
    ({"A": {"values": "1 ± 2"}}, ["A.values", "1 ± 2"]),
    ({"A": {"values": {"m_V": "1 ± 2"}}}, ["A", "m_V", "observable of flavio"]),
    ({"A": {"values": [{"name": BIN["name"], "value": "1 ± 2"}]}}, ["A", "q2min, q2max"]),
    ({"A": {"values": [{**BIN, "q2": 1, "value": "1 ± 2"}]}}, ["A", "q2min, q2max"]),
    ({"A": {"values": [{"value": "1 ± 2"}]}}, ["A", "name"]),
    ({"A": {"values": {"m_W": "1 ± 2"}, "corelation": 0.3}}, ["unknown key A.corelation"]),
    ([{"arguments": {}, "constraints": []}], ["name"]),
    ([1], ["1", "mapping"]),
]


@pytest.mark.parametrize(("content", "words"), BAD, ids=[str(c)[:50] for c, _ in BAD])
def test_bad_overlay_is_refused(tmp_path, content, words):
    """Truth: the file, the key and what would be accepted are in the message."""
    path = write(tmp_path, content)
    with pytest.raises(ConfigurationError) as caught:
        overlays.read(path)
    assert str(path) in str(caught.value)
    for word in words:
        assert word in str(caught.value)


CONTENTS = [UNIVARIATE, BINNED, CORRELATED, MULTIVARIATE, WRITTEN]


@fuzz(600)
@given(mutated(CONTENTS, [place for content in CONTENTS for place in places(content)]))
def test_mutated_overlay(case):
    """Random values, missing and unknown keys: read, or refused in words."""

    def use(found):
        assert all(observable_key(name) for names in found.values() for name in names)

    check(lambda: overlays.parse(case[0], "fuzz"), use)


def selection(overlaid=(), **rules):
    return Selection({"overlays": [str(path) for path in overlaid], **rules}, "config.yaml")


def test_observable_without_a_category_is_refused(tmp_path):
    """Truth: BR(B+->Knunu) is in none of smelli's lists; including it makes it accepted."""
    path = write(tmp_path, {"A": {"values": {"BR(B+->Knunu)": "2.3 ± 0.7 e-5"}}})
    with pytest.raises(ConfigurationError, match=r"BR\(B\+->Knunu\).*observables.include"):
        selection([path])
    chosen = selection([path], quarks={"observables": {"include": ["BR(B+->Knunu)"]}})
    assert chosen.extra == ["BR(B+->Knunu)"]


def test_measurement_in_two_overlays_is_refused(tmp_path):
    """Truth: which of the two counts would depend on the order."""
    one, two = write(tmp_path, UNIVARIATE, "1.yml"), write(tmp_path, UNIVARIATE, "2.yml")
    with pytest.raises(ConfigurationError, match="'A'"):
        selection([one, two])


def base():
    """Four observables, two in quarks measured twice, one in EWPOs and LFU each."""

    def normal(category, name, columns, central, covariance):
        arrays = {"central": np.array(central), "covariance": np.array(covariance)}
        return Constraint(category, name, NORMAL, np.array(columns), arrays)

    theory = np.zeros((4, 4))
    theory[1:3, 1:3] = [[0.01, 0.002], [0.002, 0.25]]
    return Measurements(
        observables=list(NAMES),
        category=["EWPOs", "quarks", "quarks", "LFU"],
        sm=np.array([80.36, -0.7, 18.0, 3.6e-9]),
        theory_covariance=theory,
        labels=["a", "b", "c", "d"],
        constraints=[
            normal("EWPOs", "w", [0], [80.38], [[0.0004]]),
            normal("quarks", "one", [1, 2], [-0.4, 17.8], [[0.01, 0.0], [0.0, 0.04]]),
            normal("quarks", "two", [2], [17.6], [[0.09]]),
            normal("LFU", "mumu", [3], [3.0e-9], [[1e-19]]),
        ],
        settings={"nexp": 200_000, "seed": 1},
    )


def quarks_truth(rows, theory, prediction):
    """chi2 of uncorrelated measurements (column, central, variance), averaged, plus theory."""
    columns = sorted({c for c, _, _ in rows})
    weight = {c: sum(1 / v for k, _, v in rows if k == c) for c in columns}
    central = [sum(x / v for k, x, v in rows if k == c) / weight[c] for c in columns]
    total = np.diag([1 / weight[c] for c in columns]) + theory[np.ix_(columns, columns)]
    residual = prediction[columns] - central
    return residual @ np.linalg.solve(total, residual)


ONE, TWO = [(1, -0.4, 0.01), (2, 17.8, 0.04)], [(2, 17.6, 0.09)]


@pytest.mark.parametrize(
    ("rule", "rows", "n"),
    [
        ({}, ONE + TWO, 2),
        ({"measurements": {"exclude": ["two"]}}, ONE, 2),
        ({"measurements": {"exclude": ["one"]}}, TWO, 1),
        ({"observables": {"exclude": ["DeltaM_s"]}}, ONE[:1], 1),
        ({"observables": {"exclude": [list(NAMES[1])]}}, [*ONE[1:], *TWO], 1),
    ],
    ids=["all", "without two", "without one", "without DeltaM_s", "without P5'"],
)
def test_selection(rule, rows, n):
    """Truth: the weighted average written out; other categories do not move."""
    data = combine(base(), selection={"quarks": rule})
    prediction = np.array([80.37, -0.55, 17.5, 3.3e-9])
    found = data.chi2(prediction[np.newaxis])
    expected = quarks_truth(rows, base().theory_covariance, prediction)
    assert found["quarks"][0] == pytest.approx(expected)
    assert found["EWPOs"][0] == pytest.approx(0.25)
    assert found["LFU"][0] == pytest.approx(0.9)
    assert data.n_obs["quarks"] == n


def test_overlay_adds_and_replaces(tmp_path):
    """Truth: flavio's numbers in the file, by hand; a measurement of the same name is replaced."""
    replaced = {"w": {"values": {"m_W": "80.40 ± 0.01"}}, "new": {"values": {"m_W": "80.3 ± 0.1"}}}
    data = combine(base(), overlays=[write(tmp_path, replaced)])
    prediction = np.array([[80.37, -0.55, 17.5, 3.3e-9]])
    assert data.chi2(prediction)["EWPOs"][0] == pytest.approx(9 + 0.49)
    assert data.n_obs["EWPOs"] == 2
    assert data.settings["measurements"]["EWPOs"] == ["new", "w"]


def test_overlay_of_quarks_joins_the_average(tmp_path):
    """Truth: the weighted average, up to the draws' 1/sqrt(200000)."""
    data = combine(
        base(), overlays=[write(tmp_path, {"new": {"values": {"DeltaM_s": "17.0 ± 0.2"}}})]
    )
    prediction = np.array([80.37, -0.55, 17.5, 3.3e-9])
    rows = [*ONE, *TWO, (2, 17.0, 0.04)]
    expected = quarks_truth(rows, base().theory_covariance, prediction)
    assert data.chi2(prediction[np.newaxis])["quarks"][0] == pytest.approx(expected, rel=0.02)
    assert data.settings["measurements"]["quarks"] == ["new", "one", "two"]


def test_additional_observable(tmp_path):
    """Truth: a Gaussian with the sum of both variances; correlated with nothing of smelli's."""
    extra = Measurements(["BR(B+->Knunu)"], [""], np.array([5e-6]), np.array([[1e-12]]), ["e"])
    rule = {"quarks": {"observables": {"include": ["BR(B+->Knunu)"]}}}
    path = write(tmp_path, {"new": {"values": {"BR(B+->Knunu)": "2.3 ± 0.7 e-5"}}})
    data = combine(base(), selection=rule, overlays=[path], extra=extra)
    assert list(map(observable_key, data.observables)) == ["m_W", KEY, *NAMES[2:], "BR(B+->Knunu)"]
    prediction = np.array([[80.37, -0.55, 17.5, 3.3e-9, 9e-6]])
    without = combine(base()).chi2(prediction[:, :4])["quarks"][0]
    found = data.chi2(prediction)["quarks"][0] - without
    assert found == pytest.approx(1.4**2 / (0.7**2 + 0.1**2), rel=0.02)
    with pytest.raises(ConfigurationError, match="no measurement"):
        combine(base(), selection=rule, extra=extra)


@pytest.mark.parametrize("value", ["eighty", "80 +- 1 GeV", "80.36", "80 ± 0"])
def test_value_that_flavio_cannot_read_is_named(tmp_path, value):
    """Truth: no number, or a number without an error; the measurement is named."""
    good, bad = {"values": {"m_W": "80.4 ± 0.1"}}, {"values": {"m_W": value}}
    path = write(tmp_path, {"good": good, "the bad one": bad})
    with pytest.raises(ConfigurationError, match=r"new\.yml: the bad one"):
        combine(base(), overlays=[path])
