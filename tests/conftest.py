"""Fixtures shared by unit and workflow tests."""

import malaphoric  # noqa: F401 - before numpy, whose arithmetic it pins
