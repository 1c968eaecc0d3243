"""Data overlays: which measurements and observables a file in flavio's format names.

Nothing is imported of flavio here, because configurations are checked before any job starts;
values and correlations are read by flavio itself, see `measurements`.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from malaphoric.categories import CATEGORIES, Observable, observable_key
from malaphoric.schema import ROOT, ConfigurationError, load_yaml, validate

#: Names known to flavio and smelli, written by `compiling.write_names` beside the table.
NAMES = Path(__file__).parent / "data" / "names.json"


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


def find(name: str) -> Path:
    """The file of an overlay: its name in ``config/data`` (without ``.yml``), or a path.

    Raises
    ------
    ConfigurationError
        If there is no such file.
    """
    folder = ROOT / "config" / "data"
    for path in (folder / f"{name}.yml", folder / name, Path(name)):
        if path.is_file():
            return path
    there = ", ".join(sorted(path.stem for path in folder.glob("*.yml")))
    raise ConfigurationError(
        f"data.overlays: {name!r} is not accepted; accepted: a name in config/data ({there}) or "
        "the path of a YAML file"
    )


def read(path: Path) -> dict[str, list[Observable]]:
    """Measurements in an overlay, and the observables that each constrains.

    Raises
    ------
    ConfigurationError
        If the file is not in flavio's format, or names an observable that flavio does not know.
    """
    return parse(load_yaml(path, MOST), str(path))


def parse(data: object, source: str) -> dict[str, list[Observable]]:
    """As `read`, from the content of a file."""
    if isinstance(data, dict) and "constraints" in data:
        data = [data]
    # flavio has two formats: as in its own measurements.yml, and as it writes measurements
    if isinstance(data, list):
        validate(data, "overlay-list", source)
        found = {
            item["arguments"]["name"]: [
                name for part in item["constraints"] for name in _of_constraint(part)
            ]
            for item in data
        }
    else:
        validate(data, "overlay", source)
        found = {name: _of_measurement(content) for name, content in data.items()}
    return {
        measurement: [resolve(name, f"{source}: {measurement}") for name in names]
        for measurement, names in found.items()
    }


def _of_measurement(content: dict) -> list:
    return list(content.get("observables", content["values"]))


def _of_constraint(part: dict) -> list:
    return list(part.get("observables", part))


def resolve(name: str | list | dict, source: str) -> Observable:
    """An observable as flavio's name or tuple, from a name, a list or a mapping of arguments.

    Raises
    ------
    ConfigurationError
        If flavio does not know the observable, or needs other arguments.
    """
    head, given = name, {}
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
        self.overlays = [find(name) for name in data["overlays"]]
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

    def _rule(self, category: str, what: str, how: str) -> list:
        return self._data.get(category, {}).get(what, {}).get(how, [])

    def _check_names(self, names: dict, everything: set[str]) -> None:
        overlaid: dict[str, Path] = {}
        for path in self.overlays:
            for measurement, observables in read(path).items():
                if measurement in overlaid:
                    raise ConfigurationError(
                        f"{path}: {measurement!r} is not accepted: it is in "
                        f"{overlaid[measurement]}, too; accepted: each measurement in one overlay"
                    )
                overlaid[measurement] = path
                for observable in observables:
                    if observable_key(observable) not in everything:
                        raise ConfigurationError(
                            f"{path}: {measurement}: {observable_key(observable)!r} belongs to no "
                            "category; accepted: an observable of a category, as "
                            f"{_some(observable_key(observable), everything)}, or one that is "
                            "named in data.<category>.observables.include"
                        )
        for category in CATEGORIES:
            self._check_category(category, names, set(overlaid))

    def _check_category(self, category: str, names: dict, overlaid: set[str]) -> None:
        def refuse(what: str, how: str, name: object, accepted: str) -> None:
            raise ConfigurationError(
                f"{self._source}: data.{category}.{what}.{how}: {name!r} is not accepted; "
                f"accepted: {accepted}"
            )

        own = {*names["measurements"][category], *overlaid}
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
