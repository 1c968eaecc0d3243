"""The overlays of config/data/2026: against their tables, older data and the Standard Model.

Independent truths: flavio's entries of LHCb's analysis of 2020 (a part of the same events), LHCb's
own S basis, and the Standard Model of flavio that CMS publishes in its own conventions.
"""

import hashlib
import importlib.util
import json
import pkgutil
import re
import tarfile
from functools import cache
from zipfile import ZipFile

import numpy as np
import pytest
import yaml

from malaphoric.data import overlays
from malaphoric.data.measurements import PACKAGED, Measurements, brought, doubts, without
from malaphoric.schema import ROOT, ConfigurationError
from malaphoric.workflow.configuration import load_configuration

FOLDER = ROOT / "config/data/2026"
SPEC = importlib.util.spec_from_file_location("data_2026", ROOT / "scripts/data_2026.py")
SCRIPT = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(SCRIPT)

#: LHCb's bins as they stand in its tables.
BINS = [(0.06, 0.98), (1.1, 2.5), (2.5, 4), (4, 6), (6, 8), (15, 17), (17, 19), (11, 12.5)]
BINS += [(1.1, 6), (15, 19)]


@cache
def lhcb(name):
    with ZipFile(SCRIPT.LHCB) as file:
        return json.loads(file.read(f"config_{name}.json"))


def column(fit, name, key="val"):
    """Values of an observable in LHCb's bins, in flavio's units; NaN where it was not fitted."""
    values = lhcb(f"{fit}_results")["dependent_variables"][name]["values"]
    return np.array([np.nan if x["val"] == "-" else x[key] / 10 for x in values])


@cache
def cms(table):
    with tarfile.open(SCRIPT.CMS) as file:
        return yaml.safe_load(file.extractfile(f"HEPData-ins2850101-v1-yaml/{table}.yaml"))


def rows(name):
    """Central values and errors of an overlay by measurement and observable."""
    found = {}
    for measurement, content in yaml.safe_load((FOLDER / name).read_text()).items():
        for value in content["values"]:
            numbers, power = re.fullmatch(r"(.*?)( e-8)?", value["value"]).groups()
            central, error = (float(x) for x in numbers.split("±"))
            place = (value["name"], float(value["q2min"]), float(value["q2max"]))
            found[place] = np.array([central, error]) * (1e-8 if power else 1)
        found[measurement] = np.array(content["correlation"])
    return found


def test_overlays_are_what_the_tables_say():
    """Truth: the script that makes them from the tables, byte by byte."""
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.yml")}
    assert written == SCRIPT.overlays()


def test_tables_are_those_of_the_readme():
    """Truth: the digests in the README."""
    said = (FOLDER / "README.md").read_text(encoding="utf-8")
    for path in (SCRIPT.LHCB, SCRIPT.CMS):
        assert hashlib.sha256(path.read_bytes()).hexdigest() in said


def test_lhcb_by_hand():
    """Truth: numbers of the tables, read by eye; F_L has the other sign than S2c."""
    found = rows("lhcb-kstarmumu-2025.yml")
    assert found["<P5p>(B0->K*mumu)", 4, 6].tolist() == pytest.approx([-0.454, 0.066])
    assert found["<FL>(B0->K*mumu)", 2.5, 4].tolist() == pytest.approx([0.758, 0.029])
    assert found["<dBR/dq2>(B0->K*mumu)", 15, 19].tolist() == pytest.approx([4.45e-8, 0.23e-8])
    matrix = found["LHCb B->K*mumu 2025"]  # F_L to P8' and the rate, bin by bin
    assert matrix[8, 17] == 0.43  # rates in [1.1, 2.5] and [2.5, 4]
    assert matrix[0, 2] == -0.12  # F_L and P2 in [1.1, 2.5]: 0.12 for S2c
    massive = rows("lhcb-kstarmumu-2025-massive.yml")
    assert massive["<P5p>(B0->K*mumu)", 4, 6].tolist() == pytest.approx([-0.479, 0.073])
    first = rows("lhcb-kstarmumu-2025-first-bin.yml")
    assert first["<P5p>(B0->K*mumu)", 0.06, 0.98].tolist() == pytest.approx([0.452, 0.14])


def test_errors_of_the_massless_fit_are_symmetric():
    """Truth: LHCb's table; nothing is lost in a multivariate normal distribution."""
    for name in (*SCRIPT.ANGULAR, "dBF/dq2"):
        for kind in ("stat", "syst", "total"):
            high, low = (column(5, name, f"{end}_{kind}_err") for end in ("hi", "lo"))
            np.testing.assert_array_equal(high, -low)
        np.testing.assert_array_equal(column(5, name), column(5, name, "fit_val"))


def test_total_is_statistical_and_systematic():
    """Truth: the sum of both covariances, to the two digits that the tables have."""
    names = [(name, i) for i in (1, 2, 3, 9) for name in (*SCRIPT.ANGULAR, "dBF/dq2")]

    def matrix(kind):
        table = lhcb(f"5_correlation_{kind}")
        return np.array([[table[f"{a}_bin{i}"][f"{b}_bin{j}"] for b, j in names] for a, i in names])

    def errors(kind):
        return np.array([column(5, name, f"hi_{kind}_err")[i] for name, i in names])

    both = sum(matrix(kind) * np.outer(errors(kind), errors(kind)) for kind in ("stat", "syst"))
    deviation = np.sqrt(np.diag(both))
    np.testing.assert_allclose(deviation, errors("total"), rtol=0.03)
    np.testing.assert_allclose(both / np.outer(deviation, deviation), matrix("total"), atol=0.01)


def test_the_first_bin_is_uncorrelated_with_the_others():
    """Truth: the correlations of the fit that it is taken from, which are left out."""
    table = lhcb("2_correlation_total")
    others = [f"{name}_bin{i}" for name in SCRIPT.ANGULAR for i in (1, 2, 3, 9)]
    assert max(abs(table[f"{a}_bin0"][b]) for a in SCRIPT.ANGULAR for b in others) <= 0.01


def test_bins_that_overlap_are_not_both_used():
    """Truth: LHCb gives no correlation between them, though they have the same events."""
    table = lhcb("5_correlation_total")
    assert lhcb("5_results")["independent_variables"]["values"] == [
        list(map(float, b)) for b in BINS
    ]
    assert max(abs(table["P5p_bin8"][f"P5p_bin{i}"]) for i in (1, 2, 3)) == 0
    used = [
        place[1:] for place in rows("lhcb-kstarmumu-2025.yml") if place[0] == "<P5p>(B0->K*mumu)"
    ]
    assert used == [(1.1, 2.5), (2.5, 4), (4, 6), (15, 19)]


def test_definitions_of_lhcb_are_flavios():
    """Truth: flavio's formulas, from LHCb's S basis in the bin where all coefficients are fitted.

    flavio's S_4, S_7 and S_9 have the signs of LHCb's.
    """
    S = {name: column(1, name)[0] for name in ("S2c", "S2s", "S3", "S4", "S5", "S6c", "S7", "S8")}
    S |= {name: column(1, name)[0] for name in ("S9", "AFB")}
    root, S6s = 2 * np.sqrt(-S["S2s"] * S["S2c"]), (S["AFB"] - 3 / 8 * S["S6c"]) * 4 / 3
    formulas = {
        "P1": S["S3"] / (2 * S["S2s"]),
        "P2": S6s / (8 * S["S2s"]),
        "P3": -S["S9"] / (4 * S["S2s"]),
        "P4p": S["S4"] / root,
        "P5p": S["S5"] / root,
        "P6p": S["S7"] / root,
        "P8p": S["S8"] / root,
    }
    for name, value in formulas.items():
        assert value == pytest.approx(column(2, name)[0], abs=0.003), name


@cache
def flavios():
    return yaml.load(pkgutil.get_data("flavio", "data/measurements.yml"), yaml.CSafeLoader)


def of_2020(name, i):
    """Central value and error of LHCb's analysis of 2020, as flavio has it."""
    low, high = BINS[i] if i else (0.1, 0.98)
    values = flavios()[f"LHCb B->K*mumu 2020 P {low:g}-{high:g}"]["values"]
    (text,) = (x["value"] for x in values if x["name"] == f"<{name}>(B0->K*mumu)")
    central, statistical, systematic = (float(x) for x in text.split("±"))
    return central, np.hypot(statistical, systematic)


@pytest.mark.parametrize("name", SCRIPT.ANGULAR)
def test_signs_are_those_of_2020(name):
    """Truth: the analysis of a part of the same events; either sign, weighed in eight bins."""
    flavio_name, sign = SCRIPT.ANGULAR[name]
    new, error = sign * column(5, name), column(5, name, "hi_total_err")
    chi2 = {1: 0.0, -1: 0.0}
    for i in range(8):
        old, before = of_2020(flavio_name, i)
        # of events in both analyses the difference has the variance of the others, or so
        variance = max(before**2 - error[i] ** 2, 0.3 * before**2)
        for either in chi2:
            chi2[either] += (either * new[i] - old) ** 2 / variance
    assert chi2[1] < 20
    assert chi2[-1] - chi2[1] > 9


def test_cms_tables_have_the_order_that_is_taken():
    """Truth: the names in the tables of correlations."""
    for i, (low, high) in enumerate([(1.1, 2), (2, 4.3), (4.3, 6)]):
        table = cms(f"correlation_matrix_q2_bin_{i}")
        said = table["dependent_variables"][0]["qualifiers"][0]["value"]
        assert [float(x) for x in said.split("-")] == [low, high]
        first, second = (v["values"] for v in table["independent_variables"])
        names = list(SCRIPT.CMS_TABLES)
        assert [x["value"].lower() for x in first] == [a for a in names for _ in names]
        assert [x["value"].lower() for x in second] == names * 8


@pytest.mark.parametrize("name", SCRIPT.CMS_TABLES)
def test_factor_of_cms(name):
    """Truth: the predictions of flavio in CMS's tables, and those of flavio here."""
    import flavio

    observable, factor = SCRIPT.CMS_TABLES[name]
    (said,) = (
        [float(x["value"]) for x in v["values"][1:3]]
        for v in cms(f"results_{name}")["dependent_variables"]
        if "flavio" in v["header"]["name"]
    )
    own = [
        flavio.sm_prediction(f"<{observable}>(B0->K*mumu)", *b) for b in ((2.0, 4.3), (4.3, 6.0))
    ]
    off = {f: np.abs(np.array(said) - f * np.array(own)).sum() for f in (1, -1, 2, -2)}
    assert min(off, key=off.get) == factor
    assert off[factor] < 0.007


def test_cms_by_hand():
    """Truth: numbers of the tables, read by eye, and error propagation written out."""
    found = rows("cms-kstarmumu-2024.yml")
    assert found["<P4p>(B0->K*mumu)", 4.3, 6][0] == -0.717 / 2
    assert found["<P8p>(B0->K*mumu)", 2, 4.3][0] == -0.727 / 2
    error = np.hypot((0.184 + 0.193) / 2, 0.056) / 2
    assert found["<P8p>(B0->K*mumu)", 2, 4.3][1] == pytest.approx(error, abs=5e-5)
    assert found["<P6p>(B0->K*mumu)", 4.3, 6][0] == -0.129
    values = cms("correlation_matrix_q2_bin_1")["dependent_variables"][0]["values"]
    total = [np.hypot((0.036 + 0.03) / 2, 0.016), np.hypot((0.184 + 0.193) / 2, 0.056)]
    expected = -values[7]["value"] * (0.036 + 0.03) / 2 * (0.184 + 0.193) / 2 / np.prod(total)
    assert found["CMS B->K*mumu 2024 2-4.3"][0, 7] == pytest.approx(expected, abs=1e-4)


def test_cms_numbers_are_flavios():
    """Truth: the central values that flavio has, which are CMS's as they stand."""
    for i, (low, high) in enumerate([(1.1, 2), (2, 4.3), (4.3, 6)]):
        values = flavios()[f"CMS B->K*mumu 2024 {low:g}-{high:g}"]["values"]
        theirs = [float(re.match(r"-?[\d.]+", str(x["value"]))[0]) for x in values]
        tables = [cms(f"results_{name}")["dependent_variables"][0] for name in SCRIPT.CMS_TABLES]
        assert theirs == [table["values"][i]["value"] for table in tables]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yml")), ids=lambda path: path.stem)
def test_correlations_are_positive_definite(path):
    """Truth: eigenvalues."""
    assert overlays.read(path)
    for content in yaml.safe_load(path.read_text()).values():
        if "correlation" in content:
            matrix = np.array(content["correlation"])
            np.testing.assert_array_equal(matrix, matrix.T)
            assert np.linalg.eigvalsh(matrix).min() > 0.2


def test_signs_are_those_of_the_standard_model():
    """Truth: smelli's; where it is not near zero, the other sign would be far off."""
    base = Measurements.load(PACKAGED)
    number = {o: i for i, o in enumerate(base.observables)}
    weighed = 0
    for place, (central, error) in (
        (k, v) for k, v in rows("lhcb-kstarmumu-2025.yml").items() if isinstance(k, tuple)
    ):
        sm = base.sm[number[place]]
        total = np.hypot(error, np.sqrt(base.theory_covariance[number[place], number[place]]))
        assert abs(central - sm) < 4 * total, place
        if abs(sm) > 4 * total:
            assert abs(-central - sm) > 4 * total, place
            weighed += 1
    assert weighed >= 15


RUN = ROOT / "config/b3-l2-2026.yaml"


def test_what_is_replaced_is_excluded():
    """Truth: nothing of LHCb counts twice; CMS's other data are of other years (8 TeV)."""
    run = load_configuration(RUN)
    assert len(run.selection.extra) == 28
    said = doubts(
        Measurements.load(PACKAGED), run.likelihood()["selection"], run.selection.overlays
    )
    assert [text.split(":")[0] for text in said] == [
        f"CMS B->K*mumu 2024 {low}" for low in ("1.1-2", "2-4.3", "4.3-6")
    ]
    assert all(said.values())
    assert all(text.endswith("(answered in docs/data-2026.md)") for text in said)
    others = {other for text in said for other in re.findall(r"'(.*?)'", text)}
    assert all(re.match(r"CMS B->K\*mumu 201[357]", other) for other in others)


def test_what_is_replaced_would_count_twice():
    """Truth: the same run without its exclusions names them."""
    run = load_configuration(RUN)
    said = " ".join(doubts(Measurements.load(PACKAGED), {}, run.selection.overlays))
    selection = run.likelihood()["selection"]
    for category in ("quarks", "EWPOs"):
        for name in selection[category]["measurements"]["exclude"]:
            # without the configuration, the new first bin is nobody's observable
            assert f"'{name}'" in said or name.endswith("0.1-0.98")


def test_both_fits_of_lhcb_are_refused():
    """Truth: they are of the same events."""

    both = ["2026/lhcb-kstarmumu-2025", "2026/lhcb-kstarmumu-2025-massive"]
    with pytest.raises(ConfigurationError, match="LHCb B->K"):
        overlays.Selection({"overlays": both}, "config.yaml")


def test_names_of_the_overlays_stand_in_the_documentation():
    """Truth: the files."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for path in FOLDER.glob("*.yml"):
        assert path.stem in text


def test_each_overlay_can_be_left_out():
    """Truth: the table in config/data/2026/README.md; all left out are smelli's data."""
    run = load_configuration(RUN)
    rest = given = run.likelihood()["selection"], run.selection.overlays
    excluded = {
        (category, name)
        for category in given[0]
        for name in given[0][category].get("measurements", {}).get("exclude", [])
    }
    back = {}
    for name in brought(*given):
        (selection, _), rest = without(name, *given), without(name, *rest)
        back[name] = {(c, x) for c, x in excluded if x not in _names(selection, c, "exclude")}
    first, second = (x for x in excluded if x[1].startswith("m_W"))
    assert back.pop("m-w-without-cdf") == {first, second}
    bin_of_2020 = ("quarks", "LHCb B->K*mumu 2020 P 0.1-0.98")
    assert back.pop("lhcb-kstarmumu-2025-first-bin") == {bin_of_2020}
    assert back.pop("lhcb-kstarmumu-2025") == excluded - {first, second, bin_of_2020}
    assert set().union(*back.values()) == set()
    assert not any(_names(rest[0], c, how) for c in rest[0] for how in ("include", "exclude"))
    assert rest[1] == []


def _names(selection, category, how):
    """Measurements and observables that a selection includes or excludes."""
    return [x for lists in selection[category].values() for x in lists.get(how, [])]
