# Figures, as PDF for print and PNG for a look, and their data as CSV.


#: What figures are drawn from, by the name of their rule, beside the best fits.
DRAWN_FROM = {
    "figures": {"scan": "scan.h5", "profile": "profile.h5"},  # regions and profiles
    "figures_pulls": {"likelihood": "likelihood.h5", "best": "best_fit.h5"},
    "figures_c9": {"c9": "c9.h5"},  # planes of C9
}

for drawn, names in RECIPES.drawn.items():

    rule:
        name:
            drawn
        localrule: True
        input:
            **{name: f"{OUT}/{file}" for name, file in DRAWN_FROM[drawn].items()},
            best_fit=f"{OUT}/best_fit.json",
            recipe=recipe(drawn),
        output:
            pdf=[f"{OUT}/figures/{name}.pdf" for name in names],
            csv=[f"{OUT}/figures/{name}.csv" for name in names],
            png=[
                report(
                    f"{OUT}/figures/{name}.png",
                    caption=f"../report/{name.split('/')[0]}.rst",
                    category="Figures",
                )
                for name in names
            ],
        log:
            f"{OUT}/logs/{drawn}.log",
        params:
            recipe=text(drawn),
        priority: 1  # takes longest
        conda:
            "../envs/malaphoric.yaml"
        script:
            "../../scripts/figures.py"
