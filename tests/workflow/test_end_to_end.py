"""The real workflow on a tiny grid with real smelli: results, provenance, resuming."""

import csv
import json
import os
import signal
import time

import h5py
import numpy as np
import pytest
import xarray
from scipy import stats

from malaphoric.data import categories
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines import exact
from malaphoric.physics.model import Model

pytestmark = pytest.mark.slow

OUT = "results/tiny"


def test_everything_is_there(finished):
    """All results of the configuration, and nothing left to do."""
    names = ["scan.h5", "profile.h5", "best_fit.json", "tables/table1.csv", "tables/table4.md"]
    names += ["figures/fig4.pdf", "figures/fig4.png", "comparison.md", "analytic.md"]
    for name in names:
        assert (finished.folder / OUT / name).stat().st_size > 0
    assert finished.plan() == {}
    assert "scan: 4 points of 2 chunks" in finished.output


def test_scan_opens_in_h5py_and_xarray(finished):
    """Both see the same numbers, the axes and the provenance."""
    path = finished.folder / OUT / "scan.h5"
    with h5py.File(path) as file:
        chi2 = file["chi2"][:]
        assert file["chi2"].dims[3][0][:].tolist() == [-0.17, -0.1]
        assert json.loads(file.attrs["configuration"])["model"] == "b3-l2"
        versions = json.loads(file.attrs["versions"])
    assert versions["smelli"] == "2.4.3"
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        assert data.chi2.dims == ("category", "epsilon_hat", "g_hat", "theta_sb")
        assert list(data.category.values) == ["quarks", "EWPOs", "LEP2", "LFU", "global"]
        np.testing.assert_array_equal(data.chi2.values, chi2)
    np.testing.assert_allclose(chi2[:4].sum(axis=0), chi2[4], rtol=1e-14)


def test_chi2_is_that_of_smelli(finished):
    """A point of the scan against `GlobalLikelihood` itself, given the same covariances."""
    data = Likelihood.load(finished.folder / OUT / "likelihood.h5")
    gl = categories.global_likelihood()
    fast = gl.fast_likelihoods[categories.SMELLI["quarks"]]
    quarks = next(k for k in data.constraints if k.category == "quarks")
    theory = fast.sm_covariance.get(force=False)
    fast.exp_covariance.load_dict(
        {
            "observables": list(fast.observables),
            "central": quarks.arrays["central"],
            "covariance": quarks.arrays["covariance"] - theory,
        }
    )
    fast.make_measurement()
    gl._log_likelihood_sm = None
    point = (-0.9, 0.08, -0.17)
    w = exact.ExactEngine(Model.load("b3-l2")).wilson(np.array(point))
    theirs = gl.parameter_point(w).chi2_dict()
    with xarray.open_dataset(finished.folder / OUT / "scan.h5", engine="h5netcdf") as scan:
        ours = scan.chi2.sel(
            epsilon_hat=point[0], g_hat=point[1], theta_sb=point[2], method="nearest"
        )
        for category, name in categories.SMELLI.items():
            value = float(ours.sel(category=category))
            assert value == pytest.approx(theirs[name], abs=1e-6)


def test_tables_hold_the_papers_numbers(finished):
    """Table 1, and the paper's two points evaluated exactly, within the known differences."""
    folder = finished.folder / OUT / "tables"
    with open(folder / "table1.csv") as file:
        table1 = {row["set"]: row for row in csv.DictReader(file)}
    expected = {
        "quarks": (418.5, 1.5, 306),
        "EWPOs": (36.77, 0.02, 31),
        "LEP2": (149.82, 0.02, 148),
        "LFU": (18.53, 0.02, 24),
        "global": (624, 2, 509),
    }
    for name, (chi2, tolerance, n_obs) in expected.items():
        assert float(table1[name]["chi2"]) == pytest.approx(chi2, abs=tolerance)
        assert int(table1[name]["n_obs"]) == n_obs
    assert float(table1["quarks"]["p_value"]) == pytest.approx(1.7e-5, rel=0.3)
    for name, p in (("EWPOs", 0.22), ("LEP2", 0.44), ("LFU", 0.78)):
        assert float(table1[name]["p_value"]) == pytest.approx(p, abs=0.01)

    with open(folder / "table4.csv") as file:
        table4 = {row["fit"]: row for row in csv.DictReader(file)}
    # LEP2 at the second point: -0.78 with g'(M_X); g'(m_Z) would give -0.73 (see test_lep2)
    for name, numbers in {
        "unmixed": {
            "quarks": (35.2, 1.5),
            "EWPOs": (0, 0.1),
            "LEP2": (-0.014, 0.02),
            "LFU": (-4.0, 0.7),
        },
        "malaphoric": {
            "quarks": (37.6, 1.5),
            "EWPOs": (0.3, 0.15),
            "LEP2": (-0.78, 0.02),
            "LFU": (0.3, 0.3),
        },
    }.items():
        row = table4[f"{name}: the paper's point"]
        for category, (value, tolerance) in numbers.items():
            assert float(row[f"dchi2_{category}"]) == pytest.approx(value, abs=tolerance)

    best, unmixed = table4["malaphoric: best fit"], table4["unmixed: best fit"]
    assert int(best["dof"]) == 507  # epsilon_hat and theta_sb are free, g_hat has one node
    assert best["p_value_over_SM"] == ""  # which no fit with g_hat = 0.08 contains
    point = table4["malaphoric: the paper's point"]
    gain = float(point["dchi2_global"])
    assert float(point["p_value_over_SM"]) == pytest.approx(stats.chi2.sf(gain, 3))
    gain = float(best["dchi2_global"]) - float(unmixed["dchi2_global"])
    assert float(best["p_value_over_unmixed"]) == pytest.approx(stats.chi2.sf(gain, 1))


def test_chunks_hold_predictions(finished):
    """Predictions, CKM elements and chi2 of every point, whole and described."""
    data = Likelihood.load(finished.folder / OUT / "likelihood.h5")
    for path in (finished.folder / OUT / "chunks").glob("*.h5"):
        with h5py.File(path) as file:
            predictions = file["predictions"][:]
            assert predictions.shape == (2, len(data.observables))
            assert np.isfinite(predictions).all()
            chi2 = np.stack(list(data.chi2(predictions).values()), axis=1)
            np.testing.assert_allclose(chi2, file["chi2"][:], rtol=0, atol=1e-9)
            assert file["reason"].asstr()[:].tolist() == [""]
            assert file["reason_of_point"][:].tolist() == [0, 0]


def test_resumes(finished, tmp_path):
    """kill -9, then Ctrl-C: each loses the chunk in flight only, and the result is the same bytes.

    The undisturbed run had two cores and chunks of two points. Points are looked up in it: that
    smelli computes them again with the same bits, one by one, is what `test_slurm.py` sees.
    """
    from harness import Workflow, minutes

    workflow = Workflow(tmp_path)
    workflow.configure(chunk_minutes=minutes(1, "exact"))
    chunks, stop = tmp_path / OUT / "chunks", tmp_path / "stop after"
    workflow.patch_scripts(
        "chunk.py",
        f"""
import pathlib, time
import malaphoric, h5py, numpy as np
from malaphoric.data.categories import parse_observables
from malaphoric.engines import loading
from malaphoric.engines.protocol import Evaluation
chunks, stop, known = map(pathlib.Path, {(str(chunks), str(stop), str(finished.folder / OUT))!r})
files = [h5py.File(path) for path in known.glob("chunks/*.h5")]
arrays = {{name: np.concatenate([file[name][:] for file in files])
          for name in ("points", "predictions", "ckm")}}
class Known:
    observables = parse_observables(files[0].attrs["observables"])
    def evaluate(self, points, *args, **kwargs):
        while len(list(chunks.glob("*.h5"))) >= int(stop.read_text()):
            stop.with_suffix(".reached").touch()
            time.sleep(1)
        rows = [arrays["points"].tolist().index(point) for point in points.tolist()]
        reason = np.full(len(rows), "", dtype=object)
        return Evaluation(arrays["predictions"][rows], arrays["ckm"][rows], reason)
loading.exact_engine = lambda settings: Known()
""",
    )
    stamps = {}
    for number, blow in enumerate((signal.SIGKILL, signal.SIGINT), start=1):
        stop.write_text(str(number))
        reached = stop.with_suffix(".reached")
        reached.unlink(missing_ok=True)
        process = workflow.start("--cores", "1", "--until", "scan")
        while not reached.exists():
            assert process.poll() is None
            time.sleep(0.1)
        os.killpg(process.pid, blow)
        process.wait()
        found = {path.name: path.stat().st_mtime_ns for path in chunks.glob("*.h5")}
        assert len(found) == number
        assert found.items() >= stamps.items()
        stamps = found
        workflow.run("--unlock")
    stop.write_text("5")
    workflow.run("--cores", "1", "--until", "profile")
    for name, time_ns in stamps.items():
        assert (chunks / name).stat().st_mtime_ns == time_ns
    assert len(list(chunks.glob("*.h5"))) == 4
    for name in ("likelihood.h5", "scan.h5", "profile.h5"):
        assert (tmp_path / OUT / name).read_bytes() == (finished.folder / OUT / name).read_bytes()
