"""Fixtures and order of unit and workflow tests."""

from pathlib import Path

import pytest

import malaphoric  # noqa: F401 - before numpy, whose arithmetic it pins


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list) -> None:
    """Tests of a file in tests/unit go to one process: what they make once, they share.

    Workflow tests that are bound to one process start first, so that they do not end last.
    """
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)
    for item in items:
        if Path(item.fspath).parent.name == "unit":
            item.add_marker(pytest.mark.xdist_group(Path(item.fspath).stem))
