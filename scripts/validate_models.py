"""Hold the compiled engine against exact points: the best fits of the best models of an atlas."""

from malaphoric import store
from malaphoric.atlas import ranking
from malaphoric.atlas.fitting import Fitted
from malaphoric.data.likelihood import Likelihood
from malaphoric.engines import loading
from malaphoric.inference import validation
from malaphoric.scan import chunks
from malaphoric.workflow.jobs import job

with job(snakemake) as this:
    s, given = this.settings, snakemake.input
    found = Fitted.load(given.ranking)
    data = Likelihood.load(given.likelihood, s["categories"])
    names = [*data.categories, "global"]
    rows, failures = [], []
    for rank, path in enumerate((x for n, x in given.items() if n.startswith("exact_")), 1):
        model, points = ranking.best_fit(found, rank)
        exact = chunks.read_points([path], [{**s["theory"], "model": model.as_dict()}], data)
        engine = loading.load_engine(model, "compiled", s["M_X"])
        for chi2 in exact["chi2"]:  # one, or none of a model without a fit
            ours = engine.evaluate(points)
            result = validation.compare(exact, ours, data, chi2[-1])
            failures += [f"number {rank}: {text}" for text in result.failures]
            row = {"rank": rank, "model": model.name}
            pairs = zip(names, chi2.tolist(), strict=True)
            row |= {f"exact_dchi2_{name}": data.chi2_sm[name] - x for name, x in pairs}
            rows.append(row | {f"error_{name}": float(x[0]) for name, x in result.chi2.items()})
    columns = [*(f"exact_dchi2_{name}" for name in names), *(f"error_{c}" for c in data.categories)]
    store.write_csv(snakemake.output[0], rows, ["rank", "model", *columns])
    if failures:
        raise SystemExit(
            "the compiled engine is not good enough for this atlas:\n"
            + "\n".join(failures)
            + "\nFigures were not remade."
        )
    worst = {c: max((row[f"error_{c}"] for row in rows), default=0.0) for c in data.categories}
    said = ", ".join(f"{name} {error:.1g}" for name, error in worst.items())
    this.done(f"{len(rows)} models by smelli itself, largest errors of chi2: {said}")
