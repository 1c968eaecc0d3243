# Statistics: profile over theta_sb, best fits, exact evaluation of chosen points, tables.


rule profile:
    """Profile over theta_sb, with the position of the minimum."""
    input:
        f"{OUT}/scan.h5",
    output:
        profile=f"{OUT}/profile.h5",
        best=f"{OUT}/best_grid.json",
    log:
        f"{OUT}/logs/profile.log",
    params:
        code=store.room_digest("statistics"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/profile.py"


rule exact_points:
    """Points that are evaluated exactly: the paper's best fits, fresh ones, our best fits."""
    input:
        unpack(exact_inputs),
    output:
        f"{OUT}/exact/{{points}}-{{digest}}.h5",
    log:
        f"{OUT}/logs/exact/{{points}}-{{digest}}.log",
    params:
        points=lambda wildcards: exact_points(wildcards.points),
        layer=exact_layer,
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: (len(exact_points(wildcards.points)) // 2 + 15) * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/chunk.py"


rule best_fit:
    """Best fits of the Standard Model, the unmixed and the malaphoric model; predictions there."""
    input:
        unpack(best_fit_inputs),
    output:
        fits=f"{OUT}/best_fit.json",
        points=f"{OUT}/best_fit.h5",
    log:
        f"{OUT}/logs/best_fit.log",
    params:
        configuration=store.canonical(
            {**RUN.record, "confidence_levels": RUN["confidence_levels"]}
        ),
        code=store.room_digest("statistics", "fits", "notes"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/best_fit.py"


rule validate:
    """The compiled engine against exact points of the same run; fails above its bounds."""
    input:
        likelihood=f"{OUT}/likelihood.h5",
        running=f"{OUT}/running.h5",
        **extra_inputs(),
        best_fit=f"{OUT}/best_fit.json",
        table4=exact_files("table4"),
        fresh=exact_files("fresh"),
        exact_best=exact_files("best_fit"),
    output:
        points=f"{OUT}/validation/points.csv",
        observables=f"{OUT}/validation/observables.csv",
        pdf=f"{OUT}/validation/errors.pdf",
        png=report(
            f"{OUT}/validation/errors.png", caption="../report/validation.rst", category="Validation"
        ),
    log:
        f"{OUT}/logs/validate.log",
    params:
        code=store.room_digest("validation", "figures"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/validate.py"


rule tables:
    """Tables 1 and 4 of the paper, with its numbers beside ours."""
    input:
        likelihood=f"{OUT}/likelihood.h5",
        best_fit=f"{OUT}/best_fit.json",
        best=f"{OUT}/best_fit.h5",
        table4=exact_files("table4"),
        checked=checked,
    output:
        table1=f"{OUT}/tables/table1.csv",
        table1_md=report(f"{OUT}/tables/table1.md", category="Tables"),
        table4=f"{OUT}/tables/table4.csv",
        table4_md=report(f"{OUT}/tables/table4.md", category="Tables"),
    log:
        f"{OUT}/logs/tables.log",
    params:
        code=store.room_digest("tables", "statistics"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/tables.py"


rule pulls:
    """Every observable at the best fit: prediction, measurement, pulls."""
    input:
        likelihood=f"{OUT}/likelihood.h5",
        best=f"{OUT}/best_fit.h5",
        checked=checked,
    output:
        report(f"{OUT}/tables/pulls.csv", category="Tables"),
    log:
        f"{OUT}/logs/pulls.log",
    params:
        code=store.room_digest("statistics"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/pulls.py"


rule comparison:
    """Our numbers beside the paper's, and beside its closed formulas."""
    input:
        likelihood=f"{OUT}/likelihood.h5",
        best_fit=f"{OUT}/best_fit.json",
        best=f"{OUT}/best_fit.h5",
        table4=exact_files("table4"),
        checked=checked,
    output:
        paper=report(f"{OUT}/comparison.md", category="Tables"),
        analytic=report(f"{OUT}/analytic.md", category="Tables"),
    log:
        f"{OUT}/logs/comparison.log",
    params:
        code=store.room_digest("comparison", "tables", "statistics"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/comparison.py"
