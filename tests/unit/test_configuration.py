"""Run configurations: what is accepted, its meaning, and how everything else is refused."""

import copy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from malaphoric.data.lep2 import MEASUREMENTS
from malaphoric.report.paper import FITS
from malaphoric.schema import ROOT, ConfigurationError, load_yaml
from malaphoric.workflow.configuration import (
    SECONDS_PER_POINT,
    Configuration,
    configured,
    load_configuration,
)

MINIMAL = {
    "run": "test",
    "model": "b3-l2",
    "parameters": {
        "epsilon_hat": {"min": -1, "max": 1, "points": 5},
        "g_hat": {"min": 0, "max": 0.2, "points": 3},
        "theta_sb": {"min": -0.3, "max": 0.3, "points": 7},
    },
}
FULL = MINIMAL | {
    "parameters": {**MINIMAL["parameters"], "M_X": 3000},
    "engine": "exact",
    "smeft_accuracy": "leadinglog",
    "categories": ["quarks", "EWPOs", "LEP2", "LFU"],
    "lep2_set": "paper",
    "data": {
        "overlays": [],
        "quarks": {
            "measurements": {"include": [], "exclude": ["GSSS combination Bs->mumu 2022"]},
            "observables": {"include": [["<P5p>(B0->K*mumu)", 1, 4]], "exclude": ["DeltaM_s"]},
        },
    },
    "covariance": {"draws": 100000, "seed": 1},
    "chunk_minutes": 3,
    "fits": {"unmixed": {"epsilon_hat": 0}, "malaphoric": {}},
    "confidence_levels": [0.68, 0.95],
    "validation": {"points": 8, "seed": 1},
    "observables_of_interest": ["DeltaM_s", ["<Rmue>(B+->Kll)", 1.1, 6.0]],
}


def changed(path, value, base=FULL):
    """The full configuration with one entry replaced, or removed if the value is Ellipsis."""
    data = copy.deepcopy(base)
    *parents, last = path
    inner = data
    for key in parents:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return data


@pytest.mark.parametrize(
    "path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name
)
def test_configurations_of_the_project_load(path):
    """Truth: they are what docs/quick-start.md tells newcomers to run."""
    run = configured(load_yaml(path), path.name)
    assert (len(run.models) if path.name == "atlas.yaml" else run.grid.size) > 0


def test_default_configuration_exists():
    """Truth: `make run` needs it."""
    assert (ROOT / "config" / "config.yaml").is_file()


def test_every_key_of_the_schema_is_tried_here():
    """Truth: the schema; a new key must join FULL, and a few wrong values of it BAD."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    assert {*FULL, "figures"} == set(schema["properties"])  # these have no default


def test_full_configuration_is_kept_as_it_is():
    """Truth: nothing is filled in, nothing lost; the caller's data stay untouched."""
    data = copy.deepcopy(FULL)
    kept = Configuration(data).data
    assert {key: kept[key] for key in FULL} == FULL
    assert data == FULL
    before = copy.deepcopy(MINIMAL)
    Configuration(MINIMAL)
    assert before == MINIMAL


def test_defaults():
    """Truth: the values the paper and the issue ask for."""
    c = Configuration(MINIMAL)
    assert (c.mass, c["smeft_accuracy"], c["lep2_set"]) == (3000, "leadinglog", "paper")
    assert c.categories == ["quarks", "EWPOs", "LEP2", "LFU"]
    assert c["covariance"] == {"draws": 100_000, "seed": 1}
    assert c["confidence_levels"] == [0.68, 0.95]
    partial = Configuration(MINIMAL | {"covariance": {"seed": 7}})
    assert partial["covariance"] == {"draws": 100_000, "seed": 7}


def test_command_of_the_box(tmp_path):
    """What a user types to be proposed a box for the same model, mass, categories and data."""
    command = "python -m malaphoric box b3-l2"
    for model in ("b3-l2", str(ROOT / "config/models/b3-l2.yaml")):
        assert Configuration(copy.deepcopy(MINIMAL | {"model": model})).box_command == command
    path = tmp_path / "mine.yaml"
    path.write_text((ROOT / "config/models/b3-l2.yaml").read_text().replace("b3-l2", "mine"))
    other = {"model": str(path), "lep2_set": "full"}
    other |= {"parameters": {**MINIMAL["parameters"], "M_X": 2900}}
    other |= {"categories": ["LFU", "EWPOs"]}
    assert Configuration(copy.deepcopy(MINIMAL | other)).box_command == (
        "python -m malaphoric box MODEL --M-X 2900 --categories EWPOs LFU "
        "--data results/test/likelihood.h5"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"g_hat": {"min": 0, "max": 1.17, "points": 3}}, []),
        # the largest charge of this model is 3
        ({"g_hat": {"min": 0, "max": 2, "points": 3}}, ["g_hat goes up to 2; beyond 1.18", "3"]),
        ({"g_hat": 2}, ["g_hat goes up to 2"]),
        ({"epsilon_hat": {"min": -1.5, "max": 1.5, "points": 31}}, []),
        ({"epsilon_hat": {"min": -2, "max": 2, "points": 41}}, ["49%", "unphysical", " 1 or less"]),
        ({"M_X": {"min": 3000, "max": 3e4, "points": 10}}, ["unphysical"]),
        ({"M_X": {"min": 500, "max": 6000, "points": 12}}, []),
        ({"theta_sb": {"min": -1.6, "max": 1.6, "points": 7}}, []),
        ({"theta_sb": {"min": -1.6, "max": 1.8, "points": 7}}, ["theta_sb covers 3.4", "3.14"]),
    ],
)
def test_ranges_that_make_little_sense_are_remarked_on(changes, words):
    """Truth: sqrt(4 pi) / 3; nodes with |epsilon_hat| > 3 TeV / M_X, counted; the period pi."""
    run = Configuration(MINIMAL | {"parameters": {**MINIMAL["parameters"], **changes}})
    said = " ".join(run.remarks)
    assert bool(run.remarks) is bool(words)
    for word in words:
        assert word in said


def test_fits_in_their_order():
    """Truth: what holds more comes first, then by name; the main fit last, in whatever order."""
    wanted = {
        "main": {},
        "b": {"g_hat": 0.1},
        "both": {"g_hat": 0.1, "epsilon_hat": 0},
        "a": {"theta_sb": 0},
    }
    for names in (wanted, reversed(wanted)):
        found = Configuration(MINIMAL | {"fits": {name: wanted[name] for name in names}}).fits
        assert list(found) == ["both", "a", "b", "main"]
        assert found == wanted
    assert Configuration(MINIMAL).fits == FITS
    # M_X can be held where it is a parameter
    mass = {"parameters": {**MINIMAL["parameters"], "M_X": {"min": 1000, "max": 3000, "points": 3}}}
    heavy = {"fits": {"heavy": {"M_X": 3000, "epsilon_hat": -1}, "any": {}}}
    assert Configuration(MINIMAL | mass | heavy).fits["heavy"] == {"epsilon_hat": -1, "M_X": 3000}
    with pytest.raises(ConfigurationError, match=r"fits\.heavy\.M_X: 400 .* 500 to 100000"):
        Configuration(MINIMAL | mass | {"fits": {"heavy": {"M_X": 400}, "any": {}}})


def test_only_the_papers_fits_are_compared_with_it():
    """Truth: its two fits, among others or not, by names and what they hold."""
    theirs = {"unmixed": {"epsilon_hat": 0}, "malaphoric": {}}
    for fits, compared in (
        (theirs, True),
        ({**theirs, "small": {"theta_sb": -0.1}}, True),
        ({"malaphoric": {}}, False),
        ({"unmixed": {"epsilon_hat": -0.1}, "malaphoric": {}}, False),
        ({"unmixed": {"epsilon_hat": 0}, "mixed": {}}, False),
    ):
        assert Configuration(MINIMAL | {"fits": fits}).is_compared == compared


def test_defaults_are_not_shared():
    """Truth: two configurations are two objects."""
    one, two = Configuration(MINIMAL), Configuration(MINIMAL)
    one.data["categories"].append("changed")
    one.data["covariance"]["seed"] = 99
    assert two["categories"] == ["quarks", "EWPOs", "LEP2", "LFU"]
    assert Configuration(MINIMAL)["covariance"]["seed"] == 1


def test_meaning_of_the_keys():
    """Truth: the numbers written in the configuration."""
    c = Configuration(FULL | {"categories": ["LFU", "quarks"]})
    assert c.categories == ["quarks", "LFU"]
    assert c.model.name == "b3-l2"
    assert c.grid.shape == (5, 3, 7)
    assert c.grid.axes[0].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert c.measurements() == {"nexp": 100000, "seed": 1}
    assert c.likelihood() == {
        "lep2_set": "paper",
        "selection": {"quarks": FULL["data"]["quarks"]},
    }
    assert c.selection.extra == [("<P5p>(B0->K*mumu)", 1.0, 4.0)]


def test_theory_depends_on_what_changes_predictions_only():
    """Truth: a prediction knows the model, M_X, the accuracy and the code; no data, no grid."""
    reference = Configuration(FULL).theory()
    same = [
        (["run"], "other"),
        (["categories"], ["LFU"]),
        (["lep2_set"], "full"),
        (["covariance", "seed"], 2),
        (["parameters", "g_hat", "max"], 0.3),
        (["chunk_minutes"], 9),
        (["confidence_levels"], [0.5, 0.6]),
        (["parameters", "M_X"], 3000.0),
    ]
    for path, value in same:
        assert Configuration(changed(path, value)).theory() == reference, path
    other = [
        (["model"], "3b3-le-2lmu"),
        (["parameters", "M_X"], 3001),
        (["smeft_accuracy"], "integrate"),
    ]
    for path, value in other:
        assert Configuration(changed(path, value)).theory() != reference, path


def test_record_holds_what_changes_numbers_only():
    """Truth: the scan's numbers do not depend on the chunks' size or on what is drawn."""
    reference = Configuration(FULL).record
    same = [(["chunk_minutes"], 9), (["confidence_levels"], [0.5, 0.6])]
    for path, value in same:
        assert Configuration(changed(path, value)).record == reference, path
    other = [
        (["parameters", "M_X"], 3001),
        (["lep2_set"], "full"),
        (["parameters", "g_hat", "max"], 0.3),
    ]
    for path, value in other:
        assert Configuration(changed(path, value)).record != reference, path


def test_chunks_cover_the_grid_once():
    """Truth: every point in exactly one chunk."""
    c = Configuration(changed(["chunk_minutes"], 1))
    points = [i for start, stop in sorted(c.chunks) for i in range(start, stop)]
    assert points == list(range(105))
    assert len(c.chunks) > 3
    assert Configuration(changed(["chunk_minutes"], 1)).chunks == c.chunks


def test_huge_scans_have_longer_chunks_instead_of_more():
    """Truth: at most 4000 chunks; how long one takes follows its points, not `chunk_minutes`."""
    c = Configuration(changed(["chunk_minutes"], 1))
    assert c.longest_chunk == pytest.approx(12 * SECONDS_PER_POINT["exact"] / 60)
    axis = {"min": 0, "max": 0.3, "points": 1000}
    grid = {"epsilon_hat": {**axis, "points": 100}, "g_hat": axis, "theta_sb": axis}
    c = Configuration(changed(["parameters"], grid, changed(["chunk_minutes"], 1)))
    assert len(c.chunks) == 4000
    assert c.longest_chunk == pytest.approx(10**8 / 4000 * SECONDS_PER_POINT["exact"] / 60)


#: What the points of a grid do not cost.
APART = (
    ", and a quarter of a minute (with more than three parameters: minutes) for fits, C9, figures "
    "and page"
)
CHECK = "; 12 exact points check it, 4.9 s each if it is not kept"


def test_cost_is_said():
    """Truth: 4.9 s a point; per profiled parameter 500 times 10 us a point; 1 s a plane."""
    assert Configuration(MINIMAL).cost.startswith(f"{Configuration(MINIMAL).grid.size} points: ab")
    axis = {"min": 0, "max": 0.3, "points": 100}
    grid = {"epsilon_hat": axis, "g_hat": {**axis, "points": 7}, "theta_sb": 0.1}
    c = Configuration(changed(["parameters"], grid, changed(["engine"], "exact", MINIMAL)))
    assert c.cost == f"700 points: about 57 minutes of CPU time on a quiet core{APART}"
    grid["g_hat"]["points"] = 8
    grid["theta_sb"] = {"min": 0, "max": 0.3, "profile": True}
    c = Configuration(changed(["parameters"], grid, changed(["engine"], "compiled", MINIMAL)))
    minimised = "at each of which chi2 is minimised over theta_sb"
    assert c.cost == f"800 points, {minimised}: about 5 s of CPU time on a quiet core{APART}{CHECK}"
    grid["g_hat"]["points"] = 203
    c = Configuration(changed(["parameters"], grid, changed(["engine"], "compiled", MINIMAL)))
    assert c.cost.endswith(f"about 100 s of CPU time on a quiet core{APART}{CHECK}")
    content = changed(["engine"], "compiled", MINIMAL)
    others = {**content, "lep2_set": "full"}  # the paper's two points say nothing
    assert "; 10 exact points check it" in Configuration(others).cost
    assert Configuration({**content, "validation": {"points": 0}}).cost.endswith(APART)


def test_a_missing_parameter_is_told_all_it_may_be():
    """A number, an axis, or a minimum at every point."""
    grid = {name: x for name, x in MINIMAL["parameters"].items() if name != "theta_sb"}
    with pytest.raises(ConfigurationError, match=r"missing key parameters\.theta_sb") as caught:
        Configuration(changed(["parameters"], grid, MINIMAL))
    for words in ("a number", "{min, max, points}", "{min, max, profile: true}"):
        assert words in str(caught.value)


@pytest.mark.parametrize(("points", "parts"), [(0, 2), (8, 2), (58, 2), (59, 3), (100_000, 3334)])
def test_exact_points_are_shared_by_jobs(points, parts):
    """Truth: at least two jobs, of at most 30 points with the two best fits."""
    c = Configuration(changed(["validation", "points"], points, {**FULL, "engine": "compiled"}))
    assert c.checked == (points > 0)
    assert c.validation_parts == parts


NAN, INF = float("nan"), float("inf")

# path of the entry, its bad value (... for a missing key), what the message must contain
NO_LEP2 = {"measurements": {"exclude": list(MEASUREMENTS)}}
BAD = [
    (["parameter"], {}, ["parameter", "parameters"]),
    (["parameters", "m_x"], 3000, ["parameters.m_x", "M_X"]),
    (
        ["grid"],
        {"g_hat": {"min": 0, "max": 1, "points": 2}},
        ["parameters", "parameters:\n  g_hat: {min"],
    ),
    (["M_X"], 2000, ["M_X", "parameters:\n  M_X: 2000"]),
    (["run"], ..., ["run"]),
    (["model"], ..., ["model"]),
    (["parameters"], ..., ["parameters"]),
    (["parameters", "theta_sb"], ..., ["parameters.theta_sb"]),
    (["parameters", "g_hat", "points"], ..., ["parameters.g_hat", "points"]),
    (["parameters", "theta"], {"min": 0, "max": 1, "points": 2}, ["parameters.theta", "theta_sb"]),
    (["parameters", "g_hat", "step"], 1, ["parameters.g_hat.step", "points"]),
    (["covariance", "sed"], 1, ["covariance.sed", "seed"]),
    (["engin"], "exact", ["unknown key engin; did you mean engine? accepted"]),
    (["parameters", "Theta_sb"], 0.1, ["parameters.Theta_sb", "(did you mean theta_sb?)"]),
    (["categories"], ["quark"], ["categories.0: 'quark'", "(did you mean quarks?)"]),
    (["model"], "b3-12", ["model: 'b3-12' not found; did you mean b3-l2?"]),
    (["fits"], {"a": {"g_hot": 1}, "b": {}}, ["fits.a.g_hot", "(did you mean g_hat?)"]),
    (["run"], "a/b", ["run", "'a/b'", "letters"]),
    (["run"], "../up", ["run", "'../up'", "letters"]),
    (["run"], "", ["run", "''", "letters"]),
    (["run"], "a b", ["run", "'a b'", "letters"]),
    (["run"], "a\n", ["run", r"'a\n'", "letters"]),
    (["run"], 7, ["run", "7", "letters"]),
    (["run"], None, ["run", "None", "letters"]),
    (["model"], "b3l2", ["model", "'b3l2'", "b3-l2"]),
    (["model"], ["b3-l2"], ["model", "['b3-l2']", "name"]),
    (["parameters", "M_X"], -3000, ["M_X", "-3000", "500"]),
    (["parameters", "M_X"], 0, ["M_X", "0", "500"]),
    (["parameters", "M_X"], 3, ["M_X", "3", "GeV"]),
    (["parameters", "M_X"], 1e9, ["M_X", "1000000000.0", "100000"]),
    (["parameters", "M_X"], "3000", ["M_X", "'3000'", "GeV"]),
    (["parameters", "M_X"], True, ["M_X", "True", "GeV"]),
    (["parameters", "M_X"], NAN, ["M_X", "nan", "number"]),
    (["parameters", "M_X"], INF, ["M_X", "inf", "number"]),
    (["engine"], "Exact", ["engine", "'Exact'", "exact"]),
    (["smeft_accuracy"], "full", ["smeft_accuracy", "'full'", "integrate"]),
    (["categories"], ["quark"], ["categories.0", "'quark'", "quarks, EWPOs, LEP2, LFU"]),
    (["categories"], ["quarks", "global"], ["categories.1", "'global'", "LFU"]),
    (["categories"], [], ["categories", "[]", "quarks"]),
    (["categories"], ["LFU", "LFU"], ["categories", "['LFU', 'LFU']", "different"]),
    (["categories"], "quarks", ["categories", "'quarks'", "list"]),
    (["lep2_set"], "half", ["lep2_set", "'half'", "paper"]),
    (["data", "overlays"], ["absent"], ["data.overlays", "'absent'", "config/data"]),
    (["data", "overlays"], "absent", ["data.overlays", "'absent'", "list"]),
    (["data", "quark"], {}, ["data.quark", "quarks"]),
    (["data", "quarks", "measurements", "exclude"], ["LHCb"], ["quarks.measurements", "'LHCb'"]),
    (["data", "quarks", "measurements", "include"], ["LHCb"], ["quarks.measurements", "'LHCb'"]),
    (["data", "quarks", "observables", "exclude"], ["m_W"], ["quarks.observables", "'m_W'"]),
    (["data", "quarks", "observables", "include"], ["m_W"], ["quarks.observables", "not in EWPOs"]),
    (["data", "quarks", "observables", "include"], ["m_V"], ["quarks.observables", "'m_V'"]),
    (["data", "quarks", "observables", "include"], [["<P5p>(B0->K*mumu)", 6, 1]], ["from q2 = 6"]),
    (["data", "quarks", "observables", "include"], [["<P5p>(B0->K*mumu)", 1, 1]], ["to 1 GeV^2"]),
    (["data", "quarks", "observables", "include"], [["<P5p>(B0->K*mumu)", -5, 1]], ["q2 = -5"]),
    (
        ["data", "quarks", "observables", "include"],
        [["<P5p>(B0->K*mumu)", 1]],
        ["quarks.observables", "q2min, q2max"],
    ),
    (["covariance", "draws"], 10, ["covariance.draws", "10", "1000"]),
    (["covariance", "draws"], 1500.5, ["covariance.draws", "1500.5", "whole"]),
    (["covariance", "seed"], -1, ["covariance.seed", "-1", "whole"]),
    (["covariance"], None, ["covariance", "None"]),
    (["chunk_minutes"], 0, ["chunk_minutes", "0", "minutes"]),
    (["chunk_minutes"], -1, ["chunk_minutes", "-1", "minutes"]),
    (["figures"], [], ["figures", "[]", "planes"]),
    (["figures"], ["M_X"], ["figures.0", "M_X", "theta_sb"]),
    (["figures"], [["g_hat"]], ["figures.0", "['g_hat']", "a list of two"]),
    (["figures"], ["g_hat", ["g_hat", "g_hat"]], ["figures.1", "two of epsilon_hat"]),
    (["figures"], [["g_hat", "theta"]], ["figures.0", "theta", "two of"]),
    (["fits"], {}, ["fits", "{}", "a mapping of names"]),
    (["fits"], {"unmixed": {"epsilon_hat": 0}}, ["fits", "epsilon_hat", "holds nothing fixed"]),
    (["fits"], {"a": {}, "b": {}}, ["fits", "differ"]),
    (["fits", "again"], {"epsilon_hat": 0.0}, ["fits", "again", "differ"]),
    (["fits", "SM"], {"g_hat": 0}, ["fits", "SM", "a name"]),
    (["fits", "notes"], {"g_hat": 0}, ["fits", "notes", "a name"]),
    (["fits", "a_without_LEP2"], {"g_hat": 0}, ["fits", "a_without_LEP2", "a name"]),
    (["fits", 5], {"g_hat": 0}, ["fits", "5", "a name"]),
    (["fits", "a/b"], {"g_hat": 0}, ["fits", "a/b", "a name"]),
    (["fits", "half"], None, ["fits.half", "None", "a mapping"]),
    (["fits", "half"], {"theta": 0}, ["fits.half.theta", "epsilon_hat, g_hat, theta_sb"]),
    (["fits", "half"], {"M_X": 3000}, ["fits.half.M_X", "3000", "one of epsilon_hat"]),
    (["fits", "half"], {"theta_sb": "x"}, ["fits.half.theta_sb", "x", "a number"]),
    (["fits", "half"], {"theta_sb": 101}, ["fits.half.theta_sb", "101", "-100 to 100"]),
    (["fits", "half"], {"g_hat": -0.1}, ["fits.half.g_hat", "-0.1", "0 to 100"]),
    (["fits", "half"], {"epsilon_hat": 1.1}, ["fits.half.epsilon_hat", "1.1", "-1 to 1"]),
    (["confidence_levels"], [0.68], ["confidence_levels", "[0.68]", "two"]),
    (["confidence_levels"], [0.95, 0.68], ["confidence_levels", "[0.95, 0.68]", "smaller"]),
    (["confidence_levels"], [0.68, 0.68], ["confidence_levels", "[0.68, 0.68]", "smaller"]),
    (["confidence_levels"], [0.03, 0.03 + 1e-15], ["confidence_levels", "smaller"]),
    (["data", "LEP2"], NO_LEP2, ["data.LEP2", "no measurement is left"]),
    (["confidence_levels", 1], 95, ["confidence_levels.1", "95", "between 0 and 1"]),
    (["validation", "points"], 2, ["validation.points", "2", "8", "0 for no check"]),
    (["validation", "points"], 7, ["validation.points", "7", "8"]),
    (["validation", "points"], -1, ["validation.points", "-1", "8"]),
    (["validation", "points"], False, ["validation.points", "False", "whole"]),
    (["observables_of_interest"], [], ["observables_of_interest", "[]", "list"]),
    (["observables_of_interest"], "m_W", ["observables_of_interest", "'m_W'", "list"]),
    (["observables_of_interest", 0], 5, ["observables_of_interest.0", "5", "name"]),
    (["observables_of_interest", 1], ["a", "b"], ["observables_of_interest.1", "'b'", "numer"]),
    (["parameters"], [1, 2, 3], ["parameters", "[1, 2, 3]", "M_X"]),
    (["parameters", "g_hat"], [0, 1, 3], ["parameters.g_hat", "[0, 1, 3]", "points"]),
    (["parameters", "g_hat", "points"], 0, ["parameters.g_hat", "0", "whole"]),
    (["parameters", "g_hat", "points"], 2.5, ["parameters.g_hat", "2.5", "whole"]),
    (["parameters", "g_hat", "points"], "5", ["parameters.g_hat", "'5'", "whole"]),
    (["parameters", "g_hat", "points"], True, ["parameters.g_hat", "True", "whole"]),
    (["parameters", "g_hat", "max"], "0.2", ["parameters.g_hat", "'0.2'", "number"]),
    (["parameters", "g_hat", "max"], None, ["parameters.g_hat", "None", "number"]),
    (["parameters", "g_hat", "max"], INF, ["parameters.g_hat", "inf", "number"]),
    (["parameters", "g_hat", "max"], NAN, ["parameters.g_hat", "nan", "number"]),
    (["parameters", "g_hat", "max"], 1000, ["parameters.g_hat", "1000", "100"]),
    (["parameters", "g_hat", "max"], -0.1, ["parameters.g_hat", "-0.1", "min < max"]),
    (["parameters", "g_hat", "max"], 0, ["parameters.g_hat", "0", "min < max"]),
    (["parameters", "g_hat", "points"], 1, ["parameters.g_hat", "1", "points"]),
    (["parameters", "g_hat", "min"], -0.1, ["parameters.g_hat.min", "-0.1", "0"]),
    (["parameters", "theta_sb", "min"], 0.4, ["parameters.theta_sb", "0.4", "min < max"]),
    (["parameters", "epsilon_hat", "max"], 2.5, ["parameters.epsilon_hat.max", "2.5", "<= 2"]),
    (["parameters", "epsilon_hat", "min"], -2.5, ["parameters.epsilon_hat.min", "-2.5", "<= 2"]),
]


@pytest.mark.parametrize(
    ("path", "value", "words"), BAD, ids=[f"{'.'.join(map(str, p))}={v!r}" for p, v, _ in BAD]
)
def test_bad_input_is_refused(path, value, words):
    """Truth: one wrong entry in a valid configuration; key, value and advice in the message."""
    with pytest.raises(ConfigurationError) as caught:
        Configuration(changed(path, value), "source.yaml")
    message = str(caught.value)
    for word in [*words, "accepted"]:
        assert word in message, message


@pytest.mark.parametrize("m_x", [1000, 3000, 6000])
def test_epsilon_limit_follows_the_mass(m_x):
    """Truth: |epsilon_hat| M_X / (3 TeV) <= 2, the limit that the message states."""
    limit = 2 * 3000 / m_x
    data = changed(["parameters", "M_X"], m_x)
    for sign, key in ((1, "max"), (-1, "min")):
        Configuration(changed(["parameters", "epsilon_hat", key], sign * limit, data))
        with pytest.raises(ConfigurationError, match=f"{limit:g}"):
            Configuration(changed(["parameters", "epsilon_hat", key], sign * limit * 1.001, data))


@pytest.mark.parametrize("data", [None, [], "text", 5, True, 1.5])
def test_content_that_is_no_mapping_is_refused(data):
    """Truth: not a configuration at all."""
    with pytest.raises(ConfigurationError, match=r"source\.yaml: .*accepted"):
        Configuration(data, "source.yaml")


def test_every_mistake_is_named():
    """Truth: four mistakes, four mentions."""
    data = changed(["parameters", "M_X"], -1) | {
        "first_wrong": 1,
        "second_wrong": 2,
        "engine": "none",
    }
    with pytest.raises(ConfigurationError) as caught:
        Configuration(data)
    for word in ("M_X", "first_wrong", "second_wrong", "engine"):
        assert word in str(caught.value)


@pytest.mark.parametrize("text", ["", "a: [", "run: 2024-13-45", "x: &a [*a]", "!!python/name:os"])
def test_bad_file_is_refused(tmp_path, text):
    """Truth: files that are not YAML, or not a configuration; the file is named."""
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"bad\.yaml"):
        load_configuration(path)


def test_missing_file_is_refused(tmp_path):
    """Truth: no such file."""
    with pytest.raises(ConfigurationError, match=r"none\.yaml"):
        load_configuration(tmp_path / "none.yaml")


def test_file_and_data_give_the_same(tmp_path):
    """Truth: YAML round trip."""
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(FULL))
    assert load_configuration(path).data == Configuration(FULL).data


def test_snakefile_imports_nothing_slow():
    """Truth: the modules that are loaded; every start of Snakemake waits for them."""
    files = [ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]
    lines = [line for file in files for line in file.read_text().splitlines()]
    imports = [line for line in lines if line.startswith("from malaphoric")]
    assert len(imports) > 3
    slow = ["scipy", "matplotlib", "pandas", "xarray", "iminuit", "flavio", "wilson", "smelli"]
    code = [*imports, "import sys", f"print([name for name in {slow} if name in sys.modules])"]
    command = [sys.executable, "-c", "\n".join(code)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


@pytest.mark.slow
def test_yaml_in_c_says_the_same():
    """Truth: the parser in Python, of all that flavio reads when it is imported."""
    folder = Path(find_spec("flavio").origin).parent / "data"
    files = sorted(folder.glob("*.yml"))
    assert len(files) > 4
    for path in files:
        content = path.read_bytes()
        assert yaml.load(content, yaml.CSafeLoader) == yaml.load(content, yaml.loader.SafeLoader)
