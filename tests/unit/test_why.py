"""scripts/why.py: what a dry run says, and when figures would be there, against sums by hand."""

import importlib.util

import pytest

from malaphoric.schema import ROOT

SPEC = importlib.util.spec_from_file_location("why_script", ROOT / "scripts/why.py")
SCRIPT = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(SCRIPT)

JOB = """
[some day]
{kind} {rule}:
    input: {inputs}
    output: {outputs}
    log: results/a/logs/{rule}.log
    jobid: 1
    reason: Missing output files: {outputs}
    resources: tmpdir=/tmp
"""

#: Rules, what they read and make. A page waits for figures, they for all but the check.
JOBS = (
    ("rule", "likelihood", "data.yml", "likelihood"),
    ("rule", "chunk", "likelihood, running", "chunk-1"),
    ("rule", "chunk", "likelihood, running", "chunk-2"),
    ("rule", "chunk", "likelihood, running", "chunk-3"),
    ("rule", "scan", "chunk-1, chunk-2, chunk-3", "scan"),
    ("localrule", "c9", "likelihood", "c9"),
    ("localrule", "check", "scan", "checked"),
    ("localrule", "figures", "scan, c9", "results/a/figures/x.pdf, results/a/figures/x.png"),
    ("localrule", "page", "results/a/figures/x.png, checked", "page"),
)
SECONDS = {"likelihood": 4, "chunk": 9, "scan": 1, "c9": 5, "check": 200, "figures": 2, "page": 1}

FOUND = SCRIPT.jobs(
    "Job stats:\n"
    + "".join(
        JOB.format(kind=kind, rule=rule, inputs=inputs, outputs=outputs)
        for kind, rule, inputs, outputs in JOBS
    )
)


def test_jobs():
    assert [job.rule for job in FOUND] == [rule for _, rule, _, _ in JOBS]
    assert FOUND[4].inputs == ("chunk-1", "chunk-2", "chunk-3")
    assert FOUND[-2].outputs == ("results/a/figures/x.pdf", "results/a/figures/x.png")
    assert SCRIPT.sentence(FOUND[1].reason) == "is not there: chunk-1"


@pytest.mark.parametrize(
    ("cores", "seconds"),
    [
        (1, 4 + 27 + 1 + 5 + 2),  # one after the other
        (2, 4 + 18 + 1 + 2),  # two chunks, then the third beside C9
        (4, 4 + 9 + 1 + 2),  # all chunks and C9 at once
    ],
)
def test_figures_after(cores, seconds):
    """Truth: the sums of what runs one after the other; the check and the page are not among it."""
    known = {rule: float(x) for rule, x in SECONDS.items()}
    assert SCRIPT.figures_after(FOUND, known, cores) - SCRIPT._SNAKEMAKE == seconds


def test_figures_after_is_not_known():
    """A rule that has no log yet, before the figures and after them; and no figures at all."""
    for rule, known in (("c9", False), ("check", True)):
        others = {name: 1.0 for name in SECONDS if name != rule}
        assert (SCRIPT.figures_after(FOUND, others, 2) is not None) == known
    assert SCRIPT.figures_after(FOUND[:3], SECONDS, 2) is None
