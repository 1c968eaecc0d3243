# Statistics: profile over theta_sb, best fits, their check against exact points, tables.


rule profile:
    """Profile over theta_sb, with the position of the minimum."""
    localrule: True
    input:
        recipe=recipe("profile", f"{OUT}/profile.h5", f"{OUT}/best_grid.json"),
        scan=f"{OUT}/scan.h5",
    output:
        profile=f"{OUT}/profile.h5",
        best=f"{OUT}/best_grid.json",
    log:
        f"{OUT}/logs/profile.log",
    params:
        recipe=text("profile"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/profile.py"


rule best_fit:
    """Best fits of the Standard Model and the model; predictions there."""
    localrule: True
    input:
        unpack(best_fit_inputs),
        recipe=recipe("best_fit", f"{OUT}/best_fit.json", f"{OUT}/best_fit.h5"),
    output:
        fits=f"{OUT}/best_fit.json",
        points=f"{OUT}/best_fit.h5",
    log:
        f"{OUT}/logs/best_fit.log",
    params:
        recipe=text("best_fit"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/best_fit.py"


if "c9" in RECIPES:

    rule c9:
        """Planes of C9: the direct fit, and where the model can be."""
        localrule: True
        input:
            recipe=recipe("c9", f"{OUT}/c9.h5"),
            likelihood=f"{OUT}/likelihood.h5",
            running=f"{OUT}/running.h5",
            **extra_inputs(),
            best=f"{OUT}/best_grid.json",
        output:
            f"{OUT}/c9.h5",
        log:
            f"{OUT}/logs/c9.log",
        params:
            recipe=text("c9"),
        priority: 2  # takes longest
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/c9.py"


if PAPER:

    rule papers_points:
        """The paper's best fits, evaluated exactly."""
        input:
            recipe=recipe("papers_points", PAPER),
        output:
            PAPER,
        log:
            f"{OUT}/logs/exact/paper.log",
        params:
            recipe=text("papers_points"),
            kept=KEPT,
        priority: -1  # the scan waits for other jobs
        resources:
            mem_mb=lambda wildcards, attempt: 2000 * attempt,
            runtime=lambda wildcards, attempt: 15 * attempt,
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/exact_points.py"


if RUN.checked:

    rule validation_points:
        """Which points check the compiled engine: near the best fits, and fresh ones."""
        localrule: True
        input:
            recipe=recipe("validation_points", f"{OUT}/validation/points.json"),
            likelihood=f"{OUT}/likelihood.h5",
            running=f"{OUT}/running.h5",
            **extra_inputs(),
            best_fit=f"{OUT}/best_fit.json",
        output:
            f"{OUT}/validation/points.json",
        log:
            f"{OUT}/logs/validation_points.log",
        params:
            recipe=text("validation_points"),
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/validation_points.py"

    rule exact_points:
        """These points, evaluated exactly; kept ones are not computed again."""
        input:
            recipe=recipe("exact_points", *EXACT),
            points=f"{OUT}/validation/points.json",
        output:
            f"{OUT}/exact/{{number}}.h5",
        log:
            f"{OUT}/logs/exact/{{number}}.log",
        params:
            recipe=text("exact_points"),
            kept=KEPT,
        resources:
            mem_mb=lambda wildcards, attempt: 2000 * attempt,
            runtime=lambda wildcards, attempt: 30 * attempt,
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/exact_points.py"

    rule validate:
        """The compiled engine against exact points of the same run; fails above its bounds."""
        localrule: True
        input:
            recipe=recipe("validate"),
            likelihood=f"{OUT}/likelihood.h5",
            running=f"{OUT}/running.h5",
            **extra_inputs(),
            best_fit=f"{OUT}/best_fit.json",
            points=f"{OUT}/validation/points.json",
            paper=PAPER,
            **{f"exact_{part}": path for part, path in enumerate(EXACT)},
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
            recipe=text("validate"),
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/validate.py"


rule tables:
    """Tables 1 and 4 of the paper, with its numbers beside ours, and every observable's pulls."""
    localrule: True
    input:
        recipe=recipe("tables"),
        likelihood=f"{OUT}/likelihood.h5",
        best_fit=f"{OUT}/best_fit.json",
        best=f"{OUT}/best_fit.h5",
        paper=PAPER,
        checked=checked,
    output:
        table1=f"{OUT}/tables/table1.csv",
        table1_md=report(f"{OUT}/tables/table1.md", category="Tables"),
        table4=f"{OUT}/tables/table4.csv",
        table4_md=report(f"{OUT}/tables/table4.md", category="Tables"),
        pulls=report(f"{OUT}/tables/pulls.csv", category="Tables"),
    log:
        f"{OUT}/logs/tables.log",
    params:
        recipe=text("tables"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/tables.py"


if "comparison" in RECIPES:

    rule comparison:
        """Our numbers beside the paper's, and beside its closed formulas."""
        localrule: True
        input:
            recipe=recipe("comparison"),
            likelihood=f"{OUT}/likelihood.h5",
            best_fit=f"{OUT}/best_fit.json",
            best=f"{OUT}/best_fit.h5",
            paper=PAPER,
            checked=checked,
        output:
            paper=report(f"{OUT}/comparison.md", category="Tables"),
            analytic=report(f"{OUT}/analytic.md", category="Tables"),
        log:
            f"{OUT}/logs/comparison.log",
        params:
            recipe=text("comparison"),
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/comparison.py"
