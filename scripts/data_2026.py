"""Write the overlays of config/data/2026 from its raw tables: python scripts/data_2026.py.

Which fit, which bins and which signs, and why: docs/data-2026.md.
"""

import json
import tarfile
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import yaml

FOLDER = Path(__file__).resolve().parents[1] / "config/data/2026"
LHCB = FOLDER / "raw/HEPData-ins3094698-v1-selected.zip"
CMS = FOLDER / "raw/HEPData-ins2850101-v1-yaml.tar.gz"

#: LHCb's columns, with flavio's observable and what LHCb's value is in units of it (F_L = -S2c).
ANGULAR = {"S2c": ("FL", -1)}
ANGULAR |= {name: (name, 1) for name in ("P1", "P2", "P3", "P4p", "P5p", "P6p", "P8p")}

#: CMS's tables likewise: P4' and P8' are twice flavio's, P6' and P8' have the other sign.
CMS_TABLES = {"fl": ("FL", 1), "p1": ("P1", 1), "p2": ("P2", 1), "p3": ("P3", 1)}
CMS_TABLES |= {"p4p": ("P4p", 2), "p5p": ("P5p", 1), "p6p": ("P6p", -1), "p8p": ("P8p", -2)}

#: Numbers that stand in abstracts: number of the preprint, decay, lower end in q2 and value.
RATIOS = {
    "LHCb RK 2025": ("2505.03483", "B+->Kll", 14.3, "1.08 + 0.11 - 0.09 ± 0.04"),
    "LHCb RK* 2026": ("2604.08631", "B0->K*ll", 14.0, "1.08 + 0.14 - 0.12 ± 0.07"),
}
EXPERIMENTS = "ATLAS, CMS, LHCb, D0, LEP"
COMBINATION = "https://twiki.cern.ch/twiki/pub/LHCPhysics/LHC-TEV-MWWG/update_May2026.pdf"


def binned(name: str, low: float, high: float, value: str, source: str) -> str:
    """A row of a measurement, and where its number stands."""
    return f'    - {{name: "{name}", q2min: {low}, q2max: {high}, value: {value}}}  # {source}'


def text(name: str, experiment: str, source: str, values: list, correlation=None) -> str:
    """A measurement in flavio's format."""
    url = source if ":" in source else f"https://arxiv.org/abs/{source}"
    lines = [f"{name}:", f"  experiment: {experiment}", f"  url: {url}"]
    if correlation is not None:
        rows = (", ".join(f"{x + 0.0:g}" for x in row) for row in correlation)
        lines += ["  correlation:", *(f"    - [{row}]" for row in rows)]
    return "\n".join([*lines, "  values:", *values, ""])


def lhcb(name: str, fit: int, bins: tuple, rates: bool = True) -> str:
    """LHCb's observables in some bins of one of its fits; total errors and correlations."""
    with ZipFile(LHCB) as file:
        table = json.loads(file.read(f"config_{fit}_results.json"))
        correlation = json.loads(file.read(f"config_{fit}_correlation_total.json"))
    ranges, table = table["independent_variables"]["values"], table["dependent_variables"]
    values, columns, signs = [], [], []
    for i in bins:
        for column in (*ANGULAR, *["dBF/dq2"] * rates):
            x, (observable, sign) = table[column]["values"][i], ANGULAR.get(column, ("", 1))
            error = (x["hi_total_err"] - x["lo_total_err"]) / 2  # equal in fit 5
            if observable:  # in units of 0.1
                name_, value = f"<{observable}>", f"{sign * x['val'] / 10:.3f} ± {error / 10:.4f}"
            else:
                name_, value = "<dBR/dq2>", f"{x['val']:.2f} ± {error:.2f} e-8"
            columns.append(f"{column}_bin{i}")
            source = f"config_{fit}, {columns[-1]}"
            values.append(binned(f"{name_}(B0->K*mumu)", *ranges[i], value, source))
            signs.append(sign)
    matrix = np.array([[correlation[a][b] for b in columns] for a in columns])
    return text(name, "LHCb", "2512.18053", values, matrix * np.outer(signs, signs))


def cms(i: int) -> str:
    """CMS's observables in one bin: systematic errors are taken for uncorrelated."""
    with tarfile.open(CMS) as file:

        def read(table: str) -> dict:
            return yaml.safe_load(file.extractfile(f"HEPData-ins2850101-v1-yaml/{table}.yaml"))

        tables = [read(f"results_{name}") for name in CMS_TABLES]
        statistical = read(f"correlation_matrix_q2_bin_{(0, 1, 2, 3, 5, 7)[i]}")
    low, high = (tables[0]["independent_variables"][0]["values"][i][end] for end in ("low", "high"))
    rows = [table["dependent_variables"][0]["values"][i] for table in tables]
    factor = np.array([factor for _, factor in CMS_TABLES.values()])
    central = np.array([row["value"] for row in rows]) / factor + 0.0  # no -0
    errors = [{e["label"]: e for e in row["errors"]} for row in rows]
    stat = [(e["stat"]["asymerror"]["plus"] - e["stat"]["asymerror"]["minus"]) / 2 for e in errors]
    stat = np.array(stat) / factor  # the signs turn those of the correlation
    syst = np.array([e["syst"]["symerror"] for e in errors]) / factor
    correlation = [x["value"] for x in statistical["dependent_variables"][0]["values"]]
    covariance = np.reshape(correlation, (8, 8)) * np.outer(stat, stat) + np.diag(syst**2)
    total = np.sqrt(np.diag(covariance))
    values = [
        binned(f"<{name}>(B0->K*mumu)", low, high, f"{x:.4f} ± {error:.4f}", f"{table}[{i}] / {f}")
        for (table, (name, f)), x, error in zip(CMS_TABLES.items(), central, total, strict=True)
    ]
    name = f"CMS B->K*mumu 2024 {low:g}-{high:g}"
    correlation = np.round(covariance / np.outer(total, total), 4)
    return text(name, "CMS", "2411.11820", values, correlation)


def overlays() -> dict[str, str]:
    """The files, by name."""
    name, first = "LHCb B->K*mumu 2025", "LHCb B->K*mumu 2025 0.06-0.98"
    ratios = [
        text(key, "LHCb", source, [binned(f"<Rmue>({decay})", low, 22.9, value, "abstract")])
        for key, (source, decay, low, value) in RATIOS.items()
    ]
    combination = "m_W LHC-TEV-MWWG 2026"
    m_W = ["    m_W: 80.3625 ± 0.0077  # MJKirk/flavio, 2cb8646"]
    files = {
        "lhcb-kstarmumu-2025.yml": lhcb(name, 5, (1, 2, 3, 9)),
        "lhcb-kstarmumu-2025-massive.yml": lhcb(name, 2, (1, 2, 3, 9)),
        "lhcb-kstarmumu-2025-first-bin.yml": lhcb(first, 2, (0,), rates=False),
        "cms-kstarmumu-2024.yml": "".join(cms(i) for i in (0, 1, 2)),
        "lhcb-ratios-high-q2.yml": "".join(ratios),
        "m-w-without-cdf.yml": text(combination, EXPERIMENTS, COMBINATION, m_W),
    }
    head = "# Written by scripts/data_2026.py; what it is and why: docs/data-2026.md.\n"
    return {file: head + content for file, content in files.items()}


if __name__ == "__main__":
    for file, content in overlays().items():
        (FOLDER / file).write_text(content, encoding="utf-8")
