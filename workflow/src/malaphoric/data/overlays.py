"""Data overlays: what a file of measurements in flavio's format says, checked without flavio.

Nothing is imported of flavio here, because configurations are checked before any job starts;
values become distributions in flavio itself, see `measurements`.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from malaphoric.data.categories import AVERAGED, CATEGORIES, Observable, observable_key
from malaphoric.schema import ROOT, ConfigurationError, load_yaml, meaning, validate

#: Names known to flavio and smelli, written by `compiling.write_names` beside the table.
NAMES = Path(__file__).parent / "names.json"

#: flavio's distributions, by its names: those that count in every category, ...
KINDS = {
    *("normal", "asymmetric_normal", "half_normal", "gaussian_upper_limit", "multivariate_normal"),
    *("gamma", "gamma_positive", "gamma_counting_process", "gamma_upper_limit", "numerical"),
    *("general_gamma_counting_process", "general_gamma_upper_limit", "gaussian_kde"),
}
#: ... those that count where they are averaged only, ...
AVERAGED_KINDS = {"uniform", "log_normal", "multivariate_numerical"}
#: ... and those that no measurement has, or that flavio cannot make from a file.
NO_KINDS = {"delta", "discrete_uniform", "kernel_density_estimate", "general_gamma_positive"}

#: Size of central values and errors, in the observable's unit: squares and their sums are finite.
SMALLEST, LARGEST = 1e-30, 1e30

# Texts as flavio reads them; what it would pass over in silence, as the 0.3 in 1 ± 0.2 - 0.3, is
# not among them.
_N, _E = r"\d+\.?\d*", r"(?:[eE][+-]?\d+)?"
_POWER = r"\s*\*?\s*(?:(?:e|E|1e|1E|10\^)\(?(?P<power>[+-]?\d+)\)?)?\s*"
_TEXTS = {
    "normal": rf"\(?\s*(?P<central>-?{_N})\s*(?P<errors>(?:\(\s*{_N}\s*\)\s*)+)\)?{_POWER}",
    "asymmetric_normal": rf"\(?\s*(?P<central>-?{_N})\s*(?P<errors>(?:(?:±|\\pm|\+-)\s*{_N}\s*"
    rf"|\+\s*{_N}\s*-\s*{_N}\s*)+)\)?{_POWER}",
    "gaussian_upper_limit": rf"<\s*\+?(?P<errors>{_N}{_E})\s*@\s*{_N}\s*%\s*C[.\s]*L[.\s]*",
    "uniform": rf"\[\s*-?{_N}\s*{_E}\s*,\s*-?{_N}\s*{_E}\s*\]{_POWER}",
    "log_normal": rf"[+-]?{_N}{_E}\s*(?:\*/|/\*)\s*(?P<errors>{_N})",
}


#: Bytes of an overlay: flavio's own file of all measurements has half of that.
MOST = 2 * 10**6


@cache
def known() -> dict:
    """Names known to flavio and smelli; empty while they are being remade.

    Returns
    -------
    dict
        ``arguments``: the arguments of every observable of flavio, by name; ``observables`` and
        ``measurements``: those of each category; ``all_measurements``: of flavio.
    """
    return json.loads(NAMES.read_text(encoding="utf-8")) if NAMES.exists() else {}


@dataclass(frozen=True)
class Distribution:
    """One probability distribution of a measurement.

    Attributes
    ----------
    observables : tuple of Observable
    kind : str
        flavio's name of it; ``convolution`` of several.
    """

    observables: tuple
    kind: str


def find(name: str, source: str) -> Path:
    """The file of an overlay: its name in ``config/data`` (without ``.yml``), or a path.

    ``source``: who asks, for error messages.

    Raises
    ------
    ConfigurationError
        If there is no such file, or its name is one that Snakemake would misread.
    """
    folder = ROOT / "config" / "data"
    for path in (folder / f"{name}.yml", folder / name, Path(name)):
        if path.is_file():
            break
    else:
        files = (path.relative_to(folder).with_suffix("") for path in folder.rglob("*.yml"))
        there = sorted(path.as_posix() for path in files)
        raise ConfigurationError(
            f"{source}: data.overlays: {name!r} is not accepted; {meaning([name], there)}accepted: "
            f"a name in config/data ({', '.join(there) or 'none is there'}) or the path of a YAML "
            "file"
        )
    whole = str(path)  # braces would be wildcards of Snakemake
    plain = whole.isprintable() and not set("{}") & set(whole)
    if not plain or not re.fullmatch(r"\w[\w .+-]*(?<! )", path.name):
        raise ConfigurationError(
            f"{source}: data.overlays: {name!r} is not accepted; accepted: a file whose name has "
            "letters, digits, spaces and . - + _ only, in a folder without braces"
        )
    return path


def read(path: Path) -> dict[str, list[Distribution]]:
    """Measurements in an overlay, and the distributions that each consists of.

    Raises
    ------
    ConfigurationError
        If the file is not in flavio's format, names an observable that flavio does not know, or
        has a value or correlation that flavio would refuse, misread or drop.
    """
    return parse(load_yaml(path, MOST), str(path))


def parse(data: Any, source: str) -> dict[str, list[Distribution]]:
    """As `read`, from the content of a file."""
    if isinstance(data, dict) and "constraints" in data:
        data = [data]
    # flavio has two formats: as in its own measurements.yml, and as it writes measurements
    if isinstance(data, list):
        validate(data, "overlay-list", source)
        names = [item["arguments"]["name"] for item in data]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ConfigurationError(f"{source}: the measurement {min(twice)!r} stands twice")
        parts = [(name, _of_list(item)) for name, item in zip(names, data, strict=True)]
    else:
        validate(data, "overlay", source)
        for name in data:
            if not isinstance(name, str):
                raise ConfigurationError(
                    f"{source}: the name {name!r} of a measurement is not accepted; accepted: a "
                    f"text, as in '{name}'"
                )
        parts = [(name, _of_mapping(item, f"{source}: {name}")) for name, item in data.items()]
    found = {}
    for name, groups in parts:
        where = f"{source}: {name}"
        found[name] = [_distribution(*group, where) for group in groups]
        keys = [observable_key(o) for d in found[name] for o in d.observables]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise ConfigurationError(
                f"{where}: {min(twice)!r} stands twice, and flavio would drop one; accepted: each "
                "observable once in a measurement"
            )
    return found


def _of_list(item: dict) -> list[tuple[list, Any, Any]]:
    """Observables, values and correlation of each distribution, as flavio writes them."""
    return [
        (list(part.get("observables", part)), part.get("values", list(part.values())), None)
        if "observables" in part
        else (list(part), list(part.values()), None)
        for part in item["constraints"]
    ]


def _of_mapping(item: dict, where: str) -> list[tuple[list, Any, Any]]:
    """The same, as in flavio's measurements.yml."""
    values, correlation = item["values"], item.get("correlation")
    if "observables" in item:
        if correlation is not None:
            raise ConfigurationError(
                f"{where}: correlation is not accepted beside observables, where flavio drops it; "
                "accepted: it stands in values"
            )
        return [(item["observables"], values, None)]
    named = isinstance(values, list)
    for value in values if named and correlation is None else ():
        name = value.get("name")
        if isinstance(name, str) and known().get("arguments", {}).get(name) == []:
            raise ConfigurationError(
                f"{where}: {value} is not accepted; accepted: observables without arguments stand "
                f"as in values: {{{name}: {value.get('value')}}}"
            )
    pairs = [(v, v["value"]) for v in values] if named else list(values.items())
    if correlation is None:
        return [([name], [value], None) for name, value in pairs]
    return [([name for name, _ in pairs], [value for _, value in pairs], correlation)]


def _distribution(names: list, values: Any, correlation: Any, where: str) -> Distribution:
    """One distribution from its observables and values, or a sentence on what is wrong."""
    observables = tuple(resolve(name, where) for name in names)
    measurement, keys = where, list(map(observable_key, observables))
    where = f"{measurement}: {', '.join(keys)}"
    if correlation is not None:
        for key, value in zip(keys, values, strict=True):
            here = f"{measurement}: {key}"
            kind = _text(value, here, correlated=True)
            if kind not in ("normal", "asymmetric_normal") or "−" in value:
                raise ConfigurationError(
                    f"{here}: {value!r} is not accepted with a correlation; accepted: as in "
                    "-1.2 ± 0.3 e-5, with the minus sign of the keyboard"
                )
        _matrix(correlation, len(names), f"{where}: correlation")
        return Distribution(observables, "multivariate_normal")
    if isinstance(values, list) and len(values) == 1 and not isinstance(values[0], dict):
        values = values[0]
    if not isinstance(values, (dict, list)):
        if len(names) > 1:
            raise ConfigurationError(
                f"{where}: {values!r} is not accepted; accepted: a distribution of all observables"
            )
        return Distribution(observables, _text(values, where))
    values = [values] if isinstance(values, dict) else values
    kinds = [_mapping(value, len(names), where) for value in values]
    kind = kinds[0] if len(kinds) == 1 else "convolution"
    if set(kinds) <= NO_KINDS:
        raise ConfigurationError(
            f"{where}: a distribution of {', '.join(kinds) or 'nothing'} is not accepted; "
            f"accepted: {', '.join(sorted(KINDS | AVERAGED_KINDS))}"
        )
    return Distribution(observables, kind)


def _text(value: object, where: str, correlated: bool = False) -> str:
    """The kind of distribution that a text such as "1.2 ± 0.3 e-5" means."""
    text = str(value).replace("−", "-").strip()
    if isinstance(value, (int, float)) or _float(text) is not None:
        raise ConfigurationError(
            f"{where}: the value {value} has no error; accepted: as in 1.2 ± 0.3 e-5"
        )
    for kind, pattern in _TEXTS.items():
        if match := re.fullmatch(pattern, text, re.ASCII):
            found = match.groupdict()
            power = found.get("power") or 0
            errors = [
                float(error) if "e" in error.lower() else float(f"{error}e{power}")
                for error in re.findall(_N + _E, found.get("errors") or "")
            ]
            # with a correlation, flavio adds them in quadrature before it needs one
            for error in [math.hypot(*errors)] if correlated else errors:
                _size(error, "the error", text, where)
            if abs(float(f"{found.get('central') or 0}e{power}")) > LARGEST:
                raise ConfigurationError(
                    f"{where}: {text!r} is not accepted; accepted: at most {LARGEST:g}"
                )
            return kind
    raise ConfigurationError(
        f"{where}: {value!r} is not accepted; accepted: as in 1.2 ± 0.3 e-5, "
        "1.2 + 0.4 - 0.3 ± 0.1 e-5, 1.2(3) e-5, < 3e-5 @ 95% CL, [1, 2] e-5, or a distribution"
    )


def _mapping(value: object, size: int, where: str) -> str:
    """The kind of a distribution that is given by its arguments."""
    known_kinds = [*KINDS, *AVERAGED_KINDS, *NO_KINDS]
    if not isinstance(value, dict) or value.get("distribution") not in known_kinds:
        shown = value.get("distribution") if isinstance(value, dict) else value
        raise ConfigurationError(
            f"{where}: {shown!r} is not accepted; accepted: a mapping with the key distribution, "
            f"one of {', '.join(sorted(KINDS | AVERAGED_KINDS))}, and its arguments"
        )
    for key, argument in value.items():
        if not isinstance(key, str):
            raise ConfigurationError(
                f"{where}: the key {key!r} is not accepted; accepted: arguments of the distribution"
            )
        if key in ("covariance", "correlation"):
            _matrix(argument, size, f"{where}: {key}", covariance=key == "covariance")
            continue
        if key not in ("distribution", "xi", "x", "y", "data"):
            for number in argument if isinstance(argument, list) else [argument]:
                _argument(key, number, value["distribution"], where)
    multivariate = value["distribution"].startswith("multivariate")
    center = value.get("central_value")
    if (multivariate and isinstance(center, list) and len(center) != size) or (
        not multivariate and size > 1
    ):
        raise ConfigurationError(
            f"{where}: a distribution {value['distribution']} is not accepted for {size} "
            "observables; accepted: one of as many dimensions"
        )
    return value["distribution"]


def _argument(key: str, number: object, kind: str, where: str) -> None:
    """Refuse an argument of a distribution that is no number of a sensible size."""
    if number is None:  # as flavio writes what was not given
        return
    if (found := _float(number)) is None:
        raise ConfigurationError(
            f"{where}: {key}: {number!r} is not accepted; accepted: a number, with the minus sign "
            "of the keyboard"
        )
    positive = ("standard_deviation", "left_deviation", "right_deviation", "half_range", "limit")
    if key in positive:
        # a half-normal distribution is turned round by a negative one
        _size(abs(found) if kind == "half_normal" else found, key, number, where)
    elif abs(found) > LARGEST:
        raise ConfigurationError(
            f"{where}: {key}: {number} is not accepted; accepted: at most {LARGEST:g}"
        )


def _size(number: float, what: str, text: object, where: str) -> None:
    if not SMALLEST <= number <= LARGEST:
        raise ConfigurationError(
            f"{where}: {what} in {text!r} is not accepted; accepted: between {SMALLEST:g} and "
            f"{LARGEST:g}"
        )


def _float(value: Any) -> float | None:
    """A finite number, or a text that is one, as flavio converts it."""
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _matrix(matrix: Any, size: int, where: str, covariance: bool = False) -> None:
    """Refuse a correlation or covariance that is none; flavio asks for less."""

    def refuse(reason: str, accepted: str) -> None:
        raise ConfigurationError(f"{where}: {reason} is not accepted; accepted: {accepted}")

    shape = f"{size} rows of {size} numbers"
    if not covariance:
        shape += ", the part of them from the diagonal on, or one number"
    rows = matrix
    if not covariance and isinstance(matrix, (int, float)) and not isinstance(matrix, bool):
        rows = [[1.0 if i == j else matrix for j in range(size)] for i in range(size)]
    if not isinstance(rows, list) or len(rows) != size:
        refuse(f"{str(matrix)[:60]}", shape)
    full = np.zeros((size, size))
    for i, row in enumerate(rows):
        numbers = isinstance(row, list) and all(
            isinstance(x, (int, float)) and not isinstance(x, bool) for x in row
        )
        if not numbers or len(row) not in ((size,) if covariance else (size, size - i)):
            refuse(f"row {i + 1}, {str(row)[:60]},", shape)
        full[i, size - len(row) :] = row
    if not covariance and np.max(np.abs(np.diag(full) - 1)) > 1e-6:
        refuse(f"a diagonal of {np.diag(full).tolist()}", "ones")
    if np.any(np.diag(full) < SMALLEST**2) or np.any(np.diag(full) > LARGEST**2):
        refuse(f"a diagonal of {np.diag(full).tolist()}", f"{SMALLEST**2:g} to {LARGEST**2:g}")
    error = np.sqrt(np.diag(full))
    scaled = full / np.outer(error, error)
    if not covariance and not np.tril(full, -1).any():
        full, scaled = (x + np.triu(x, 1).T for x in (full, scaled))
    # flavio, which asks the first, would take what is not for an upper triangle
    if not np.allclose(full, full.T) or not np.allclose(scaled, scaled.T):
        refuse("an asymmetric matrix", "a symmetric one")
    if np.linalg.eigvalsh(scaled).min() < 1e-12:
        refuse("a matrix that is not positive definite", "a positive definite one")


def resolve(name: str | list | dict, source: str) -> Observable:
    """An observable as flavio's name or tuple, from a name, a list or a mapping of arguments.

    Raises
    ------
    ConfigurationError
        If flavio does not know the observable, or needs other arguments; if a bin is none.
    """
    head: object = name
    given: dict = {}
    if isinstance(name, dict):
        head = name.get("name")
        given = {k: v for k, v in name.items() if k not in ("name", "value")}
    elif isinstance(name, list) and name:
        head, given = name[0], dict(enumerate(name[1:]))
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in given.values())
    if not isinstance(head, str) or not numbers:
        raise ConfigurationError(
            f"{source}: {name!r} is not accepted; accepted: an observable, with numbers "
            "as arguments"
        )
    arguments = known().get("arguments", {}).get(head)
    if arguments is None:
        if known():
            near = _some(head, known()["arguments"])
            raise ConfigurationError(
                f"{source}: {head!r} is not accepted; accepted: an observable of flavio, as {near}"
            )
        arguments = list(given)
    wrong = len(given) != len(arguments)
    if wrong or (isinstance(name, dict) and set(given) != set(arguments)):
        needed = ", ".join(arguments) or "none"
        raise ConfigurationError(
            f"{source}: {head!r} with the arguments {list(given.values())} is not accepted; "
            f"accepted: the arguments {needed}"
        )
    values = [given[a] for a in arguments] if isinstance(name, dict) else list(given.values())
    ends = dict(zip(arguments, values, strict=True))
    if "q2min" in ends and not 0 <= ends["q2min"] < ends["q2max"]:
        raise ConfigurationError(
            f"{source}: {head!r} from q2 = {ends['q2min']:g} to {ends['q2max']:g} GeV^2 is not "
            "accepted; accepted: a bin from 0 on whose end is above its beginning"
        )
    return (head, *map(float, values)) if values else head


def _some(name: str, accepted: Iterable[str]) -> str:
    """The accepted names nearest to a refused one."""
    near = difflib.get_close_matches(name, list(accepted), n=5, cutoff=0.3)
    return ", ".join(map(repr, near)) + ", ..." if near else "a name that flavio knows"


class Selection:
    """What a configuration's key ``data`` asks for, checked.

    Parameters
    ----------
    data : dict
        ``overlays``, and by category ``measurements`` and ``observables`` to include and exclude.
    source : str
        Name for error messages.

    Attributes
    ----------
    overlays : list of Path
    extra : list of Observable
        Included observables that no category has by itself: their theory is computed in addition.

    Raises
    ------
    ConfigurationError
    """

    def __init__(self, data: dict, source: str) -> None:
        self._data, self._source = data, source
        self.overlays = [find(name, source) for name in data["overlays"]]
        stems = [path.stem for path in self.overlays]
        if twice := {stem for stem in stems if stems.count(stem) > 1}:
            raise ConfigurationError(
                f"{source}: data.overlays: two files named {min(twice)!r} are not accepted; "
                "accepted: files of different names, because results name them so"
            )
        names = known()
        self._by_key = {
            category: {
                observable_key(name) for name in names.get("observables", {}).get(category, [])
            }
            for category in CATEGORIES
        }
        everything = set().union(*self._by_key.values())
        extra: dict[str, Observable] = {}
        included: set[str] = set()
        for category in CATEGORIES:
            for name in self._rule(category, "observables", "include"):
                key = f"data.{category}.observables.include"
                observable = resolve(name, f"{source}: {key}")
                if observable_key(observable) not in everything:
                    extra[observable_key(observable)] = observable
                included.add(observable_key(observable))
        self.extra = [extra[key] for key in sorted(extra)]
        if names:
            self._check_names(names, everything | included)

    def empty(self) -> list[str]:
        """Categories of which the names of what is excluded leave nothing."""
        result = []
        for category, own in known().get("measurements", {}).items():
            without, added = (
                self._rule(category, "measurements", how) for how in ("exclude", "include")
            )
            overlaid = [name for path in self.overlays for name in read(path)]
            hidden = map(observable_key, self._rule(category, "observables", "exclude"))
            counting = self._by_key[category] - set(hidden)
            counting |= {*map(observable_key, self._rule(category, "observables", "include"))}
            if not counting or not {*own, *added, *overlaid} - set(without):
                result.append(category)
        return result

    def _rule(self, category: str, what: str, how: str) -> list:
        return self._data.get(category, {}).get(what, {}).get(how, [])

    def _check_names(self, names: dict, everything: set[str]) -> None:
        overlaid: dict[str, Path] = {}
        for path in self.overlays:
            for measurement, distributions in read(path).items():
                if measurement in overlaid:
                    raise ConfigurationError(
                        f"{path}: {measurement!r} is not accepted: it is in "
                        f"{overlaid[measurement]}, too; accepted: each measurement in one overlay"
                    )
                overlaid[measurement] = path
                for distribution in distributions:
                    for key in map(observable_key, distribution.observables):
                        if key not in everything:
                            raise ConfigurationError(
                                f"{path}: {measurement}: {key!r} belongs to no category; accepted: "
                                f"an observable of a category, as {_some(key, everything)}, or one "
                                "that is named in data.<category>.observables.include"
                            )
                    self._check_distribution(distribution, f"{path}: {measurement}")
        for category in CATEGORIES:
            self._check_category(category, names, set(overlaid))

    def _categories(self, key: str) -> tuple[str, ...]:
        """Categories in which an observable counts."""
        found = []
        for category, keys in self._by_key.items():
            rule = [self._rule(category, "observables", how) for how in ("include", "exclude")]
            included, excluded = ({observable_key(name) for name in names} for names in rule)
            if key in included | (keys - excluded):
                found.append(category)
        return tuple(found)

    def _check_distribution(self, distribution: Distribution, where: str) -> None:
        """Refuse what the categories of its observables cannot do with a distribution."""
        keys = list(map(observable_key, distribution.observables))
        counting = {key: own for key in keys if (own := self._categories(key))}
        if len(set(counting.values())) > 1:
            which = ", ".join(f"{key} ({', '.join(own)})" for key, own in counting.items())
            raise ConfigurationError(
                f"{where}: a correlation across categories is not accepted: {which}; accepted: "
                "correlated observables of one category (or the others excluded)"
            )
        if distribution.kind in AVERAGED_KINDS and set().union(*counting.values()) - {AVERAGED}:
            raise ConfigurationError(
                f"{where}: {', '.join(keys)}: the distribution {distribution.kind} is not accepted "
                f"outside {AVERAGED}; accepted: {', '.join(sorted(KINDS))}"
            )

    def _check_category(self, category: str, names: dict, overlaid: set[str]) -> None:
        def refuse(what: str, how: str, name: object, accepted: str) -> None:
            raise ConfigurationError(
                f"{self._source}: data.{category}.{what}.{how}: {name!r} is not accepted; "
                f"accepted: {accepted}"
            )

        own = {*names["measurements"].get(category, ()), *overlaid}
        for name in self._rule(category, "measurements", "exclude"):
            if name not in own:
                refuse("measurements", "exclude", name, _some(name, own))
        for name in self._rule(category, "measurements", "include"):
            if name not in names["all_measurements"]:
                refuse("measurements", "include", name, _some(name, names["all_measurements"]))
        for name in self._rule(category, "observables", "exclude"):
            if observable_key(name) not in self._by_key[category]:
                accepted = _some(observable_key(name), self._by_key[category])
                refuse("observables", "exclude", name, accepted)
        for name in self._rule(category, "observables", "include"):
            for other, keys in self._by_key.items():
                gone = map(observable_key, self._rule(other, "observables", "exclude"))
                if observable_key(name) in keys - set(gone):
                    refuse("observables", "include", name, f"an observable that is not in {other}")
