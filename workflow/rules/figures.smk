# Figures, as PDF for print and PNG for a look.


rule fig2:
    """The unmixed model: regions in the plane of g_hat and theta_sb."""
    input:
        data=f"{OUT}/scan.h5",
        best_fit=f"{OUT}/best_fit.json",
        checked=checked,
    output:
        pdf=f"{OUT}/figures/fig2.pdf",
        png=report(f"{OUT}/figures/fig2.png", caption="../report/fig2.rst", category="Figures"),
    log:
        f"{OUT}/logs/fig2.log",
    params:
        figure="plane",
        best="unmixed",
        code=store.room_digest("figures", "statistics"),
        style=style("confidence_levels"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/figure.py"


rule fig3_left:
    """The malaphoric model: regions with theta_sb profiled."""
    input:
        data=f"{OUT}/profile.h5",
        best_fit=f"{OUT}/best_fit.json",
        checked=checked,
    output:
        pdf=f"{OUT}/figures/fig3_left.pdf",
        png=report(
            f"{OUT}/figures/fig3_left.png", caption="../report/fig3_left.rst", category="Figures"
        ),
    log:
        f"{OUT}/logs/fig3_left.log",
    params:
        figure="profile_regions",
        best="malaphoric",
        code=store.room_digest("figures", "statistics"),
        style=style("confidence_levels"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/figure.py"


rule fig3_right:
    """The malaphoric model: best-fit theta_sb across the plane."""
    input:
        data=f"{OUT}/profile.h5",
        best_fit=f"{OUT}/best_fit.json",
        checked=checked,
    output:
        pdf=f"{OUT}/figures/fig3_right.pdf",
        png=report(
            f"{OUT}/figures/fig3_right.png", caption="../report/fig3_right.rst", category="Figures"
        ),
    log:
        f"{OUT}/logs/fig3_right.log",
    params:
        figure="profile_theta",
        best="malaphoric",
        code=store.room_digest("figures", "statistics"),
        style=style("confidence_levels"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/figure.py"


rule profiles:
    """Profile chi2 of each parameter alone."""
    input:
        data=f"{OUT}/profile.h5",
        best_fit=f"{OUT}/best_fit.json",
        checked=checked,
    output:
        pdf=f"{OUT}/figures/profiles.pdf",
        png=report(
            f"{OUT}/figures/profiles.png", caption="../report/profiles.rst", category="Figures"
        ),
    log:
        f"{OUT}/logs/profiles.log",
    params:
        figure="profiles",
        best="malaphoric",
        code=store.room_digest("figures", "statistics"),
        style=style("confidence_levels"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/figure.py"


rule fig4:
    """Pulls of the observables of interest, Standard Model against best fit."""
    input:
        pulls=f"{OUT}/tables/pulls.csv",
    output:
        pdf=f"{OUT}/figures/fig4.pdf",
        png=report(f"{OUT}/figures/fig4.png", caption="../report/fig4.rst", category="Figures"),
    log:
        f"{OUT}/logs/fig4.log",
    params:
        code=store.room_digest("figures"),
        style=style("observables_of_interest"),
    conda:
        "../envs/malaphoric.yaml"
    script:
        "../../scripts/fig4.py"
