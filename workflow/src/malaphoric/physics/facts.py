"""What a physicist asks of a model before any data: its anomalies, the Yukawa couplings that its
charges allow and the width of its boson at a point; what data say of a point is in `point`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from malaphoric.physics import charges, smeft
from malaphoric.physics.charges import Charge
from malaphoric.physics.model import Model
from malaphoric.schema import ConfigurationError, validate

#: Chiral fermions of the paper's Table 2: colours, components of weak isospin, and 1 for
#: left-handed, -1 for right-handed ones.
FERMIONS = {"q": (3, 2, 1), "l": (1, 2, 1), "e": (1, 1, -1), "d": (3, 1, -1), "u": (3, 1, -1)}

#: The sums to which right-handed neutrinos contribute.
GRAVITY, CUBIC = "gravity^2 X", "X^3"

#: Yukawa couplings: doublet, singlet, and how often the charge of H adds to the singlet's.
YUKAWA = {
    "up quarks": ("q", "u", -1),
    "down quarks": ("q", "d", 1),
    "charged leptons": ("l", "e", 1),
}

#: Largest coupling and largest width over mass of what is called perturbative, and not broad.
STRONGEST, BROADEST = math.sqrt(4 * math.pi), 0.3

# Charges are floats made from fractions: those of three digits, and decimals of six, are recovered.
_DENOMINATOR = 10**6

# Largest factor tried in the search for neutrinos; with all factors it takes 0.2 s.
_FACTOR = 10**6

_THIRD = {"up quarks": "top", "down quarks": "bottom", "charged leptons": "tau"}


def facts(model: Model | str, /, M_X: float = smeft.M_REFERENCE, **parameters: float) -> dict:
    """Anomalies and Yukawa couplings of a model and, at a point, width and couplings of its Z'.

    Parameters
    ----------
    model : Model or str
        A model, its name in ``config/models`` or the path of its YAML file.
    M_X : float
        Mass of the X boson in GeV, of the point.
    parameters : float
        All of the model's `Model.parameters`, eq. (4.1), angles and phases in rad; or those of its
        charges alone, or none, for what does not depend on the others.

    Returns
    -------
    dict
        Plain data: ``model``, its name; ``charges`` as exact fractions in text, as in model files;
        ``anomalies``, see `anomalies`; ``Yukawa``, see `yukawa`, both None where they depend on
        parameters that are not given; ``point``, None without all of them; ``warnings``, sentences
        on what to mind. At a point: ``parameters``, with M_X; ``derived``: those of eq. (2.1), and
        g'(M_X); ``Zprime``, see `smeft.zprime`; ``partial``, by species, see `partial_widths`;
        ``width_over_mass``, their sum; ``strongest``: the ``field`` with the largest ``coupling``,
        of weak eigenstates, which mass eigenstates do not exceed, and of what is flavour-changing
        by itself; ``perturbative``: whether that is at most sqrt(4 pi) and Gamma/M at most 0.3.
        From ``partial`` on None where there is no Z'.

    Raises
    ------
    malaphoric.schema.ConfigurationError
        If there is no such model, a parameter is missing, unknown or not finite, or the mass is not
        accepted.
    """
    model = model if isinstance(model, Model) else Model.load(model)
    validate({"parameters": {"M_X": M_X}}, "config", f"model {model.name}", partial=True)
    given = _accepted(model, parameters)
    missing = [name for name in _of_charges(model) if name not in given]
    found = {
        "model": model.name,
        "charges": _said(model, given),
        "anomalies": None if missing else anomalies(model, given),
        "Yukawa": None if missing else yukawa(model, given),
        "point": boson(model, M_X, given) if given.keys() == set(model.parameters) else None,
    }
    return {**found, "warnings": _warnings(found, missing)}


def anomalies(model: Model, values: Mapping[str, float] = {}) -> dict:
    """Sums of charges that vanish in a consistent gauge theory, exactly.

    Each is over left-handed minus right-handed Weyl fermions: of X over colour triplets (times
    their isospin) and over isospin doublets (times their colours); of Y^2 X, Y X^2, X and X^3 over
    all components.

    Parameters
    ----------
    model : Model
    values : mapping, optional
        Of the parameters of its charges, if there are any. What is flavour-changing by itself is
        left to what makes it, heavy vector-like quarks, say, which have no anomalies.

    Returns
    -------
    dict
        ``without_neutrinos``: the six sums, fractions as text. ``neutrinos``: the charges
        of the right-handed neutrinos, see `neutrinos`. ``with_neutrinos``: the sums with them, None
        if there are none. ``unit``: charges of neutrinos are multiples of it, it is one over
        the common denominator of the model's charges. ``complete``: whether all were tried.
    """
    own = _exact(model, values)
    sums = _sums(own)
    every = [own["H"], *itertools.chain.from_iterable(own[f] for f in FERMIONS)]
    unit = Fraction(1, math.lcm(*(x.denominator for x in every)))
    triple, complete = neutrinos(sums[GRAVITY], sums[CUBIC], unit)
    result = {
        "without_neutrinos": {name: str(value) for name, value in sums.items()},
        "neutrinos": None,
        "with_neutrinos": None,
        "unit": str(unit),
        "complete": complete,
    }
    if triple is None:
        return result
    for name, power in ((GRAVITY, 1), (CUBIC, 3)):
        sums[name] -= sum(x**power for x in triple)
    # a neutrino belongs to the family whose Yukawa coupling (l-bar nu H~) its charge allows
    wanted = [x + own["H"] for x in own["l"]]
    order = max(
        itertools.permutations(triple),
        key=lambda nu: (sum(a == b for a, b in zip(nu, wanted, strict=True)), nu),
    )
    return result | {
        "neutrinos": _texts(order),
        "with_neutrinos": {name: str(value) for name, value in sums.items()},
    }


def neutrinos(
    gravity: Fraction, cubic: Fraction, unit: Fraction
) -> tuple[tuple[Fraction, ...] | None, bool]:
    """The smallest three charges whose sum and whose sum of cubes are given.

    Parameters
    ----------
    gravity, cubic : Fraction
        The sum of the charges and of their cubes: what other fermions leave over.
    unit : Fraction
        Charges are multiples of it.

    Returns
    -------
    tuple of Fraction, or None
        The charges with the smallest largest modulus; None if none were found.
    bool
        Whether all charges were tried: it is proven that none are smaller, or that there are none.
        False for large numbers of units, where only triples are found in which the smallest
        non-zero sum of two is up to 10^6 units.

    Notes
    -----
    With s the sum and c that of cubes, (a + b)(b + c)(c + a) = (s^3 - c) / 3, so that sums of two
    are among the factors of a whole number, the smallest not above its cube root.
    """
    s, c = gravity / unit, cubic / unit**3
    if s.denominator != 1 or c.denominator != 1 or (s**3 - c) % 3:
        return None, True
    total, product = int(s), int(s**3 - c) // 3
    if not product:  # two are opposite
        return (gravity, Fraction(0), Fraction(0)), True
    triples = []
    for factor in range(1, _FACTOR + 1):
        if factor**3 > abs(product):
            break
        if product % factor:
            continue
        for first in (factor, -factor):
            rest = 2 * total - first
            square = rest**2 - 4 * (product // first)
            if square >= 0 and math.isqrt(square) ** 2 == square:
                second = (rest + math.isqrt(square)) // 2
                triples.append([total - x for x in (first, second, rest - second)])
    smallest = min(triples, key=lambda own: (max(map(abs, own)), sorted(own)), default=None)
    complete = abs(product) <= _FACTOR**3
    return tuple(unit * x for x in smallest) if smallest else None, complete


def yukawa(model: Model, values: Mapping[str, float] = {}) -> dict[str, list[list[bool]]]:
    """Which Yukawa couplings of weak eigenstates are allowed by the charges.

    Parameters
    ----------
    model : Model
    values : mapping, optional
        Of the parameters of its charges, if there are any.

    Returns
    -------
    dict of str to list
        By `YUKAWA`, 3 x 3: the row is the family of the doublet, the column that of the singlet, in
        q-bar u H~, q-bar d H and l-bar e H, where H~ has the charge -X_H.
    """
    own = _exact(model, values)
    return {
        name: [[left == right + sign * own["H"] for right in own[singlet]] for left in own[doublet]]
        for name, (doublet, singlet, sign) in YUKAWA.items()
    }


def partial_widths(couplings: np.ndarray) -> dict[str, float]:
    """Partial widths of a heavy vector over its mass, at tree level, all masses but its own zero.

    Parameters
    ----------
    couplings : ndarray, shape (34,)
        `smeft.COUPLINGS` of a field with a canonical kinetic term; dimensionless.

    Returns
    -------
    dict of str to float
        Gamma_i/M, by species with its antiparticle: "d s" stands for both charges. All up quarks
        are one species, because their shares depend on the CKM matrix, and so are the three
        left-handed neutrinos.

    Notes
    -----
    N_c |g|^2 / (24 pi) for each Weyl fermion and |g|^2 / (48 pi) for each complex scalar. The Higgs
    doublet has two of them: W W and Z h, by the equivalence of longitudinal and Goldstone bosons.
    """
    value = dict(zip(smeft.COUPLINGS, couplings, strict=True))
    q, u, d, l, e = (_squares(value, f) for f in "qudle")  # noqa: E741
    weyl, higgs = 1 / (24 * math.pi), value["H"] ** 2 / (48 * math.pi)
    result = {name: weyl * (l[i, i] + e[i, i]) for i, name in enumerate(("e", "mu", "tau"))}
    result["neutrinos"] = weyl * np.trace(l)
    result["up quarks"] = 3 * weyl * (q + u).sum()
    for (i, one), (j, other) in itertools.combinations_with_replacement(enumerate("dsb"), 2):
        both = (q + d)[i, j] + ((q + d)[j, i] if i != j else 0.0)
        result[one if i == j else f"{one} {other}"] = 3 * weyl * both
    result |= {"W W": higgs, "Z h": higgs}
    return {name: float(width) for name, width in result.items()}


def text(found: dict) -> str:
    """What `facts` found, as text for a terminal."""
    said = [
        f"{name} = {x if isinstance(x, str) else _triple(x)}"
        for name, x in found["charges"].items()
    ]
    lines = [f"{found['model']}: {', '.join(said)}"]
    if found["anomalies"]:
        lines += ["", *_anomaly_lines(found["anomalies"])]
        lines += ["", "Yukawa couplings that the charges allow (families of doublet and singlet)"]
        lines += [f"{name + ':':17}{_pairs(allowed)}" for name, allowed in found["Yukawa"].items()]
    if found["point"]:
        lines += ["", *_point_lines(found["point"])]
    if found["warnings"]:
        lines += ["", "Mind:", *(f"* {sentence}" for sentence in found["warnings"])]
    return "\n".join(line.rstrip() for line in lines)


def _exact(model: Model, values: Mapping[str, float]) -> dict:
    """Charges as fractions, by field: lists of three, and that of H."""
    fermions = {f: [_fraction(x, values) for x in model.charges[f"X_{f}"]] for f in FERMIONS}
    return {**fermions, "H": _fraction(model.charges["X_H"], values)}


def _said(model: Model, values: Mapping[str, float]) -> dict[str, str | list[str]]:
    """Charges as text: fractions, or as in the model's file where values are missing."""

    def text(x: Charge) -> str:
        if isinstance(x, str) and set(charges.names(x)) - values.keys():
            return x
        return str(_fraction(x, values))

    fermions = {f"X_{f}": [text(x) for x in model.charges[f"X_{f}"]] for f in FERMIONS}
    return {**fermions, "X_H": text(model.charges["X_H"])}


def _fraction(x: Charge, values: Mapping[str, float]) -> Fraction:
    """A charge at values of its parameters."""
    if not isinstance(x, str):
        return Fraction(x).limit_denominator(_DENOMINATOR)
    own = {name: _fraction(values[name], {}) if name else 1 for name in charges.terms(x)}
    return sum((c * own[name] for name, c in charges.terms(x).items()), Fraction(0))


def _sums(own: dict) -> dict[str, Fraction]:
    """The six sums of `anomalies` without right-handed neutrinos."""
    fields = [
        (side, colours, isospin, Fraction(smeft.HYPERCHARGE[f]).limit_denominator(6), x)
        for f, (colours, isospin, side) in FERMIONS.items()
        for x in own[f]
    ]
    return {
        "SU(3)^2 X": sum(s * t * x for s, c, t, _, x in fields if c == 3),
        "SU(2)^2 X": sum(s * c * x for s, c, t, _, x in fields if t == 2),
        "Y^2 X": sum(s * c * t * y**2 * x for s, c, t, y, x in fields),
        "Y X^2": sum(s * c * t * y * x**2 for s, c, t, y, x in fields),
        GRAVITY: sum(s * c * t * x for s, c, t, _, x in fields),
        CUBIC: sum(s * c * t * x**3 for s, c, t, _, x in fields),
    }


def _accepted(model: Model, parameters: dict) -> dict[str, float]:
    """The parameters of a point, or of the charges, in their order, if they are accepted."""
    source, of_charges = f"model {model.name}", _of_charges(model)
    some = parameters.keys() <= set(of_charges)
    wanted = (of_charges if some else model.parameters) if parameters else ()
    wrong = [f"{name} is missing" for name in wanted if name not in parameters]
    wrong += [f"{name} is unknown" for name in parameters if name not in model.parameters]
    if wrong:
        alone = f", or {', '.join(of_charges)} alone" if of_charges else ""
        raise ConfigurationError(
            f"{source}: {', '.join(wrong)}; accepted: all of {', '.join(model.parameters)}{alone}"
        )
    for name, value in parameters.items():
        if not math.isfinite(value):
            raise ConfigurationError(
                f"{source}: {name}: {value} is not accepted; accepted: a number"
            )
    return {name: float(parameters[name]) for name in wanted}


def boson(model: Model, M_X: float, point: dict[str, float]) -> dict:
    """What `facts` says of a point under that key: all parameters of the model, in their order."""
    epsilon_hat, g_hat, *_ = point.values()
    z = smeft.zprime(epsilon_hat, g_hat, M_X)
    scale = M_X / smeft.M_REFERENCE
    result = {
        "parameters": {**point, "M_X": float(M_X)},
        "derived": {
            "epsilon": epsilon_hat * scale,
            "g_X": g_hat * scale,
            "g_prime": smeft.g_prime(M_X),
        },
        "Zprime": z,
        **dict.fromkeys(("partial", "width_over_mass", "strongest", "perturbative")),
    }
    if z["mass"] is None:
        return result
    # the current is larger by the same factor as the mass, see `smeft.zprime`
    with np.errstate(over="ignore"):
        partial = partial_widths(
            model.couplings(np.array([[*point.values()]]), M_X)[:, 0] * (z["mass"] / M_X)
        )
    couplings = {
        name: z["g_X"] * charges.at(x, point) + z["g_Y"] * _hypercharge(name)
        for name, x in model.every_charge()
    }
    field = max(couplings, key=lambda name: abs(couplings[name]))
    width = sum(partial.values())
    perturbative = abs(couplings[field]) <= STRONGEST and width <= BROADEST
    return result | {
        "partial": partial,
        "width_over_mass": width,
        "strongest": {"field": field, "coupling": couplings[field]},
        "perturbative": perturbative,
    }


def _of_charges(model: Model) -> list[str]:
    """The parameters of weak eigenstates' charges."""
    every = [x for name, x in model.every_charge() if not _changes_flavour(name)]
    return list(dict.fromkeys(name for x in every for name in charges.names(x)))


def _changes_flavour(name: str) -> bool:
    """Whether a charge is not of a field, such as l_2, but between two, such as q_23."""
    return len(name) == len("q_23")


def _hypercharge(name: str) -> float:
    return 0.0 if _changes_flavour(name) else smeft.HYPERCHARGE[name[0]]


def _squares(value: dict[str, float], f: str) -> np.ndarray:
    """Squared moduli of the couplings of a field, shape (3, 3)."""
    result = np.diag([value[f"{f}_{i}{i}"] ** 2 for i in (1, 2, 3)])
    for i, j in ((0, 1), (0, 2), (1, 2)) if f in "qud" else ():
        parts = (value[f"{part} {f}_{i + 1}{j + 1}"] for part in ("Re", "Im"))
        result[i, j] = result[j, i] = sum(x**2 for x in parts)
    return result


def _warnings(found: dict, missing: Sequence[str]) -> list[str]:
    """Sentences on what is wrong with a model, and at its point."""
    if missing:
        return [
            f"In the charges {', '.join(missing)} stands for a parameter, on which anomalies and "
            "Yukawa couplings depend: they are said where its value is given, alone or with all "
            "other parameters."
        ]
    sums, result = found["anomalies"], []
    left = sums["with_neutrinos"] or sums["without_neutrinos"]
    others = [
        f"{name} = {_short(x)}"
        for name, x in left.items()
        if x != "0" and name not in (GRAVITY, CUBIC)
    ]
    if others:
        result.append(f"Anomalies are not cancelled, by no neutrinos either: {', '.join(others)}.")
    if sums["neutrinos"] is None:
        how = "do so" if sums["complete"] else f"were found to do so, up to {_FACTOR} of them"
        result.append(
            f"{GRAVITY} and {CUBIC} are not cancelled: no charges of three right-handed neutrinos "
            f"that are multiples of {_short(sums['unit'])} {how}."
        )
    for name, allowed in found["Yukawa"].items():
        if not allowed[2][2]:
            result.append(f"The Yukawa coupling 33 of {name} ({_THIRD[name]}) is forbidden.")
    return [*result, *(_point_warnings(found["point"]) if found["point"] else ())]


def _point_warnings(point: dict) -> list[str]:
    """Sentences on what is wrong at a point."""
    if point["Zprime"]["mass"] is None:
        return [
            f"epsilon = {point['derived']['epsilon']:g} is unphysical, |epsilon| >= 1: a kinetic "
            "term is not positive, no Z' exists."
        ]
    result, width = [], point["width_over_mass"]
    field, coupling = point["strongest"].values()
    if not abs(coupling) <= STRONGEST:
        result.append(
            f"Not perturbative at M_X: |{coupling:.3g}|, the coupling of {field}, is above "
            f"sqrt(4 pi) = {STRONGEST:.3g}."
        )
    if not width <= BROADEST:
        result.append(f"Broad, and so not perturbative: Gamma/M = {width:.3g} is above {BROADEST}.")
    return result


def _anomaly_lines(sums: dict) -> list[str]:
    """A table of the sums, and the neutrinos that cancel two of them."""
    without, others = sums["without_neutrinos"], sums["with_neutrinos"]
    lines = [f"{'Sums over fermions':20}{'without neutrinos':>20}{'with three':>20}"]
    lines += [
        f"{name:20}{_short(x):>20}{_short(others[name]) if others else '-':>20}"
        for name, x in without.items()
    ]
    if others is None:
        return lines
    if not any(Fraction(x) for x in sums["neutrinos"]):
        return [*lines, "no right-handed neutrinos are needed"]
    smallest = "the smallest" if sums["complete"] else "the smallest found among the"
    charges = f"charges of the right-handed neutrinos: {_triple(sums['neutrinos'])}"
    return [*lines, f"{charges}, {smallest} multiples of {_short(sums['unit'])}"]


def _point_lines(point: dict) -> list[str]:
    """Mass, width and decays of the Z' at a point, in words."""
    own, derived = point["parameters"], point["derived"]
    lines = [
        f"At {', '.join(f'{name} = {x:g}' for name, x in own.items())} GeV",
        f"epsilon = {derived['epsilon']:g}, g_X = {derived['g_X']:g}, "
        f"g'(M_X) = {derived['g_prime']:.4f}",
    ]
    z, width = point["Zprime"], point["width_over_mass"]
    if z["mass"] is None:
        return [*lines, "no Z'"]
    field, coupling = point["strongest"].values()
    lines += [
        f"physical Z': mass {z['mass']:.5g} GeV, width {width * z['mass']:.4g} GeV, "
        f"Gamma/M = {width:.4g}",
        f"couplings {z['g_X']:.4g} X {'-' if z['g_Y'] < 0 else '+'} {abs(z['g_Y']):.4g} Y; the "
        f"largest: {coupling:.4g} of {field}",
        f"perturbative: {'yes' if point['perturbative'] else 'no'} (criterion: no coupling above "
        f"sqrt(4 pi) = {STRONGEST:.3g}, and Gamma/M not above {BROADEST})",
    ]
    shares = [
        f"{name} {100 * x / width:.3g}%"
        for name, x in sorted(point["partial"].items(), key=lambda item: -item[1])
        if x
    ]
    return [*lines, f"decays: {', '.join(shares) or 'none'}"]


def _pairs(allowed: list[list[bool]]) -> str:
    """Families of the couplings that are allowed, in the fewest words."""
    every = [f"{i}{j}" for i in (1, 2, 3) for j in (1, 2, 3)]
    yes = [pair for pair, good in zip(every, itertools.chain(*allowed), strict=True) if good]
    no = [pair for pair in every if pair not in yes]
    if not yes:
        return "none"
    if len(yes) < len(no):
        return ", ".join(yes)
    return f"all but {', '.join(no)}" if no else "all"


def _texts(charges: list[Fraction] | tuple[Fraction, ...]) -> list[str]:
    return [str(x) for x in charges]


def _short(x: str) -> str:
    """A fraction as it is, or rounded where it has too many digits to be read."""
    return x if len(x) <= 16 else f"about {float(Fraction(x)):.6g}"


def _triple(charges: list[str]) -> str:
    return f"({', '.join(charges)})"
