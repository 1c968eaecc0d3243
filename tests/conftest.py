"""Order of the tests, and which of them share a process."""

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

import malaphoric  # noqa: F401 - before numpy, whose arithmetic it pins
from malaphoric.schema import read_yaml_in_c

read_yaml_in_c()  # many processes of the tests import flavio

#: Workflow tests that share something, by the beginnings of their names: they start first, so
#: that they do not end last.
TOGETHER = (
    "tests/workflow/test_slurm.py",
    "tests/workflow/test_every_key.py::test_drawn_configuration",
)
FIRST = (*TOGETHER, "tests/workflow/test_small_run.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list) -> None:
    """The longest first."""
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))


class ByGroup(LoadScopeScheduling):
    """Tests of a file in tests/unit go to one process, too: what they make once, they share.

    (The marks of xdist's own loadgroup are lost under pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        if file.startswith("tests/unit/"):
            return file
        return next((group for group in TOGETHER if nodeid.startswith(group)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByGroup:
    """Groups start in the order of the tests, not by their number of tests."""
    config.option.loadscopereorder = False
    return ByGroup(config, log)
