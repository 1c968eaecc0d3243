# Remaking what comes with the package: only on demand, `make table`.
#
# What is in results and no run begins with a dot, which no name of a run does.

from malaphoric.data import theory
from malaphoric.engines.compiling import PARTS

TABLE = "workflow/src/malaphoric/data/compiled.h5"


rule compile_part:
    """One independent part of the table."""
    output:
        "results/.compile/{part}.h5",
    wildcard_constraints:
        part="|".join(PARTS),
    log:
        "results/.compile/logs/{part}.log",
    params:
        recipe=text("compile_part"),
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/compile_part.py"


rule compile:
    """The table and the measurements of the package, remade for the installed versions."""
    localrule: True
    input:
        expand("results/.compile/{part}.h5", part=PARTS),
    output:
        table=TABLE,
        measurements="workflow/src/malaphoric/data/measurements.h5",
        names="workflow/src/malaphoric/data/names.json",
    log:
        "results/.compile/logs/table.log",
    params:
        recipe=text("compile"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/compile.py"


rule compile_running:
    """The running of every coefficient that a vector boson can generate, to where the table reads."""
    input:
        table=TABLE,
    output:
        "workflow/src/malaphoric/data/running.h5",
    log:
        "results/.compile/logs/running.log",
    params:
        recipe=text("compile_running"),
    threads: 64  # as many as there are
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/compile_running.py"


rule compile_draws:
    """The Standard Model of smelli's and the additional observables, for parameters drawn once."""
    output:
        "results/.compile/draws-{draws}.h5",
    wildcard_constraints:
        draws="[0-9]+",
    log:
        "results/.compile/logs/draws-{draws}.log",
    params:
        recipe=text("compile_draws"),
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/compile_draws.py"


rule compile_theory:
    """All draws together: of smelli's observables, and of the additional ones that ship."""
    localrule: True
    input:
        expand("results/.compile/draws-{draws}.h5", draws=range(theory.PARTS)),
    output:
        theory="workflow/src/malaphoric/data/theory.h5",
        extra="workflow/src/malaphoric/data/extra.h5",
    log:
        "results/.compile/logs/theory.log",
    params:
        recipe=text("compile_theory"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/compile_theory.py"


rule compile_extra:
    """The compiled engine's table of the additional observables that ship."""
    input:
        table=TABLE,
    output:
        "workflow/src/malaphoric/data/extra_table.h5",
    log:
        "results/.compile/logs/extra_table.log",
    params:
        recipe=text("compile_extra"),
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/extra_table.py"
