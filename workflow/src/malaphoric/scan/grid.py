"""The scan grid: axes of a model's parameters, points in canonical order, and chunks of them.

Points are ordered with the last parameter fastest; a point's number in this order never depends on
how the grid is split.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Grid:
    """A regular grid of all parameters that an engine takes, some of which have one value only.

    Attributes
    ----------
    names : tuple of str
        The parameters, in the order of the columns of points.
    axes : tuple of ndarray
        Their values.
    """

    names: tuple[str, ...]
    axes: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, parameters: Iterable[dict]) -> Grid:
        """Make a grid from plain data: name, min, max and points of each parameter."""
        found = {p["name"]: _axis(p["min"], p["max"], p["points"]) for p in parameters}
        return cls(tuple(found), tuple(found.values()))

    @classmethod
    def from_dict(cls, parameters: dict) -> Grid:
        """Make a grid from the key ``parameters`` of a configuration, in the order given."""
        return cls.of(plain(parameters))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values of each parameter."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(self.shape)

    @property
    def scanned(self) -> tuple[str, ...]:
        """Names of the parameters with more than one value."""
        return tuple(name for name, axis in self.named.items() if len(axis) > 1)

    @property
    def slab(self) -> tuple[int, int]:
        """Numbers of values of the last two scanned parameters, whose points are consecutive."""
        rows, columns = [1, 1, *(n for n in self.shape if n > 1)][-2:]
        return rows, columns

    @property
    def unmixed(self) -> int | None:
        """Where epsilon_hat, the first parameter, is zero; None if it is nowhere."""
        if self.names[0] != "epsilon_hat" or 0 not in self.axes[0]:
            return None
        return int(np.flatnonzero(self.axes[0] == 0)[0])

    @property
    def named(self) -> dict[str, np.ndarray]:
        """The axes by name."""
        return dict(zip(self.names, self.axes, strict=True))

    @property
    def steps(self) -> dict[str, float]:
        """Distance of neighbouring values of the scanned parameters."""
        return {
            name: float(axis[-1] - axis[0]) / (len(axis) - 1)
            for name, axis in self.named.items()
            if len(axis) > 1
        }

    @property
    def notes(self) -> list[str]:
        """Sentences on what a run on this grid lacks."""
        axis = self.named.get("epsilon_hat", np.zeros(1))
        if not axis[0] < 0 < axis[-1] or 0 in axis:
            return []
        step = round_step(self.steps["epsilon_hat"])
        low, high = math.floor(round(axis[0] / step, 6)), math.ceil(round(axis[-1] / step, 6))
        return [
            "The grid spans epsilon_hat = 0 without a node there: Fig. 2 is not drawn, and the "
            f"exact engine has no unmixed fit; with {{min: {low * step:.10g}, "
            f"max: {high * step:.10g}, points: {high - low + 1}}} it has one."
        ]

    def points(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Points start <= number < stop in canonical order, shape (stop - start, n_parameters)."""
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


def plain(parameters: dict) -> list[dict]:
    """Values of parameters in their order as plain data: name, min, max and points.

    Each is given as a number, or as a mapping of min, max and points.
    """
    return [
        {"name": name, **(x if isinstance(x, dict) else {"min": x, "max": x, "points": 1})}
        for name, x in parameters.items()
    ]


def round_step(step: float) -> float:
    """The largest of 1, 2, 2.5, 4, 5 times a power of ten that is not above a step."""
    power = 10.0 ** math.floor(math.log10(step))
    return max(x for x in (1, 2, 2.5, 4, 5, 10) if x * power <= step * (1 + 1e-9)) * power


def _axis(low: float, high: float, points: int) -> np.ndarray:
    # without rounding errors: a finer grid has the same nodes, where they should be the same, and
    # zero is zero, because the unmixed model is the plane epsilon_hat = 0
    axis = np.round(np.linspace(low, high, points), 12) + 0.0
    axis[[0, -1]] = low, high
    return axis
