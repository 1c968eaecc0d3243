"""Chunk files and their merge, with a stand-in theory whose every number is known."""

import itertools
import json

import h5py
import numpy as np
import pytest

from malaphoric import store
from malaphoric.data.likelihood import Constraint, Likelihood
from malaphoric.engines.exact import ExactEngine
from malaphoric.engines.loading import ModelLikelihood, load_likelihood
from malaphoric.engines.protocol import Evaluation
from malaphoric.physics.model import Model
from malaphoric.report.paper import PARAMETERS as AXES
from malaphoric.scan.chunks import (
    Progress,
    keep,
    kept_in,
    others,
    read_points,
    write_kept,
    write_points,
)
from malaphoric.scan.grid import Grid
from malaphoric.scan.merging import merge
from malaphoric.schema import ConfigurationError
from malaphoric.store import StoreError

OBSERVABLES = ["a", ("b", 1.0, 6.0), "c", "d"]
DESCRIPTION = {"engine": "fake", "model": {"name": "m", "charges": [1, 2]}, "M_X": 3000.0}
CONFIGURATION = {"run": "test", "model": "m"}


class FakeEngine:
    """Predictions are formulas of the point; one corner fails, one point raises."""

    observables = OBSERVABLES

    def __init__(self, message="ValueError: bad luck"):
        self.message, self.evaluated = message, 0

    def extract(self, points):
        n = len(points)
        return Evaluation(np.empty((n, 0)), np.full((n, 4), np.nan), np.full(n, "", dtype=object))

    def evaluate(self, points, progress=None, ckm=None):
        e, g, t = np.atleast_2d(points).T
        predictions = np.stack([1 + e * g, 2 - e + t, np.abs(g - e), 1 + 3 * t * g], axis=1)
        ckm = np.stack([0.22 + 0 * e, 0.04 + 0 * e, 0.003 + 0 * e, 1.1 + t], axis=1)
        reason = np.full(e.size, "", dtype=object)
        reason[(g > 0.15) & (t > 0.25)] = "ckm"
        reason[(e == 0.5) & (g == 0) & (t == 0)] = self.message
        predictions[reason != ""] = np.nan
        ckm[reason != ""] = np.nan
        for done in range(e.size):
            if progress:
                progress(done + 1)
        self.evaluated += e.size
        return Evaluation(predictions, ckm, reason)


def likelihood(shift=0.0, scale=1.0):
    return Likelihood(
        observables=list(OBSERVABLES),
        constraints=[
            Constraint(
                "quarks", "one", "normal", np.array([0, 1]),
                {"central": np.array([1.0 + shift, 2.0]),
                 "covariance": scale * np.array([[0.04, 0.01], [0.01, 0.09]])},
            ),
            Constraint(
                "EWPOs", "two", "half_normal", np.array([2]),
                {"central": np.asarray(-9.0), "deviation": np.asarray(0.3)},
            ),
            Constraint(
                "LFU", "three", "asymmetric_normal", np.array([3]),
                {"central": np.asarray(1.0), "left": np.asarray(0.1), "right": np.asarray(0.2)},
            ),
        ],
        sm=np.array([1.0, 2.0, 0.0, 1.0]),
        theory_uncertainty=np.zeros(4),
        settings={"seed": 1},
    )  # fmt: skip


def grid(e=5, g=4, t=7):
    return Grid.from_dict(
        {
            "epsilon_hat": {"min": -1, "max": 1, "points": e},
            "g_hat": {"min": 0, "max": 0.2, "points": g},
            "theta_sb": {"min": -0.3, "max": 0.3, "points": t},
        }
    )


def write(folder, edges, the_grid=None, data=None, keep=True, engine=None):
    """Chunk files of the grid split at the edges."""
    the_grid, data = the_grid or grid(), data or likelihood()
    chunks = []
    for start, stop in itertools.pairwise(edges):
        path = folder / f"{start}-{stop}.h5"
        write_points(
            path, the_grid.points(start, stop), engine or FakeEngine(), data, DESCRIPTION, keep,
            out=lambda text: None,
        )  # fmt: skip
        chunks.append(([str(path)], start, stop))
    return chunks


class TestChunk:
    """One chunk file."""

    @pytest.mark.parametrize("keep", [True, False])
    def test_what_is_written_is_read(self, tmp_path, keep):
        """Truth: theory and likelihood called directly."""
        points, data = grid().points(), likelihood()
        lines = []
        counts = write_points(
            tmp_path / "c.h5", points, FakeEngine(), data, DESCRIPTION, keep, out=lines.append
        )
        truth = FakeEngine().evaluate(points)
        assert counts == {"points": 140, "found": 0, "errors": 1}
        result = read_points([tmp_path / "c.h5"], [DESCRIPTION], data)
        assert np.array_equal(result["points"], points)
        assert result["reason"].tolist() == truth.reason.tolist()
        np.testing.assert_array_equal(result["ckm"], truth.ckm)
        expected = np.stack(list(data.chi2(truth.predictions).values()), axis=1)
        np.testing.assert_allclose(result["chi2"], expected, rtol=1e-13)
        assert np.isnan(result["chi2"]).all(axis=1).sum() == 6
        assert ("predictions" in result) == keep
        if keep:
            np.testing.assert_array_equal(result["predictions"], truth.predictions)
        assert lines
        assert "140/140" in lines[-1]

    def test_equal_chunks_are_equal_bytes(self, tmp_path):
        """Truth: bytes."""
        for name in ("one.h5", "two.h5"):
            write_points(
                tmp_path / name, grid().points(), FakeEngine(), likelihood(), DESCRIPTION, True,
                out=lambda text: None,
            )  # fmt: skip
        assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()

    def test_many_blocks(self, tmp_path):
        """Truth: the same points evaluated in one go; 2700 points are more than two blocks."""
        the_grid, data, engine = grid(12, 15, 15), likelihood(), FakeEngine()
        write(tmp_path, [0, the_grid.size], the_grid, engine=engine)
        assert engine.evaluated == the_grid.size == 2700
        result = read_points([tmp_path / "0-2700.h5"], [DESCRIPTION], data)
        expected = data.chi2(FakeEngine().evaluate(the_grid.points()).predictions)
        for column, values in enumerate(expected.values()):
            np.testing.assert_allclose(result["chi2"][:, column], values, rtol=1e-12)

    def test_interrupted_chunk_leaves_nothing(self, tmp_path):
        """Truth: the folder's listing."""

        class Interrupted(FakeEngine):
            def evaluate(self, points, progress=None, ckm=None):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write(tmp_path, [0, 10], engine=Interrupted())
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        "message",
        ["ValueError: x", "Error: é\nsecond line", "Error: a\0b", "Error: \udc80", "E" * 500],
        ids=["plain", "accent", "zero byte", "surrogate", "long"],
    )
    def test_no_message_takes_the_chunk_down(self, tmp_path, message):
        """Truth: the issue, an exception is recorded whatever it says; 139 good points remain."""
        chunks = write(tmp_path, [0, 140], engine=FakeEngine(message))
        result = read_points(chunks[0][0], [DESCRIPTION], likelihood())
        assert len(result["reason"]) == 140
        (recorded,) = [r for r in result["reason"] if r not in ("", "ckm")]
        assert recorded[:3] == message[:3]
        merge(tmp_path / "scan.h5", grid(), chunks, [DESCRIPTION], likelihood(), CONFIGURATION)

    def test_new_data_weigh_kept_predictions(self, tmp_path):
        """Truth: the other likelihood called directly."""
        chunks = write(tmp_path, [0, 140])
        other = likelihood(shift=0.3)
        result = read_points(chunks[0][0], [DESCRIPTION], other)
        expected = other.chi2(FakeEngine().evaluate(grid().points()).predictions)
        np.testing.assert_allclose(result["chi2"], np.stack([*expected.values()], 1), rtol=1e-12)

    def test_new_data_without_predictions_are_refused(self, tmp_path):
        """Truth: there is nothing to weigh."""
        chunks = write(tmp_path, [0, 140], keep=False)
        with pytest.raises(StoreError, match=r"0-140\.h5"):
            read_points(chunks[0][0], [DESCRIPTION], likelihood(shift=0.3))

    @pytest.mark.parametrize(
        "change",
        [{"M_X": 3001.0}, {"model": {"name": "m", "charges": [1, 3]}}, {"new": 1}],
        ids=["M_X", "model", "new"],
    )
    def test_foreign_theory_is_refused(self, tmp_path, change):
        """Truth: another description; the file and what differs are named."""
        chunks = write(tmp_path, [0, 140])
        with pytest.raises(StoreError, match=r"0-140\.h5") as caught:
            read_points(chunks[0][0], [DESCRIPTION | change], likelihood())
        assert next(iter(change)) in str(caught.value)

    def test_description_that_lost_a_key_is_refused(self, tmp_path):
        """Truth: the chunk knows of a setting that we do not; it is named."""
        chunks = write(tmp_path, [0, 140])
        less = {k: v for k, v in DESCRIPTION.items() if k != "M_X"}
        with pytest.raises(StoreError, match="M_X"):
            read_points(chunks[0][0], [less], likelihood())

    def test_other_observables_are_refused(self, tmp_path):
        """Truth: a likelihood whose columns mean something else."""
        chunks = write(tmp_path, [0, 140])
        other = likelihood()
        other.observables[0] = "other"
        with pytest.raises(StoreError, match=r"0-140\.h5"):
            read_points(chunks[0][0], [DESCRIPTION], other)

    @pytest.mark.parametrize(
        ("name", "keep"),
        [
            (n, k)
            for n in ("points", "chi2", "ckm", "reason", "reason_of_point")
            for k in (True, False)
        ]
        + [("predictions", True)],
    )
    def test_damaged_number_is_refused(self, tmp_path, name, keep):
        """Truth: one entry of the file overwritten."""
        chunks = write(tmp_path, [0, 140], keep=keep)
        with h5py.File(chunks[0][0][0], "r+") as file:
            values = file[name][()]
            values.flat[0] = "ckm" if name == "reason" else values.flat[0] + 1
            file[name][...] = values
        with pytest.raises(StoreError, match=r"0-140\.h5"):
            merge(tmp_path / "scan.h5", grid(), chunks, [DESCRIPTION], likelihood(), CONFIGURATION)
        assert not (tmp_path / "scan.h5").exists()

    def test_rounding_of_another_machine_is_not_damage(self, tmp_path, monkeypatch):
        """Truth: chi2 of 10^8 whose last bit is another when it is computed again."""
        data = likelihood(scale=1e-8)
        chunks = write(tmp_path, [0, 140], data=data)
        here = data.chi2

        def elsewhere(predictions):
            return {k: np.nextafter(v, np.inf) for k, v in here(predictions).items()}

        monkeypatch.setattr(data, "chi2", elsewhere)
        assert np.nanmax(read_points(chunks[0][0], [DESCRIPTION], data)["chi2"]) > 1e7

    @pytest.mark.parametrize("content", [b"", b"text", b"\0" * 3000])
    def test_file_of_something_else_is_refused(self, tmp_path, content):
        """Truth: empty, text, zeros; then a likelihood."""
        path = tmp_path / "bad.h5"
        path.write_bytes(content)
        with pytest.raises(StoreError, match=r"bad\.h5"):
            read_points([path], [DESCRIPTION], likelihood())
        likelihood().save(path)
        with pytest.raises(StoreError, match=r"bad\.h5"):
            read_points([path], [DESCRIPTION], likelihood())

    def test_truncated_chunk_is_refused(self, tmp_path):
        """Truth: a chunk cut at many places."""
        chunks = write(tmp_path, [0, 140])
        content = (tmp_path / "0-140.h5").read_bytes()
        for length in range(0, len(content), 499):
            (tmp_path / "0-140.h5").write_bytes(content[:length])
            with pytest.raises(StoreError, match=r"0-140\.h5"):
                read_points(chunks[0][0], [DESCRIPTION], likelihood())


SPLITS = [
    [0, 140],
    [0, 1, 139, 140],
    [0, 28, 56, 84, 112, 140],
    [0, 13, 55, 56, 100, 140],
    list(range(141)),
]


class TestMerge:
    """The scan file."""

    def test_content(self, tmp_path):
        """Truth: three nested loops over the axes, theory and likelihood called directly."""
        data = likelihood()
        counts = merge(
            tmp_path / "scan.h5", grid(), write(tmp_path, [0, 55, 140]), [DESCRIPTION], data,
            CONFIGURATION,
        )  # fmt: skip
        assert counts == {"points": 140, "errors": 1}
        with h5py.File(tmp_path / "scan.h5") as file:
            names = file["category"].asstr()[:].tolist()
            assert names == ["quarks", "EWPOs", "LFU", "global"]
            axes = [file[name][:] for name in AXES]
            chi2, status, gamma = file["chi2"][:], file["status"][:], file["gamma"][:]
            attributes = {k: v for k, v in file.attrs.items()}
            labels = [[s.name for s in d.values()] for d in file["chi2"].dims]
        assert labels == [["/category"], *([f"/{a}"] for a in AXES)]
        assert chi2.dtype == np.float64
        assert chi2.shape == (4, 5, 4, 7)
        for i, e in enumerate(axes[0]):
            for j, g in enumerate(axes[1]):
                for k, t in enumerate(axes[2]):
                    one = FakeEngine().evaluate(np.array([[e, g, t]]))
                    expected = data.chi2(one.predictions)
                    for n, name in enumerate(names):
                        np.testing.assert_allclose(chi2[n, i, j, k], expected[name][0], rtol=1e-12)
                    assert status[i, j, k] == {"": 0, "ckm": 1}.get(one.reason[0], 2)
                    np.testing.assert_array_equal(gamma[i, j, k], one.ckm[0, 3])
        assert np.array_equal(np.isnan(chi2).all(axis=0), status > 0)
        assert store.parse(attributes["configuration"]) == CONFIGURATION
        assert attributes["configuration_digest"] == store.digest(CONFIGURATION)
        assert store.parse(attributes["model"]) == DESCRIPTION["model"]
        assert store.parse(attributes["chi2_sm"]) == data.chi2_sm
        assert store.parse(attributes["n_obs"]) == data.n_obs
        assert attributes["likelihood_digest"] == data.digest
        assert attributes["theory_digest"] == store.digest(DESCRIPTION)
        (error,) = store.parse(attributes["errors"])
        assert "bad luck" in error
        assert "0.5" in error

    def test_xarray_opens_it(self, tmp_path):
        """Truth: the interface; labels and axes as h5py sees them."""
        xarray = pytest.importorskip("xarray")
        pytest.importorskip("h5netcdf")
        merge(
            tmp_path / "scan.h5", grid(), write(tmp_path, [0, 140]), [DESCRIPTION], likelihood(),
            CONFIGURATION,
        )  # fmt: skip
        with xarray.open_dataset(tmp_path / "scan.h5", engine="h5netcdf") as scan:
            assert scan.chi2.dims == ("category", *AXES)
            assert scan.status.dims == scan.gamma.dims == AXES
            one = scan.chi2.sel(category="LFU", epsilon_hat=-1, g_hat=0.2, theta_sb=-0.3)
        truth = likelihood().chi2(FakeEngine().evaluate(np.array([[-1, 0.2, -0.3]])).predictions)
        assert float(one) == pytest.approx(truth["LFU"][0], rel=1e-12)

    @pytest.mark.parametrize("keep", [True, False], ids=["kept", "not kept"])
    @pytest.mark.parametrize("edges", SPLITS[1:], ids=lambda e: f"{len(e) - 1} chunks")
    def test_split_does_not_matter(self, tmp_path, edges, keep):
        """Truth: bytes of the scan made from one chunk."""
        results = []
        for name, split in (("one", SPLITS[0]), ("many", edges)):
            (tmp_path / name).mkdir()
            merge(
                tmp_path / name / "scan.h5", grid(), write(tmp_path / name, split, keep=keep),
                [DESCRIPTION], likelihood(), CONFIGURATION,
            )  # fmt: skip
            results.append((tmp_path / name / "scan.h5").read_bytes())
        assert results[0] == results[1]

    @pytest.mark.parametrize("shape", [(1, 4, 7), (5, 1, 7), (5, 4, 1), (1, 1, 1)])
    def test_planes_and_lines(self, tmp_path, shape):
        """Truth: axes of one point keep their place."""
        axes = [np.linspace(-1, 1, 5), np.linspace(0, 0.2, 4), np.linspace(-0.3, 0.3, 7)]
        small = Grid(AXES, tuple(a if n > 1 else a[:1] for a, n in zip(axes, shape, strict=True)))
        half = small.size // 2
        edges = sorted({0, half, small.size})
        counts = merge(
            tmp_path / "scan.h5", small, write(tmp_path, edges, small), [DESCRIPTION], likelihood(),
            CONFIGURATION,
        )  # fmt: skip
        assert counts["points"] == small.size
        with h5py.File(tmp_path / "scan.h5") as file:
            assert file["chi2"].shape == (4, *shape)
            found = file["chi2"][:, -1, -1, -1]
        last = FakeEngine().evaluate(small.points()[-1:]).predictions
        np.testing.assert_allclose(found, [v[0] for v in likelihood().chi2(last).values()])

    @pytest.mark.parametrize(
        "select",
        [
            lambda c: c[1:],
            lambda c: c[:-1],
            lambda c: c[:1] + c[2:],
            lambda c: c + c[-1:],
            lambda c: c[::-1],
            lambda c: [],
            lambda c: [*c[:-1], (c[-1][0], c[-1][1], c[-1][2] - 1)],
            lambda c: [c[0], (c[0][0], *c[1][1:]), *c[2:]],
        ],
        ids=["first", "last", "middle", "twice", "order", "none", "too short", "wrong file"],
    )
    def test_hole_is_refused(self, tmp_path, select):
        """Truth: chunks that do not cover the grid once; no scan is left behind."""
        chunks = select(write(tmp_path, [0, 50, 100, 140]))
        with pytest.raises(StoreError):
            merge(tmp_path / "scan.h5", grid(), chunks, [DESCRIPTION], likelihood(), CONFIGURATION)
        assert not [p for p in tmp_path.iterdir() if "scan" in p.name]

    def test_missing_file_is_refused(self, tmp_path):
        """Truth: the chunk that is gone is named."""
        chunks = write(tmp_path, [0, 50, 140])
        (tmp_path / "50-140.h5").unlink()
        with pytest.raises(StoreError, match=r"50-140\.h5"):
            merge(tmp_path / "scan.h5", grid(), chunks, [DESCRIPTION], likelihood(), CONFIGURATION)

    def test_points_of_another_grid_are_refused(self, tmp_path):
        """Truth: the same number of points, elsewhere; the chunk is named."""
        other = Grid(AXES, (grid().axes[0], grid().axes[1] + 1e-9, grid().axes[2]))
        chunks = write(tmp_path, [0, 50, 140], other)
        with pytest.raises(StoreError, match=r"0-50\.h5"):
            merge(tmp_path / "scan.h5", grid(), chunks, [DESCRIPTION], likelihood(), CONFIGURATION)

    def test_foreign_chunk_among_ours_is_refused(self, tmp_path):
        """Truth: one of two chunks was made from another theory."""
        chunks = write(tmp_path, [0, 50, 140])
        write_points(
            chunks[1][0][0], grid().points(50, 140), FakeEngine(), likelihood(),
            DESCRIPTION | {"M_X": 1.0}, True, out=lambda text: None,
        )  # fmt: skip
        with pytest.raises(StoreError, match=r"50-140\.h5.*M_X"):
            merge(tmp_path / "scan.h5", grid(), chunks, [DESCRIPTION], likelihood(), CONFIGURATION)

    def test_old_scan_survives_a_refused_merge(self, tmp_path):
        """Truth: bytes of the scan that was there."""
        chunks = write(tmp_path, [0, 50, 140])
        arguments = ([DESCRIPTION], likelihood(), CONFIGURATION)
        merge(tmp_path / "scan.h5", grid(), chunks, *arguments)
        before = (tmp_path / "scan.h5").read_bytes()
        with pytest.raises(StoreError):
            merge(tmp_path / "scan.h5", grid(), chunks[:1], *arguments)
        assert (tmp_path / "scan.h5").read_bytes() == before

    def test_many_errors(self, tmp_path):
        """Truth: every point fails with a long message; all are counted, 100 are quoted."""

        class Failing(FakeEngine):
            def evaluate(self, points, progress=None, ckm=None):
                n = len(points)
                nan = np.full((n, 4), np.nan)
                return Evaluation(nan, nan, np.full(n, "Error: " + "é" * 490, dtype=object))

        chunks = write(tmp_path, [0, 70, 140], engine=Failing())
        counts = merge(
            tmp_path / "scan.h5", grid(), chunks, [DESCRIPTION], likelihood(), CONFIGURATION
        )
        assert counts == {"points": 140, "errors": 140}
        with h5py.File(tmp_path / "scan.h5") as file:
            assert len(store.parse(file.attrs["errors"])) == 100
            assert np.all(file["status"][:] == 2)
            assert np.isnan(file["chi2"][:]).all()


def test_model_likelihood_is_theory_and_data():
    """Truth: both called directly; one point as a plain list, too."""
    data = likelihood()
    lh = ModelLikelihood(Model.load("b3-l2"), 3000.0, FakeEngine(), data)
    points = grid(12, 15, 15).points()
    truth = FakeEngine().evaluate(points).predictions
    np.testing.assert_array_equal(lh.predictions(points), truth)
    for name, values in lh.chi2(points).items():
        np.testing.assert_allclose(values, data.chi2(truth)[name], rtol=1e-12)
    assert lh.chi2([0.1, 0.1, 0.1])["global"].shape == (1,)
    assert lh.chi2_sm == data.chi2_sm
    assert lh.n_obs == data.n_obs
    assert lh.observables == OBSERVABLES


@pytest.mark.parametrize("points", [[1, 2], [[1, 2, 3, 4]], [], np.zeros((2, 2, 3)), "abc"])
def test_points_of_another_shape_are_refused(points):
    """Truth: a point has three coordinates."""
    lh = ModelLikelihood(Model.load("b3-l2"), 3000.0, FakeEngine(), likelihood())
    for function in (lh.chi2, lh.predictions):
        with pytest.raises(ValueError, match=r"accepted: \(n, 3\)|could not convert"):
            function(points)


@pytest.mark.parametrize(
    ("argument", "word"),
    [
        ({"M_X": float("nan")}, "M_X: nan"),
        ({"M_X": -1}, "M_X: -1"),
        ({"engine": "fast"}, "engine: 'fast'"),
        ({"categories": ["quark"]}, "categories.0: 'quark'"),
        ({"categories": []}, "categories: []"),
        ({"lep2_set": "some"}, "lep2_set: 'some'"),
        ({"smeft_accuracy": "good"}, "smeft_accuracy: 'good'"),
        ({"model": "b4"}, "model: 'b4'"),
    ],
    ids=lambda x: str(x),
)
def test_arguments_are_checked_first(argument, word):
    """Truth: the schema of a run configuration; a missing data file is not looked at."""
    arguments = {"model": "b3-l2", "data": "/no/such/file.h5"} | argument
    with pytest.raises(ConfigurationError) as caught:
        load_likelihood(**arguments)
    assert word in str(caught.value)
    assert "accepted" in str(caught.value)


def test_theory_and_data_of_different_observables_are_refused():
    """Truth: columns that mean different things."""
    data = likelihood()
    data.observables[0] = "other"
    with pytest.raises(StoreError, match="observables"):
        ModelLikelihood(Model.load("b3-l2"), 3000.0, FakeEngine(), data)


def test_progress_tells_points_rate_and_time_left():
    """Truth: counting; the last point is always reported, others at most every interval."""
    lines = []
    progress = Progress(4, lines.append, every=0)
    for done in range(1, 5):
        progress(done)
    assert [line.split()[0] for line in lines] == ["1/4", "2/4", "3/4", "4/4"]
    assert all("left" in line and "point" in line for line in lines)
    assert " 0 s left" in lines[-1]
    Progress(4, lines.append, every=0)(0)  # no rate is known yet
    assert len(lines) == 4
    quiet = []
    progress = Progress(4, quiet.append, every=1e9)
    for done in range(1, 5):
        progress(done)
    assert [line.split()[0] for line in quiet] == ["4/4"]


class FailingEngine(ExactEngine):
    """The exact engine without smelli: points fail by what their epsilon_hat says."""

    def __init__(self):
        self.observables = ["a"]

    def _point(self, point):
        if point[0] == 1:
            raise ValueError("The extraction of CKM elements failed. Perhaps ...")
        if point[0] == 2:
            raise ZeroDivisionError("division by zero")
        if point[0] == 3:
            raise KeyboardInterrupt
        return np.array([point[1]]), [0.1, 0.2, 0.3, point[2]]


def test_exact_engine_records_failures():
    """Truth: the exceptions raised by the stand-in; the points after them are computed."""
    seen = []
    points = np.array([[0, 5, 6], [1, 5, 6], [2, 5, 6], [0, 7, 8.0]])
    found = FailingEngine().evaluate(points, seen.append)
    assert found.reason.tolist() == ["", "ckm", "ZeroDivisionError: division by zero", ""]
    np.testing.assert_array_equal(found.predictions[:, 0], [5, np.nan, np.nan, 7])
    np.testing.assert_array_equal(found.ckm[:, 3], [6, np.nan, np.nan, 8])
    assert seen == [1, 2, 3, 4]
    with pytest.raises(KeyboardInterrupt):
        FailingEngine().evaluate(np.array([[3, 0, 0.0]]))


class Interrupted(FakeEngine):
    """Ends the job, as a time limit does, once it has evaluated so many points."""

    def __init__(self, after):
        super().__init__()
        self.after = after

    def evaluate(self, points, progress=None):
        result = super().evaluate(points, progress)
        if self.evaluated > self.after:
            raise KeyboardInterrupt
        return result


@pytest.mark.parametrize("damage", [False, True])
def test_interrupted_job_finds_its_finished_parts(tmp_path, damage):
    """140 points in parts of 32: the same bytes with and without an interruption, nothing twice."""
    whole, again = tmp_path / "whole.h5", tmp_path / "again.h5"
    points = grid().points()
    common = {"data": likelihood(), "description": DESCRIPTION, "keep_predictions": True}
    write_points(whole, points, FakeEngine(), **common)
    with pytest.raises(KeyboardInterrupt):
        write_points(again, points, Interrupted(after=70), **common)
    assert not again.exists()
    parts = sorted((tmp_path / "again.parts").glob("*.h5"))
    assert len(parts) == 2
    if damage:
        parts[0].write_bytes(parts[0].read_bytes()[:-1])
    engine = FakeEngine()
    write_points(again, points, engine, **common)
    assert engine.evaluated == 140 - (32 if damage else 64)
    assert again.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"whole.h5", "again.h5"}


@pytest.mark.parametrize("change", ["order", "theory"])
def test_parts_serve_their_theory_only(tmp_path, change):
    """What was computed is found whatever the order; another theory computes everything."""
    path, points, description = tmp_path / "chunk.h5", grid().points(), DESCRIPTION
    with pytest.raises(KeyboardInterrupt):
        write_points(path, points, Interrupted(after=70), likelihood(), description, True)
    if change == "order":
        points = points[::-1]
    else:
        description = {**DESCRIPTION, "M_X": 4000.0}
    engine = FakeEngine()
    write_points(path, points, engine, likelihood(), description, True)
    assert engine.evaluated == (140 - 64 if change == "order" else 140)
    fresh = tmp_path / "fresh.h5"
    write_points(fresh, points, FakeEngine(), likelihood(), description, True)
    assert path.read_bytes() == fresh.read_bytes()


def test_deleted_chunk_is_found_where_it_is_kept(tmp_path):
    """Truth: the same bytes, nothing computed; chunks of the same grid's other points are not."""
    path, points = tmp_path / "chunks" / "0123456789abcdef-0-6.h5", grid().points()[:6]
    kept = kept_in(tmp_path / "kept", DESCRIPTION)
    path.parent.mkdir()
    write_points(path, points, FakeEngine(), likelihood(), DESCRIPTION, True)
    content = path.read_bytes()
    for _ in range(2):
        keep(path, kept)
    (kept / "0123456789abcdef-6-9.h5").touch()
    path.unlink()
    engine, earlier = FakeEngine(), others(path, kept)
    assert earlier == [kept / path.name]
    write_points(path, points, engine, likelihood(), DESCRIPTION, True, earlier=earlier)
    assert engine.evaluated == 0
    assert path.read_bytes() == content


class Kept:
    """Points kept by themselves, in a folder that runs share."""

    def __init__(self, folder):
        self.folder, self.made = folder, 0

    def write(self, path, points, description=DESCRIPTION, engine=FakeEngine):
        """Write exact points; returns what was counted."""
        self.made = 0

        def make():
            self.made += 1
            return engine()

        layers = [(description, make)]
        return write_kept(path, points, layers, self.folder, lambda text: None)


def test_kept_points_are_not_computed_again(tmp_path):
    """Truth: the same bytes, and no theory is even made; another theory finds nothing."""
    kept, points = Kept(tmp_path / "kept"), grid().points()[:6]
    one, two, three = (tmp_path / f"{n}.h5" for n in range(3))
    assert kept.write(one, points)["found"] == 0
    assert kept.write(two, points)["found"] == 6
    assert kept.made == 0
    assert two.read_bytes() == one.read_bytes()
    assert kept.write(three, points[::-1][:2])["found"] == 2
    data = likelihood()
    ours = read_points([three], [DESCRIPTION], data)
    direct = FakeEngine().evaluate(points[::-1][:2])
    np.testing.assert_array_equal(ours["predictions"], direct.predictions)
    np.testing.assert_array_equal(ours["chi2"][:, -1], data.chi2(direct.predictions)["global"])
    assert kept.write(three, points, {**DESCRIPTION, "M_X": 4000.0})["found"] == 0


@pytest.mark.parametrize("damage", ["truncated", "another point", "deleted"])
def test_damaged_kept_points_are_made_again(tmp_path, damage):
    """Truth: the same bytes as before."""
    kept, points, path = Kept(tmp_path / "kept"), grid().points()[:4], tmp_path / "a.h5"
    kept.write(path, points)
    before = path.read_bytes()
    first, second, *_ = sorted((tmp_path / "kept").rglob("*.h5"))
    if damage == "truncated":
        first.write_bytes(first.read_bytes()[:-1])
    elif damage == "deleted":
        first.unlink()
    else:
        first.write_bytes(second.read_bytes())
    assert kept.write(path, points)["found"] == 3
    assert path.read_bytes() == before


def test_errors_are_tried_again(tmp_path):
    """Truth: a point that raised is computed by the next run, one without CKM elements is not."""
    kept, path = Kept(tmp_path / "kept"), tmp_path / "a.h5"
    points = np.array([[1, 5, 6], [2, 5, 6], [0, 5, 6.0]])
    assert kept.write(path, points, engine=FailingEngine)["errors"] == 1
    counts = kept.write(path, points, engine=FailingEngine)
    assert counts == {"points": 3, "found": 2, "errors": 1}


def test_layers_are_kept_apart(tmp_path):
    """A new layer computes itself only; the file holds the observables of both, in order."""
    kept, points, path = tmp_path / "kept", np.array([[0, 5, 6.0], [0, 7, 8.0]]), tmp_path / "a.h5"
    made = []

    def layer(name):
        engine = FailingEngine()
        engine.observables = [name]
        return {"layer": name}, lambda: made.append(name) or engine

    write_kept(path, points, [layer("a")], kept, lambda text: None)
    write_kept(path, points, [layer("a"), layer("b")], kept, lambda text: None)
    assert made == ["a", "b"]
    with h5py.File(path) as file:
        assert json.loads(file.attrs["observables"]) == ["a", "b"]
        assert file["predictions"][:].tolist() == [[5, 5], [7, 7]]


def test_no_point(tmp_path):
    """Truth: a file of nothing, which reads as nothing."""
    kept, path = Kept(tmp_path / "kept"), tmp_path / "a.h5"
    kept.write(path, np.empty((0, 3)))
    assert kept.made == 0
    data = likelihood()
    found = read_points([path], [DESCRIPTION], data)
    assert found["predictions"].shape == (0, len(data.observables))
    assert found["chi2"].shape == (0, len(data.categories) + 1)
