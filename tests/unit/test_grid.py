"""Order, exactness and splitting of the grid, against nested loops and plain counting."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malaphoric.arithmetic import BLOCK
from malaphoric.report.paper import PARAMETERS as AXES
from malaphoric.scan.grid import Grid, round_step
from malaphoric.workflow.configuration import Configuration


def make(shape, low=(-1.0, 0.0, -0.3), high=(1.0, 0.25, 0.3)):
    return Grid.from_dict(
        {
            name: {"min": a, "max": b if n > 1 else a, "points": n}
            for name, a, b, n in zip(AXES, low, high, shape, strict=True)
        }
    )


def test_axes_are_named_in_the_order_of_the_arrays():
    """Truth: the interface, points are (epsilon_hat, g_hat, theta_sb)."""
    assert AXES == ("epsilon_hat", "g_hat", "theta_sb")
    grid = make((2, 3, 4))
    assert grid.shape == (2, 3, 4)
    assert grid.size == 24
    assert [axis[0] for axis in grid.axes] == [-1, 0, -0.3]
    assert [axis[-1] for axis in grid.axes] == [1, 0.25, 0.3]


def test_nodes_are_evenly_spaced():
    """Truth: min + i (max - min) / (n - 1)."""
    axis = make((1, 1, 7)).axes[2]
    np.testing.assert_allclose(axis, [-0.3 + i * 0.1 for i in range(7)], atol=1e-15)


@settings(deadline=None)
@given(st.tuples(*[st.integers(1, 6)] * 3))
def test_order_is_that_of_nested_loops(shape):
    """Truth: three nested loops, theta_sb innermost."""
    grid = make(shape)
    expected = list(itertools.product(*(axis.tolist() for axis in grid.axes)))
    assert grid.points().tolist() == [list(p) for p in expected]
    assert grid.size == len(expected)


@settings(deadline=None)
@given(st.tuples(*[st.integers(1, 9)] * 3), st.data())
def test_part_of_the_points_is_a_slice_of_all(shape, data):
    """Truth: slicing the whole."""
    grid = make(shape)
    start = data.draw(st.integers(0, grid.size))
    stop = data.draw(st.integers(start, grid.size))
    assert np.array_equal(grid.points(start, stop), grid.points()[start:stop])
    assert grid.points(start, stop).shape == (stop - start, 3)


@settings(deadline=None, max_examples=300)
@given(st.tuples(*[st.integers(1, 40)] * 3), st.integers(-2, 70_000))
def test_chunks_cover_every_point_once(shape, wanted):
    """Truth: counting; and no chunk is larger than asked for or empty."""
    grid = make(shape)
    chunks = grid.chunks(wanted)
    assert chunks[0][0] == 0
    assert chunks[-1][1] == grid.size
    assert all(a[1] == b[0] for a, b in itertools.pairwise(chunks))
    sizes = [stop - start for start, stop in chunks]
    assert min(sizes) >= 1
    assert sum(sizes) == grid.size
    assert max(sizes) <= max(1, wanted)
    assert all(type(x) is int for chunk in chunks for x in chunk)


@settings(deadline=None, max_examples=30)
@given(st.tuples(*[st.integers(1, 9)] * 3), st.integers(1, 100), st.integers(1, 100))
def test_points_do_not_depend_on_the_split(shape, one, two):
    """Truth: bytes of the points, joined again."""
    grid = make(shape)
    joined = [np.concatenate([grid.points(*c) for c in grid.chunks(n)]) for n in (one, two)]
    assert joined[0].tobytes() == joined[1].tobytes() == grid.points().tobytes()


@settings(deadline=None, max_examples=300)
@given(st.floats(1e-6, 100), st.integers(1, 60), st.integers(1, 60), st.integers(1, 50))
def test_zero_is_exactly_zero(step, below, above, factor):
    """Truth: a range of whole steps on both sides of zero has a node at +0.0, and only one."""
    low, high = -below * step / 50 * factor / 50, above * step / 50 * factor / 50
    axis = make((below + above + 1, 1, 1), (low, 0, 0), (high, 0, 0)).axes[0]
    assert axis[below] == 0.0
    assert not np.signbit(axis[below])
    assert np.count_nonzero(axis == 0) == 1
    assert axis[0] == low
    assert axis[-1] == high


def test_range_without_zero_gets_none():
    """Truth: no node of these ranges is zero."""
    for low, high, n in ((0.1, 0.3, 3), (-0.3, -0.1, 5), (-0.3, 0.2, 4)):
        assert np.all(make((n, 1, 1), (low, 0, 0), (high, 0, 0)).axes[0] != 0)


@pytest.mark.parametrize("value", [0.0, -0.5, 0.3])
def test_axis_of_one_point(value):
    """Truth: min = max is one plane."""
    assert make((1, 2, 2), (value, 0, -1)).axes[0].tolist() == [value]


def test_large_grid_is_not_built_to_be_counted():
    """Truth: 10^15 points would need petabytes; size and a part of the points do not."""
    grid = make((100_001, 100_001, 100_001))
    assert grid.size == 100_001**3
    middle = grid.points(grid.size // 2, grid.size // 2 + 1)
    np.testing.assert_allclose(middle, [[0, 0.125, 0]], atol=1e-15)
    assert middle[0, 0] == middle[0, 2] == 0


@pytest.mark.parametrize("minutes", [1e-9, 3e-5, 1e-3, 3e-3, 3])
def test_chunks_of_the_compiled_engine_hold_whole_blocks(monkeypatch, minutes):
    """Truth: the statement at `BLOCK`, every point meets the same arithmetic in every split."""
    monkeypatch.setattr(Configuration, "theory", lambda self, engine=None, extra=False: {})
    axis = {"min": 0, "max": 1, "points": 17}
    c = Configuration(
        {
            "run": "test",
            "model": "b3-l2",
            "engine": "compiled",
            "chunk_minutes": minutes,
            "parameters": {"epsilon_hat": axis, "g_hat": axis, "theta_sb": axis},
        }
    )
    for start, stop in c.chunks:
        assert start % BLOCK == 0
        assert stop % BLOCK == 0 or stop == c.grid.size


def test_steps_are_rounded_down():
    """1, 2, 2.5, 4 or 5 times a power of ten."""
    for step, expected in ((0.0061, 0.005), (0.02, 0.02), (0.0299, 0.025), (4.9, 4), (0.1, 0.1)):
        assert round_step(step) == pytest.approx(expected)


def test_a_grid_without_the_unmixed_model_says_so():
    """Where zero is inside and no node; what is proposed has it."""

    def grid(low, high, points):
        axis = {"min": low, "max": high, "points": points}
        return Grid.from_dict({"epsilon_hat": axis, "g_hat": axis, "theta_sb": axis})

    (note,) = grid(-1.15, 0.3, 13).notes
    assert "{min: -1.2, max: 0.3, points: 16}" in note
    assert 0 in grid(-1.2, 0.3, 16).axes[0]
    assert grid(-1.2, 0.3, 16).notes == grid(0.1, 0.3, 2).notes == grid(0.1, 0.1, 1).notes == []
