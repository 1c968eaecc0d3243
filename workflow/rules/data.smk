# Data: the measurements, and what of them counts.


if "measurements" in RECIPES:

    rule measurements:
        """All measurements, with covariances drawn with a seed, where the package has none."""
        input:
            recipe=recipe("measurements", f"{OUT}/measurements.h5"),
        output:
            f"{OUT}/measurements.h5",
        log:
            f"{OUT}/logs/measurements.log",
        params:
            recipe=text("measurements"),
        resources:
            mem_mb=lambda wildcards, attempt: 2000 * attempt,
            runtime=lambda wildcards, attempt: 15 * attempt,
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/measurements.py"


if "extra" in RECIPES:
    EXTRA = f"{OUT}/extra/{RECIPES['extra'].digest[:16]}.h5"

    rule extra:
        """The theory of observables beyond smelli's, where the package does not have it."""
        output:
            EXTRA,
        log:
            f"{OUT}/logs/extra.log",
        params:
            recipe=text("extra"),
        resources:
            mem_mb=lambda wildcards, attempt: 2000 * attempt,
            runtime=lambda wildcards, attempt: 60 * attempt,
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/extra.py"


rule likelihood:
    """What the configuration selects of the measurements, and its overlays."""
    localrule: True
    input:
        recipe=recipe("likelihood", f"{OUT}/likelihood.h5"),
        measurements=f"{OUT}/measurements.h5" if "measurements" in RECIPES else [],
        overlays=[str(path) for path in RUN.selection.overlays],
        extra=EXTRA if "extra" in RECIPES else [],
    output:
        f"{OUT}/likelihood.h5",
    log:
        f"{OUT}/logs/likelihood.log",
    params:
        recipe=text("likelihood"),
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/likelihood.py"
