"""What the page of a run has of a scan, unpacked, against the scan itself and the likelihood."""

from itertools import combinations

import numpy as np
import pytest

from malaphoric import load_likelihood
from malaphoric.inference import c9, statistics
from malaphoric.report import explorer
from test_statistics import nothing, parabola, write_scan

AXES = (np.arange(-12, 4) / 10, np.linspace(0, 0.3, 16), np.linspace(-0.4, 0.1, 21))
NAMES = ("epsilon_hat", "g_hat", "theta_sb")


def unpacked(content, place):
    """An array of the page, as the browser reads it; chi2 where it has a smallest value."""
    values = np.frombuffer(content, place["type"], place["size"], place["start"])
    if "low" not in place:
        return values
    chi2 = place["low"] + explorer.FAR * (values / 65534.0) ** 2
    return np.where(values == 65535, np.nan, chi2)


def made(tmp_path, axes=AXES, chi2=parabola, likelihood=None):
    """Of a scan with known chi2: the description, the content, and chi2 (category, ...) itself."""
    scan, profile = tmp_path / "scan.h5", tmp_path / "profile.h5"
    write_scan(scan, axes, chi2)
    statistics.profile(scan, profile)
    about, content = explorer.make(scan, profile, 3000.0, likelihood)
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    values = np.stack(list(chi2(points).values()))
    return about, content, values.reshape(-1, *map(len, axes))


def close(found, true):
    """Whether chi2 is known as well as the page says: to 0.0008 times the root of its height."""
    height = true - np.nanmin(true)
    known = np.where(height < explorer.FAR, true, np.nanmin(true) + explorer.FAR)
    return np.all(np.abs(found - known) <= 1e-9 + 8e-4 * np.sqrt(np.minimum(height, 2500)))


def test_nodes_of_planes_are_the_best_points_of_the_scan(tmp_path):
    """Truth: the smallest chi2 along the third axis by brute force, physical points first."""
    about, content, chi2 = made(tmp_path)
    total = chi2[-1] + 1e9 * (np.abs(AXES[0]) > 1)[:, np.newaxis, np.newaxis]
    assert [plane["pair"] for plane in about["planes"]] == list(map(list, combinations(NAMES, 2)))
    for plane, axis in zip(about["planes"], (2, 1, 0), strict=True):
        best = total.argmin(axis=axis)
        found = unpacked(content, plane["index"][NAMES[axis]]).reshape(best.shape)
        np.testing.assert_array_equal(found, best)
        at = np.take_along_axis(chi2, np.expand_dims(best, axis)[np.newaxis], axis + 1)
        for place, true in zip(plane["chi2"], at.squeeze(axis + 1), strict=True):
            assert close(unpacked(content, place).reshape(true.shape), true)


def test_slices_are_nodes_of_the_scan(tmp_path, monkeypatch):
    """Truth: the scan at the values that are kept, which have the ends and zero."""
    monkeypatch.setattr(explorer, "_SLICES", 1000)
    about, content, chi2 = made(tmp_path)
    kept = [about["slices"]["kept"][name] for name in NAMES]
    assert np.prod([len(k) for k in kept]) <= 1000 * 1.3
    for axis, k in zip(AXES, kept, strict=True):
        assert {0, len(axis) - 1, *np.flatnonzero(axis == 0)} <= set(k)
    for place, values in zip(about["slices"]["chi2"], chi2, strict=True):
        true = values[np.ix_(*kept)]
        assert close(unpacked(content, place).reshape(true.shape), true)


@pytest.mark.parametrize("what", ["nothing", "holes"])
def test_what_is_not_known_is_not_shown(tmp_path, what):
    """Truth: NaN in the scan."""

    def holes(points):
        return {k: np.where(points[:, 1] > 0.2, np.nan, v) for k, v in parabola(points).items()}

    about, content, chi2 = made(tmp_path, chi2=nothing if what == "nothing" else holes)
    for place, true in zip(about["slices"]["chi2"], chi2, strict=True):
        np.testing.assert_array_equal(np.isnan(unpacked(content, place)), np.isnan(true).ravel())
    if what == "nothing":
        assert set(about["planes"][0]["minima"]) == {None}


def test_pulls_and_coefficients(tmp_path):
    """Truth: predictions of one point after the other, and pulls of the table of pulls."""
    likelihood = load_likelihood("b3-l2")
    axes = (np.array([-0.9, 0.0]), np.array([0.05, 0.08]), np.array([-0.2, -0.1, 0.0]))
    about, content, _ = made(tmp_path, axes, likelihood=likelihood)
    pulls = about["slices"]["pulls"]
    n, names = about["n_pulls"], about["coefficients"]
    largest = unpacked(content, pulls["largest"]).reshape(-1, n)
    values = unpacked(content, pulls["pulls"]).reshape(-1, n)
    read = unpacked(content, pulls["coefficients"]).reshape(-1, len(names))
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    for row in (0, 4, 9):
        table = statistics.pulls(likelihood.predictions(points[[row]])[0], likelihood.data)
        table.sort(key=lambda line: -abs(line["pull"]))
        found = [about["observables"][k] for k in largest[row]]
        assert [name for name, *_ in found] == [line["observable"] for line in table[:n]]
        expected = [line["pull"] for line in table[:n]]
        np.testing.assert_allclose(values[row], expected, rtol=1e-6)
        expected = [line["pull_sm"] for line in table[:n]]
        np.testing.assert_allclose([sm for *_, sm in found], expected, atol=6e-4)
    # C9 as the planes of C9 have it; charges are those of vectors, so C10 comes from running alone
    engine = likelihood.engine
    places = c9.at(engine, points, engine.evaluate(points).ckm)
    for name in ("C9_bsee", "C9_bsmumu"):
        expected = [place[name] for place in places]
        np.testing.assert_allclose(read[:, names.index(name)], expected, rtol=1e-6, atol=1e-7)
        assert np.ptp(expected) > 0.3
    assert 0 < np.abs(read[:, names.index("C10_bsmumu")]).max() < 0.05


def test_a_run_of_one_parameter_has_no_plane(tmp_path):
    """Truth: two parameters have one value."""
    about, _, _ = made(tmp_path, (np.array([-0.6]), AXES[1], np.array([-0.15])))
    assert about["planes"] == []
