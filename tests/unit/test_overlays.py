"""Overlays and selections: against flavio reading the same files, and against closed formulas."""

import copy
import dataclasses

import numpy as np
import pytest
import yaml
from hypothesis import given

from malaphoric.data import measurements, overlays
from malaphoric.data.categories import observable_key
from malaphoric.data.likelihood import NORMAL, Constraint
from malaphoric.data.measurements import Measurements, brought, combine, doubts, without
from malaphoric.data.overlays import Selection
from malaphoric.data.theory import Additional
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
    for measurement, distributions in found.items():
        theirs = flavio.Measurement[measurement]._constraints
        assert len(theirs) == len(distributions)
        for ours, (distribution, observables) in zip(distributions, theirs, strict=True):
            assert list(ours.observables) == observables
            if ours.kind != "asymmetric_normal":  # whose errors may be equal
                assert ours.kind == distribution.class_to_string()
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
    ({"A": {"values": [{"name": "m_W", "value": "1 ± 2"}]}}, ["A", "values: {m_W: 1 ± 2}"]),
    ({"A": {"values": {"m_W": "1 ± 2"}, "corelation": 0.3}}, ["unknown key A.corelation"]),
    ([{"arguments": {}, "constraints": []}], ["name"]),
    ([1], ["1", "mapping"]),
    ({2027: {"values": {"m_W": "1 ± 2"}}}, ["2027", "a text"]),
    ([WRITTEN[0], copy.deepcopy(WRITTEN[0])], ["'E'", "twice"]),
]


def values(*pairs, **others):
    """A measurement A whose values are listed by observable."""
    return {"A": {"values": [{"name": name, "value": value} for name, value in pairs], **others}}


def one(value):
    return {"A": {"values": {"m_W": value}}}


def two(correlation):
    pairs = [("DeltaM_s", "17.7 ± 0.3"), ("m_W", "80.4 ± 0.1")]
    return values(*pairs, correlation=correlation)


def multivariate(**arguments):
    arguments = {"distribution": "multivariate_normal", "central_value": [17.7, 80.4], **arguments}
    return {"A": {"observables": ["DeltaM_s", "m_W"], "values": arguments}}


#: What flavio drops, misreads or takes as it is; the words that must be in the sentence.
DROPPED = [
    (values(("m_W", "80 ± 1"), ("m_W", "81 ± 1")), ["m_W", "without arguments"]),
    ({"A": {"values": [{**BIN, "value": "0 ± 1"}, {**BIN, "q2min": 4, "value": "1 ± 1"}]}}, [KEY]),
    (two([[1, 0.5], [0.3, 1]]), ["correlation", "asymmetric"]),
    (two([[1, 0], [0.3, 1]]), ["correlation", "asymmetric"]),
    (two([[1, 0.5], [0.5, 2]]), ["correlation", "ones"]),
    (two([[1, 1.5], [1]]), ["correlation", "positive definite"]),
    (two(-1), ["correlation", "positive definite"]),
    (two([[1, "0.5"], [1]]), ["correlation", "numbers"]),
    (two([[1, True], [1]]), ["correlation", "numbers"]),
    (two([[1]]), ["correlation", "2 rows"]),
    (multivariate(covariance=[[0.04, 0.01], [0.02, 0.01]]), ["covariance", "asymmetric"]),
    (multivariate(covariance=[[4e-20, 1e-20], [0, 1e-20]]), ["covariance", "asymmetric"]),
    (multivariate(covariance=[[0.04, 0.03], [0.03, 0.01]]), ["covariance", "positive definite"]),
    (multivariate(covariance=[[0.04, 0.0], [0.0, 0.0]]), ["covariance", "diagonal"]),
    (multivariate(covariance=[[0.04, 0], [0, 1e-300]]), ["covariance", "diagonal"]),
    (multivariate(standard_deviation=[0.2, 0]), ["standard_deviation", "between"]),
    (multivariate(standard_deviation=[1, 1], correlation=[[1, 0.2], [0.1, 1]]), ["asymmetric"]),
    (multivariate(central_value=[17.7], covariance=[[1, 0], [0, 1]]), ["2 observables"]),
    (multivariate(distribution="normal", central_value=1, standard_deviation=1), ["2 observables"]),
    (
        {"A": {**multivariate(covariance=[[1, 0], [0, 1]])["A"], "correlation": 0.5}},
        ["correlation", "drops"],
    ),
    (values(("m_W", "−80 ± 1"), ("DeltaM_s", "1 ± 1"), correlation=0.1), ["−80", "minus sign"]),
    (values(("m_W", "80 ± 0.0 ± 0"), ("DeltaM_s", "1 ± 1"), correlation=0.1), ["the error"]),
    (values(("m_W", "80 - 1"), ("DeltaM_s", "1 ± 1"), correlation=0.1), ["80 - 1"]),
    (values(("m_W", "< 3 @ 95% CL"), ("DeltaM_s", "1 ± 1"), correlation=0.1), ["< 3"]),
    (one("80 ± 0.1 - 0.3"), ["80 ± 0.1 - 0.3"]),
    (one("80 ± 0.1 - 0.3 + 0.2"), ["- 0.3 + 0.2"]),
    (one("80 ±-1"), ["±-1"]),
    (one("80 ± 0"), ["the error", "between"]),
    (one("80 ± 0.1 ± 0.0"), ["the error", "between"]),
    (one("80 ± 1 e-300"), ["the error", "between"]),
    (one("80 ± 1 e300"), ["the error", "between"]),
    (one("80 ± 1 e999"), ["the error", "between"]),
    (one(f"{'8' * 400} ± 1"), ["at most"]),
    (one("80(0)"), ["the error", "between"]),
    (one("< 1e-300 @ 95% CL"), ["the error", "between"]),
    (one(80.4), ["80.4", "no error"]),
    (one("80.4"), ["80.4", "no error"]),
    (one("−80.4"), ["80.4", "no error"]),
    (one({"distribution": "delta", "central_value": 80}), ["delta", "normal"]),
    (
        one({"distribution": "discrete_uniform", "lowest_value": 1, "highest_value": 3}),
        ["discrete"],
    ),
    (one({"distribution": "nromal", "central_value": 80}), ["nromal", "normal"]),
    (one({"central_value": 80, "standard_deviation": 1}), ["distribution"]),
]
NORMAL_80 = {"distribution": "normal", "central_value": 80.4}
DROPPED += [
    (one({**NORMAL_80, "standard_deviation": size}), ["standard_deviation"])
    for size in (0, -1, 1e-300, 1e300, "nan", "inf", "−1", True)
]
DROPPED += [
    (one({**NORMAL_80, "central_value": size, "standard_deviation": 1}), ["central_value"])
    for size in (1e300, "−80.4", "nan")
]


@pytest.mark.parametrize(("content", "words"), DROPPED, ids=[str(c)[:90] for c, _ in DROPPED])
def test_nothing_is_dropped(tmp_path, content, words):
    """Truth: one sentence with the file, the measurement and the observable, before any job."""
    path = write(tmp_path, content)
    with pytest.raises(ConfigurationError) as caught:
        overlays.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: A: ")
    assert "\n" not in message
    for word in [*words, "accepted: "]:
        assert word in message


#: Values that are right, as flavio reads them: central value and error.
RIGHT = {
    "−0.4 ± 0.1": (-0.4, 0.1),
    "-0.4 ± 0.3 ± 0.4": (-0.4, 0.5),
    "(-0.4 +- 0.1) * 1e-1": (-0.04, 0.01),
    "0.4 \\pm 0.1 e-2": (0.004, 0.001),
    "-0.40(10)": (-0.4, 0.1),
    "(1.2(0.3)) 10^-1": (0.12, 0.03),
}


@pytest.mark.parametrize("text", RIGHT)
def test_text_is_flavios(tmp_path, text):
    """Truth: the number written in the text, weighed with a prediction by hand."""
    central, error = RIGHT[text]
    data = combine(base(), overlays=[write(tmp_path, {"w": {"values": {"m_W": text}}})])
    prediction = np.array([[0.1, -0.55, 17.5, 3.3e-9]])
    assert data.chi2(prediction)["EWPOs"][0] == pytest.approx(((0.1 - central) / error) ** 2)


#: The kinds of flavio's distributions that count as they are, with arguments for m_W.
KEPT = [
    {"distribution": "asymmetric_normal", "central_value": 80.3, "right_deviation": 0.1}
    | {"left_deviation": 0.2},
    {"distribution": "half_normal", "central_value": 80.5, "standard_deviation": -0.1},
    {"distribution": "half_normal", "central_value": 80.3, "standard_deviation": 0.1},
    {"distribution": "gaussian_upper_limit", "limit": 90, "confidence_level": 0.9},
    {"distribution": "numerical", "x": [79, 80, 80.3, 81], "y": [0, 0.5, 1, 0]},
    {"distribution": "gaussian_kde", "data": [80.1, 80.2, 80.2, 80.5], "bandwidth": 0.2},
    {"distribution": "gamma", "a": 3, "loc": -1, "scale": 20},
    {"distribution": "gamma_positive", "a": 3, "loc": -100, "scale": 20},
    {"distribution": "gamma_counting_process", "scale_factor": 10, "counts_total": 0}
    | {"counts_background": 0},
    {"distribution": "gamma_upper_limit", "limit": 90, "confidence_level": 0.9}
    | {"counts_total": 4, "counts_background": 1},
    {"distribution": "general_gamma_counting_process", "scale_factor": 10, "counts_total": 9}
    | {"counts_background": 1, "background_std": 1},
    {"distribution": "general_gamma_upper_limit", "limit": 90, "confidence_level": 0.9}
    | {"counts_total": 4, "counts_background": 1, "background_std": 1},
    [
        {**NORMAL_80, "standard_deviation": 0.1},
        {"distribution": "uniform", "central_value": 80.4, "half_range": 0.3},
    ],
]


def kind_of(value):
    return value["distribution"] if isinstance(value, dict) else "convolution"


def of_flavio(value):
    from flavio.statistics import probability

    return probability.convolve_distributions(probability.dict2dist(value))


@pytest.mark.parametrize("value", KEPT, ids=kind_of)
def test_distribution_is_flavios(tmp_path, value):
    """Truth: flavio's own logpdf, relative to the central value, and moments integrated from it."""
    path = write(tmp_path, {"w": {"values": {"m_W": value}}})
    assert selection([path]).overlays == [path]
    data = combine(base(), overlays=[path])
    theirs = of_flavio(value)
    x = np.concatenate([np.linspace(79, 82, 61), np.linspace(-50, 300, 36)])
    predictions = np.tile(base().sm, (x.size, 1))
    predictions[:, 0] = x
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = -2 * np.asarray(theirs.delta_logpdf(x), dtype=float)
    np.testing.assert_allclose(data.chi2(predictions)["EWPOs"], expected, rtol=1e-9, atol=1e-9)
    if kind_of(value) in ("asymmetric_normal", "half_normal", "gaussian_upper_limit"):
        return  # these are shown with the errors they are given by
    low, high = theirs.support
    x = np.linspace(low - (high - low), high + (high - low), 400_001)
    pdf = np.exp(theirs.logpdf(x))
    pdf /= np.trapezoid(pdf, x)
    variance = np.trapezoid(x**2 * pdf, x) - np.trapezoid(x * pdf, x) ** 2
    k = next(k for k in data.constraints if k.category == "EWPOs")
    assert k.deviation()[0] == pytest.approx(np.sqrt(variance), rel=2e-3)


ONLY_AVERAGED = [
    {"distribution": "uniform", "central_value": 17.5, "half_range": 0.5},
    {"distribution": "log_normal", "central_value": 17.5, "factor": 1.1},
    {"distribution": "gamma_upper_limit", "limit": 19, "confidence_level": 0.9}
    | {"counts_total": 4, "counts_background": 1},
    {"distribution": "gaussian_upper_limit", "limit": 19, "confidence_level": 0.9},
]


@pytest.mark.parametrize("value", ONLY_AVERAGED, ids=kind_of)
def test_distribution_in_the_average(tmp_path, value):
    """Truth: in quarks, mean and variance of flavio's own density, as in smelli's likelihood."""
    path = write(tmp_path, {"one": {"values": {"DeltaM_s": value}}})
    assert selection([path]).overlays == [path]
    rule = {"quarks": {"measurements": {"exclude": ["two"]}}}
    data = combine(base(), selection=rule, overlays=[path])
    theirs = of_flavio(value)
    x = np.linspace(-100, 300, 1_000_001)
    with np.errstate(divide="ignore", invalid="ignore"):
        pdf = np.exp(theirs.logpdf(x))
    pdf /= np.trapezoid(pdf, x)
    mean = np.trapezoid(x * pdf, x)
    variance = np.trapezoid((x - mean) ** 2 * pdf, x)
    quarks = next(k for k in data.constraints if k.category == "quarks")
    assert quarks.arrays["central"][0] == pytest.approx(mean, abs=0.02 * np.sqrt(variance))
    expected = variance + base().theory_covariance[2, 2]
    assert quarks.arrays["covariance"][0, 0] == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("value", [*ONLY_AVERAGED[:2], "[80, 81]", "80 */ 1.1"], ids=str)
def test_distribution_without_a_fit_is_refused(tmp_path, value):
    """Truth: outside quarks chi2 would be infinite beyond a range, or negative."""
    path = write(tmp_path, one(value))
    with pytest.raises(ConfigurationError, match=r"new\.yml: A: m_W: .*outside quarks"):
        selection([path])
    with pytest.raises(ConfigurationError, match="outside quarks"):
        combine(base(), overlays=[path])


def test_flavios_own_measurements_are_accepted():
    """Truth: flavio's shipped file, 311 measurements in every form; one of them has a slip."""
    import pkgutil

    data = yaml.safe_load(pkgutil.get_data("flavio", "data/measurements.yml"))
    assert len(data) > 300
    refused = {}
    for name, content in data.items():
        try:
            overlays.parse({name: content}, "flavio")
        except ConfigurationError as error:
            refused[name] = str(error)
    assert list(refused) == ["CDF B+>Kmumu 2012"]
    assert "'<dBR/dq2>(B+->Kmumu) 0 2' stands twice" in refused["CDF B+>Kmumu 2012"]


def test_every_distribution_of_flavio_is_known():
    """Truth: flavio's own list."""
    from flavio.statistics.probability import class_from_string

    kinds = [overlays.KINDS, overlays.AVERAGED_KINDS, overlays.NO_KINDS]
    assert sorted(kind for group in kinds for kind in group) == sorted(class_from_string)
    tested = {kind_of(value) for value in KEPT} | {"normal", "multivariate_normal"}
    assert tested - {"convolution"} == overlays.KINDS


def test_correlation_across_categories_is_refused(tmp_path):
    """Truth: quarks and EWPOs are weighed apart; an excluded observable does not count."""
    path = write(tmp_path, two(0.5))
    with pytest.raises(ConfigurationError, match=r"new\.yml: A: .*quarks.*EWPOs"):
        selection([path])
    path = write(tmp_path, multivariate(covariance=[[0.04, 0.01], [0.01, 0.01]]))
    with pytest.raises(ConfigurationError, match=r"DeltaM_s \(quarks\), m_W \(EWPOs\)"):
        selection([path])
    selection([path], EWPOs={"observables": {"exclude": ["m_W"]}})


@pytest.mark.parametrize("name", ["a{b}c.yml", "a*.yml", "a?.yml", "a\nb.yml", " a.yml", "a'b.yml"])
def test_odd_file_name_is_refused(tmp_path, name):
    """Truth: Snakemake reads braces as a wildcard, and would ignore or misread the file."""
    path = write(tmp_path, UNIVARIATE, name)
    with pytest.raises(ConfigurationError, match=r"data\.overlays: .*letters, digits") as caught:
        selection([path])
    assert "\n" not in str(caught.value)


def test_odd_folder_is_refused(tmp_path):
    """Truth: as before; spaces and umlauts are fine."""
    for name, accepted in {"a{b}c": False, "mit Leerzeichen für alle": True}.items():
        (tmp_path / name).mkdir()
        path = write(tmp_path / name, UNIVARIATE, "März 2.yml")
        if accepted:
            assert selection([path]).overlays == [path]
        else:
            with pytest.raises(ConfigurationError, match="braces"):
                selection([path])


def test_two_files_of_one_name_are_refused(tmp_path):
    """Truth: records and the archive name an overlay by its file."""
    paths = []
    for folder, content in {"1": UNIVARIATE, "2": BINNED}.items():
        (tmp_path / folder).mkdir()
        paths.append(write(tmp_path / folder, content))
    with pytest.raises(ConfigurationError, match="two files named 'new'"):
        selection(paths)


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
        for distributions in found.values():
            assert all(observable_key(o) for d in distributions for o in d.observables)

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
    """Truth: the weighted average."""
    data = combine(
        base(), overlays=[write(tmp_path, {"new": {"values": {"DeltaM_s": "17.0 ± 0.2"}}})]
    )
    prediction = np.array([80.37, -0.55, 17.5, 3.3e-9])
    rows = [*ONE, *TWO, (2, 17.0, 0.04)]
    expected = quarks_truth(rows, base().theory_covariance, prediction)
    assert data.chi2(prediction[np.newaxis])["quarks"][0] == pytest.approx(expected)
    assert data.settings["measurements"]["quarks"] == ["new", "one", "two"]


def test_rates_and_angles_are_correlated_as_written(tmp_path):
    """Truth: the overlay; draws of both together lose the rates' errors and correlations.

    One normal, one not, and one of which only a part counts.
    """
    rate = {"name": "<dBR/dq2>(B0->K*mumu)", "q2min": 4, "q2max": 6, "value": "3.4 ± 0.2 e-8"}
    other = {**rate, "q2min": 1.1, "q2max": 6}
    correlation = [[1, 0.01, 0.5], [0.01, 1, 0.02], [0.5, 0.02, 1]]
    values = [rate, binned(4, 6, "-0.4 ± 0.1"), other]
    path = write(tmp_path, {"new": {"values": values, "correlation": correlation}})
    overlays.read(path)
    import flavio

    flavio.measurements.read_file(str(path))
    measurement = flavio.Measurement["new"]
    names = [(BIN["name"], 4, 6), (rate["name"], 4, 6), (rate["name"], 1.1, 6)]
    found = measurements._moments(measurement, names, 1000, 1)
    errors = np.array([0.1, 0.2e-8, 0.2e-8])
    expected = np.array([[1, 0.01, 0.02], [0.01, 1, 0.5], [0.02, 0.5, 1]])
    np.testing.assert_allclose(found["central"], [-0.4, 3.4e-8, 3.4e-8], rtol=1e-12)
    scaled = found["covariance"] / np.outer(errors, errors)
    np.testing.assert_allclose(scaled, expected, rtol=1e-12)
    found = measurements._moments(measurement, names[1:2], 1000, 1)
    np.testing.assert_allclose(found["covariance"], [[4e-18]], rtol=1e-12)


def test_only_what_is_not_normal_is_drawn(tmp_path):
    """Truth: a normal value as it is, uncorrelated with the draws of a uniform one, [17, 18]."""
    content = {"values": {"DeltaM_s": "[17, 18]", "m_W": "80.4 ± 0.02"}}
    path = write(tmp_path, {"mixed": content})
    import flavio

    flavio.measurements.read_file(str(path))
    found = measurements._moments(flavio.Measurement["mixed"], ["m_W", "DeltaM_s"], 20_000, 1)
    assert found["central"][0] == 80.4
    assert found["central"][1] == pytest.approx(17.5, abs=0.01)
    covariance = found["covariance"]
    assert covariance[0].tolist() == [pytest.approx(0.0004, rel=1e-12), 0]
    assert covariance[1].tolist() == [0, pytest.approx(1 / 12, rel=0.03)]


def test_draws_lose_none_of_smellis_measurements():
    """Truth: flavio's normal distributions, up to the noise of 100 000 draws."""
    import flavio

    shipped = Measurements.load(measurements.PACKAGED)
    compared = 0
    for constraint in shipped.constraints:
        if constraint.category != "quarks":
            continue
        names = [shipped.observables[column] for column in constraint.columns]
        measurement = flavio.Measurement[constraint.measurement]
        kinds = {
            type(d).__name__
            for d, _, _ in measurements._parts(measurement, dict.fromkeys(names, 0))
        }
        if kinds <= set(measurements._NORMALS):
            exact = measurements._moments(measurement, names, 2, 1)["covariance"]
            error = np.sqrt(np.diag(exact))
            drawn = constraint.arrays["covariance"] / np.outer(error, error)
            np.testing.assert_allclose(drawn, exact / np.outer(error, error), atol=0.025)
            compared += 1
    assert compared > 50


def test_additional_observable(tmp_path):
    """Truth: a Gaussian with the sum of both variances; it follows nothing of smelli's."""
    extra = Additional(
        ["BR(B+->Knunu)"], ["e"], np.array([5e-6]), [], np.zeros((1, 0)), np.array([[1e-12]])
    )
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


def named():
    """As `base`, whose measurements have the names and experiments of flavio's."""
    names = {"w": "m_W Tevatron", "one": "LHCb B->K*mumu 2020 P 4-6"}
    result = base()
    result.constraints = [
        dataclasses.replace(k, measurement=names.get(k.measurement, k.measurement))
        for k in result.constraints
        if k.measurement in names
    ]
    return result


def binned(low, high, value="-0.4 ± 0.1", name=BIN["name"]):
    return {"name": name, "q2min": low, "q2max": high, "value": value}


#: Values, and what the sentence on them has; the Standard Model of P5' is -0.7 ± 0.1 here.
NONSENSE = [
    ({"m_W": "80362 ± 8"}, ["m_W: 80362 ± 8", "80.36"]),
    ({"m_W": "0.080362 ± 0.000008"}, ["m_W"]),
    ({"m_W": "80.57 ± 0.01"}, ["m_W"]),
    ({"m_W": "80.55 ± 0.01"}, []),
    ({"BR(Bs->mumu)": "3.1 ± 1.5"}, ["BR(Bs->mumu)", "3.6e-09"]),
    ({"BR(Bs->mumu)": "3.1 ± 1.5 e-11"}, ["BR(Bs->mumu)"]),
    ({"BR(Bs->mumu)": "3.1 ± 1.5 e-9"}, []),
    ({"BR(Bs->mumu)": "< 1e-5 @ 95% CL"}, []),
    ({"BR(Bs->mumu)": "0.1 ± 0.5 e-5"}, []),
    ([binned(4, 6)], []),
    ([binned(4, 6, "0.01 ± 0.2")], []),
    ([binned(4, 6, "0.01 ± 0.02")], ["<P5p>(B0->K*mumu) 4 6", "-0.7"]),
    ([binned(4, 6, "-41 ± 12")], ["<P5p>(B0->K*mumu) 4 6"]),
]


@pytest.mark.parametrize(("content", "words"), NONSENSE, ids=str)
def test_nonsense_is_pointed_out(tmp_path, content, words):
    """Truth: 20 standard deviations or a factor of 20, by hand; a limit is no nonsense."""
    said = doubts(
        named(), overlays=[write(tmp_path, {"new": {"experiment": "X", "values": content}})]
    )
    assert list(said.values()) == [False] * bool(words)
    for sentence in said:
        assert sentence.startswith("new: ")
        assert all(word in sentence for word in words)


def test_value_that_is_relative_to_nothing(tmp_path):
    """Truth: where the Standard Model is nearly zero, the theory's uncertainty is the measure."""
    nearly = named()
    nearly.sm = np.array([80.36, -0.001, 18.0, 3.6e-9])
    content = {"experiment": "X", "values": [binned(4, 6, "-0.4 ± 0.1")]}
    path = write(tmp_path, {"new": content})
    assert doubts(nearly, overlays=[path]) == {}


TWICE = [
    ({"experiment": "LHCb", "values": [binned(4, 6)]}, "LHCb B->K*mumu 2020 P 4-6"),
    ({"experiment": "LHCb (9 fb-1)", "values": [binned(4.3, 7)]}, "LHCb B->K*mumu 2020 P 4-6"),
    ({"experiment": "LHCb", "values": [binned(1.1, 4), binned(6, 8)]}, ""),
    ({"experiment": "CMS", "values": [binned(4, 6)]}, ""),
    ({"values": [binned(4, 6)]}, "LHCb B->K*mumu 2020 P 4-6"),
    ({"experiment": "lhcb collaboration", "values": [binned(4, 6)]}, "LHCb B->K*mumu 2020 P 4-6"),
    ({"experiment": "CMS Collaboration", "values": [binned(4, 6)]}, ""),
    ({"experiment": "LHCb II", "values": [binned(4, 6)]}, ""),
    ({"experiment": "LHCb", "values": [binned(4, 6, name="<P4p>(B0->K*mumu)")]}, ""),
    ({"experiment": "CMS, D0", "values": {"m_W": "80.36 ± 0.01"}}, "m_W Tevatron"),
    ({"experiment": "LEP", "values": {"m_W": "80.36 ± 0.01"}}, ""),
    ({"experiment": "CMS", "values": [binned(1.1, 6), binned(4.3, 7)]}, "another of its bins"),
]


@pytest.mark.parametrize(("content", "words"), TWICE, ids=str)
def test_what_counts_twice_is_pointed_out(tmp_path, content, words):
    """Truth: intervals by hand; what is excluded counts no more."""
    path = write(tmp_path, {"new": content})
    include = [[BIN["name"], *bin] for bin in ((1.1, 4), (1.1, 6), (6, 8), (4.3, 7))]
    include += [["<P4p>(B0->K*mumu)", 4, 6]]
    rules = {"quarks": {"observables": {"include": include}}}
    said = doubts(named(), rules, [path])
    assert len(said) == bool(words)
    assert words in " ".join(said)
    for category in ("quarks", "EWPOs"):
        rules.setdefault(category, {})["measurements"] = {"exclude": [words, "new"]}
    assert doubts(named(), rules, [path]) == {}


def test_a_shipped_value_is_answered_for_by_nobody(tmp_path, monkeypatch):
    """Pages say whose events an overlay of the project shares; its values may have been edited."""
    monkeypatch.setattr(measurements, "_ANSWERED", tmp_path)
    content = {"experiment": "CDF", "values": {"m_W": "80362 ± 8"}}
    said = doubts(named(), overlays=[write(tmp_path, {"new": content})])
    ((units, unanswered), (twice, answered)) = said.items()
    assert ("flavio's units" in units, unanswered) == (True, False)
    assert ("m_W Tevatron" in twice, answered) == (True, True)
    assert ["(answered in" in sentence for sentence in said] == [False, True]


def test_what_is_left_out_puts_back_what_it_replaces(tmp_path):
    """Truth: the same experiment in overlapping bins, by hand, unless others replace it, too."""
    replaced, other = "LHCb B->K*mumu 2020 P 4-6", "LHCb B->K*mumu 2020 P 1.1-2.5"
    contents = {"lhcb": [binned(4.3, 7)], "again": [binned(5, 6)], "far": [binned(15, 19)]}
    paths = [
        write(tmp_path, {name: {"experiment": "LHCb", "values": values}}, f"{name}.yml")
        for name, values in contents.items()
    ]
    bins = [[BIN["name"], 4.3, 7], [BIN["name"], 5, 6], [BIN["name"], 15, 19]]
    measurements = {"include": ["CMS B+->Kmumu BR 2024"], "exclude": [replaced, other]}
    rules = {"quarks": {"measurements": measurements, "observables": {"include": bins}}}
    assert list(brought(rules, paths)) == [*contents, "CMS B+->Kmumu BR 2024"]

    def left(name, *rest):
        chosen, overlays = without(name, *(rest or (rules, paths)))
        rule = chosen["quarks"]
        return chosen, overlays, rule["measurements"], rule["observables"]["include"]

    once = left("lhcb")
    assert once[1:] == (paths[1:], measurements, bins[1:])
    *_, found, included = left("again", *once[:2])
    assert found == {**measurements, "exclude": [other]}
    assert included == bins[2:]
    *_, found, included = left("CMS B+->Kmumu BR 2024")
    assert (found, included) == ({**measurements, "include": []}, bins)


def test_distribution_that_vanishes_at_the_standard_model_is_refused(tmp_path):
    """Truth: the Standard Model has m_W = 80.35, and this density begins at 90."""
    density = {"distribution": "numerical", "central_value": 91, "x": [90, 91, 92], "y": [0, 1, 0]}
    path = write(tmp_path, {"A": {"values": {"m_W": density}}})
    with pytest.raises(ConfigurationError, match=r"A: m_W: .* vanishes at the Standard Model"):
        combine(base(), overlays=[path])


@pytest.mark.parametrize("value", ["eighty", "80 +- 1 GeV", "80.36", "80 ± 0"])
def test_value_that_flavio_cannot_read_is_named(tmp_path, value):
    """Truth: no number, or a number without an error; the measurement is named."""
    good, bad = {"values": {"m_W": "80.4 ± 0.1"}}, {"values": {"m_W": value}}
    path = write(tmp_path, {"good": good, "the bad one": bad})
    with pytest.raises(ConfigurationError, match=r"new\.yml: the bad one"):
        combine(base(), overlays=[path])
