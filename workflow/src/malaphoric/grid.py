"""The scan grid: axes, points in canonical order, and chunks of them.

Points are ordered with theta_sb fastest, then g_hat, then epsilon_hat; a point's number in this
order never depends on how the grid is split.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

#: Names of the axes, in the order of the arrays.
AXES = ("epsilon_hat", "g_hat", "theta_sb")

#: Points that the compiled engine evaluates together; chunks hold whole blocks, so that every
#: point meets the same arithmetic however the grid is split.
BLOCK = 1024


@dataclass(frozen=True)
class Grid:
    """A regular grid of (epsilon_hat, g_hat, theta_sb).

    Attributes
    ----------
    axes : tuple of ndarray
        Values of epsilon_hat, g_hat and theta_sb (rad).
    """

    axes: tuple[np.ndarray, np.ndarray, np.ndarray]

    @classmethod
    def from_dict(cls, data: dict) -> Grid:
        """Make a grid from the configuration's key ``grid``: min, max and points of each axis."""
        return cls(tuple(_axis(**data[name]) for name in AXES))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of points along each axis."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def size(self) -> int:
        """Number of points."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def steps(self) -> dict[str, float]:
        """Distance of neighbouring values by axis, of axes with more than one."""
        return {
            name: float(axis[-1] - axis[0]) / (len(axis) - 1)
            for name, axis in zip(AXES, self.axes, strict=True)
            if len(axis) > 1
        }

    @property
    def notes(self) -> list[str]:
        """Sentences on what a run on this grid lacks."""
        axis = self.axes[0]
        if not axis[0] < 0 < axis[-1] or 0 in axis:
            return []
        step = round_step(self.steps[AXES[0]])
        low, high = math.floor(round(axis[0] / step, 6)), math.ceil(round(axis[-1] / step, 6))
        return [
            "The grid spans epsilon_hat = 0 without a node there: Fig. 2 is not drawn, and the "
            f"exact engine has no unmixed fit; with {{min: {low * step:.10g}, "
            f"max: {high * step:.10g}, points: {high - low + 1}}} it has one."
        ]

    def points(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Points start <= number < stop in canonical order, shape (stop - start, 3)."""
        numbers = np.arange(start, self.size if stop is None else stop)
        indices = np.unravel_index(numbers, self.shape)
        return np.stack([axis[i] for axis, i in zip(self.axes, indices, strict=True)], axis=1)

    def chunks(self, points_per_chunk: int, block: int = 1) -> list[tuple[int, int]]:
        """Split the points into ranges (start, stop) of about equal size, of whole blocks."""
        blocks = -(-self.size // block)
        number = max(1, min(blocks, -(-self.size // max(1, points_per_chunk))))
        edges = np.minimum(
            np.linspace(0, blocks, number + 1).round().astype(int) * block, self.size
        )
        return [(int(start), int(stop)) for start, stop in pairwise(edges)]


def round_step(step: float) -> float:
    """The largest of 1, 2, 2.5, 4, 5 times a power of ten that is not above a step."""
    power = 10.0 ** math.floor(math.log10(step))
    return max(x for x in (1, 2, 2.5, 4, 5, 10) if x * power <= step * (1 + 1e-9)) * power


def _axis(min: float, max: float, points: int) -> np.ndarray:
    # without rounding errors: a finer grid has the same nodes, where they should be the same, and
    # zero is zero, because the unmixed model is the plane epsilon_hat = 0
    axis = np.round(np.linspace(min, max, points), 12) + 0.0
    axis[[0, -1]] = min, max
    return axis
