"""U(1)_X models: charges, quark mixing and parameters, loaded from one YAML file each.

From a model's parameters to the couplings of its boson; what these imply for the SMEFT is in
`smeft`, the scan's other settings are in `configuration`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from malaphoric.physics import charges, smeft
from malaphoric.physics.charges import Charge
from malaphoric.physics.parameters import HATTED, KNOWN, MASS, Parameter, angle, dimensionless
from malaphoric.schema import (
    ROOT,
    ConfigurationError,
    load_schema,
    load_yaml,
    meaning,
    validate,
)

#: Folder of the models that can be loaded by name.
MODELS = ROOT / "config" / "models"


# matplotlib's parser calls itself some 40 times a level, out of Python's 1000
_DEEPEST = 10

#: Charges of a model file.
CHARGES = ("X_q", "X_l", "X_e", "X_d", "X_u", "X_H")

#: Mixing matrices of a model file, and the quarks they mix.
MATRICES = {"V_dL": "q", "V_dR": "d", "V_uR": "u"}


@dataclass(frozen=True)
class Model:
    """A U(1)_X model, the Tables 2 and 3 of the paper for its charge assignment.

    Attributes
    ----------
    name : str
        Name of the model, equal to the stem of its file.
    title : str
        LaTeX title for figures.
    charges : dict
        By `CHARGES`: three each, by family, but one of ``X_H``. A number, or text that is linear in
        parameters, see `charges`.
    mixing : dict
        By `MATRICES`: rotations, whose product from left to right is the matrix. Each has a
        ``plane`` (12, 13 or 23), an ``angle`` and a ``phase``: numbers in rad, or names of
        parameters.
    flavour_changing : dict
        By ``X_q``, ``X_d``, ``X_u``: what is added to entries of the matrices of charges after the
        mixing, in mass eigenstates: two ``families`` (12, 13 or 23), a ``charge`` and a ``phase``.
    about : dict
        What the file says of parameters, by name: ``label``, ``range`` and ``size``; no physics.
    reference : str
        Where the model comes from.
    """

    name: str
    title: str
    charges: dict
    mixing: dict
    flavour_changing: dict = field(default_factory=dict)
    about: dict = field(default_factory=dict)
    reference: str = ""

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters: epsilon_hat, g_hat, those of charges, then angles and phases."""
        return (*HATTED, *self.charge_parameters, *self._periods)

    @cached_property
    def charge_parameters(self) -> tuple[str, ...]:
        """Names of the parameters that charges are linear in."""
        every = [x for _, x in self.every_charge()]
        return tuple(dict.fromkeys(name for x in every for name in charges.names(x)))

    @cached_property
    def _periods(self) -> dict[str, float]:
        """Periods of angles and phases; that of a rotation's phase up to the angle's sign."""
        rotations = [r for matrix in MATRICES for r in self.mixing.get(matrix, ())]
        entries = [x for key in CHARGES for x in self.flavour_changing.get(key, ())]
        found = [(r[key], math.pi) for r in rotations for key in _ROTATION]
        found += [(x["phase"], 2 * math.pi) for x in entries]
        return {name: period for name, period in found if isinstance(name, str)}

    @cached_property
    def records(self) -> dict[str, Parameter]:
        """What is known of each of the `parameters`, and of M_X."""
        found = {name: KNOWN[name] for name in (*HATTED, MASS)}
        found |= {name: dimensionless(name) for name in self.charge_parameters}
        found |= {name: angle(name, period) for name, period in self._periods.items()}
        return {
            name: found[name].described(**self.about.get(name, {}))
            for name in (*self.parameters, MASS)
        }

    def every_charge(self) -> Iterator[tuple[str, Charge]]:
        """Charges by name: of weak eigenstates such as l_2, of H, and flavour-changing: q_23."""
        for key in CHARGES[:-1]:
            for family, x in enumerate(self.charges[key], start=1):
                yield f"{key[-1]}_{family}", x
        yield "H", self.charges["X_H"]
        for key in CHARGES:
            for entry in self.flavour_changing.get(key, ()):
                yield f"{key[-1]}_{entry['families']}", entry["charge"]

    def largest_charge(self, ranges: Mapping[str, tuple[float, float]]) -> float:
        """Largest modulus of a charge while the parameters of charges are in their ranges."""
        return max(charges.largest(x, ranges) for _, x in self.every_charge())

    @classmethod
    def load(cls, name_or_path: str | Path) -> Model:
        """Load a model by its name in ``config/models`` or by the path of a YAML file.

        Raises
        ------
        ConfigurationError
            If there is no such model, its file has a wrong or missing key or value, or its name
            is not the file's.
        """
        path = cls.find(name_or_path)
        data = load_yaml(path)
        if isinstance(data, dict) and "model" in data and "charges" not in data:
            raise ConfigurationError(
                f"{path}: the configuration of a run is not accepted here; accepted: the model "
                f"that it names, {data['model']}"
            )
        model = cls.from_dict(data, source=str(path))
        if model.name != path.stem:  # a copied file whose charges changed and whose name did not
            raise ConfigurationError(
                f"{path}: name: {model.name!r} is not accepted; accepted: {path.stem!r}, the name "
                "of the file"
            )
        return model

    @staticmethod
    def find(name_or_path: str | Path) -> Path:
        """The file of a model.

        Raises
        ------
        ConfigurationError
            If there is no such model.
        """
        path = Path(name_or_path)
        if path.suffix not in (".yaml", ".yml"):
            path = MODELS / f"{name_or_path}.yaml"
        try:
            found = path.is_file()
        except (OSError, ValueError):  # a name that no file can have
            found = False
        if not found:
            known = sorted(p.stem for p in MODELS.glob("*.yaml"))
            folder = Path(name_or_path).parent
            beside = known if folder == Path() else _models_in(folder)
            raise ConfigurationError(
                f"model: {str(name_or_path)!r} not found; {meaning([name_or_path], beside)}"
                f"accepted: a path to a YAML file or one of {', '.join(known)} (in config/models)"
            )
        return path

    @classmethod
    def from_dict(cls, data: dict, source: str = "model") -> Model:
        """Make a model from the content of its YAML file.

        Parameters
        ----------
        data : dict
            Content of the file, see ``workflow/schemas/model.schema.yaml``.
        source : str
            Name for error messages.

        Raises
        ------
        ConfigurationError
            If a key or value is not accepted by the schema, a charge is not linear in parameters, a
            parameter is both an angle and in a charge, or one that is described is not there.
        """
        validate(data, "model", source)
        reading, entries = _Reading(), data.get("flavour_changing", {})
        model = cls(
            name=data["name"],
            title=data["title"],
            charges={
                key: tuple(reading.charge(f"charges.{key}.{i}", x) for i, x in enumerate(value))
                if isinstance(value, list)
                else reading.charge(f"charges.{key}", value)
                for key, value in data["charges"].items()
            },
            mixing={
                matrix: tuple({"phase": 0.0, **rotation} for rotation in data["mixing"][matrix])
                for matrix in MATRICES
                if data["mixing"].get(matrix)
            },
            flavour_changing={
                key: tuple(
                    {"phase": 0.0, **entry, "charge": reading.charge(f"{place}.{i}.charge", x)}
                    for i, entry in enumerate(entries[key])
                    for place, x in [(f"flavour_changing.{key}", entry["charge"])]
                )
                for key in CHARGES
                if entries.get(key)
            },
            about=data.get("parameters", {}),
            reference=data.get("reference", ""),
        )
        reading.names(model)
        if reading.wrong:
            raise ConfigurationError("\n".join(f"{source}: {x}" for x in reading.wrong))
        return model

    @classmethod
    def of(cls, physics: dict) -> Model:
        """The model of which `as_dict` is the physics."""
        return cls(title=physics["name"], **physics)

    def as_dict(self, *about: str) -> dict:
        """Plain data that define the physics of the model (without title and reference).

        Parameters
        ----------
        about : str
            Out of ``label``, ``range`` and ``size``: what is added of what the file says of
            parameters.
        """
        physics = ("name", "charges", "mixing", "flavour_changing")
        said = {
            name: {key: own[key] for key in about if key in own} for name, own in self.about.items()
        }
        data = {key: getattr(self, key) for key in physics}
        if about:
            data["about"] = {name: own for name, own in said.items() if own}
        return json.loads(json.dumps(data))

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Random points of all of its parameter space, shape (n, n_parameters).

        Angles and phases are between -pi and pi, all others, in which couplings are polynomials,
        between -1 and 1.
        """
        high = [np.pi if name in self._periods else 1.0 for name in self.parameters]
        return rng.uniform(-1, 1, (n, len(high))) * high

    def check_latex(self) -> None:
        """Refuse what no figure can show; apart from `load` because it takes a while.

        Raises
        ------
        ConfigurationError
            If the LaTeX of the title or of a parameter's label is not understood.
        """
        shown = [("title", self.title, self.title, "a text, LaTeX allowed between dollar signs")]
        for name, own in self.about.items():
            if label := own.get("label"):
                key, accepted = f"parameters.{name}.label", "LaTeX, without dollar signs"
                shown.append((key, label, f"${label}$", accepted))
        for key, value, text, accepted in shown:
            if reason := _not_shown(text):
                raise ConfigurationError(
                    f"model {self.name}: {key}: {value!r} is not accepted; accepted: {accepted} "
                    f"({reason})"
                )

    def couplings(
        self, points: np.ndarray, M_X: float | np.ndarray = smeft.M_REFERENCE
    ) -> np.ndarray:
        """Couplings of the boson, of the current J - epsilon j, eq. (2.6).

        Parameters
        ----------
        points : ndarray, shape (n, n_parameters)
            The `parameters`, eq. (4.1); angles and phases in rad, those of charges without unit.
        M_X : float or ndarray, shape (n,)
            Mass of the X boson in GeV.

        Returns
        -------
        ndarray, shape (34, n)
            `smeft.COUPLINGS`, dimensionless: g_X X_f - g' epsilon Y_f, after the rotations to mass
            eigenstates, eq. (2.12), and with g_X times what is `flavour_changing`; g' is taken at
            M_X.
        """
        value = dict(zip(self.parameters, np.asarray(points, dtype=float).T, strict=True))
        g_x = value["g_hat"] * (M_X / smeft.M_REFERENCE)
        g_y = smeft.g_prime(M_X) * (value["epsilon_hat"] * (M_X / smeft.M_REFERENCE))
        fixed, hypercharge = self._diagonal
        result = fixed * g_x - hypercharge * g_y
        for f in self._varying:
            own = self.charges[f"X_{f}"]
            matrix = {(i, i): charges.at(charge, value) for i, charge in enumerate(own)}
            for name, mixed in MATRICES.items():
                if mixed == f:
                    for rotation in self.mixing.get(name, ()):
                        angle, phase = (value.get(x, x) for x in map(rotation.get, _ROTATION))
                        matrix = _turned(matrix, rotation["plane"], angle, phase)
            for entry in self.flavour_changing.get(f"X_{f}", ()):
                i, j = (family - 1 for family in divmod(entry["families"], 10))
                phase = value.get(entry["phase"], entry["phase"])
                added = charges.at(entry["charge"], value)
                added = added * np.exp(1j * phase) if np.any(phase) else added
                matrix[i, j] = matrix.get((i, j), 0.0) + added
            for (i, j), charge in matrix.items():
                label = f"{f}_{i + 1}{j + 1}"
                if i == j:
                    result[_ROW[label]] = g_x * charge - smeft.HYPERCHARGE[f] * g_y
                    continue
                result[_ROW[f"Re {label}"]] = g_x * np.real(charge)
                if np.iscomplexobj(charge):
                    result[_ROW[f"Im {label}"]] = g_x * np.imag(charge)
        if charges.names(self.charges["X_H"]):
            charge = charges.at(self.charges["X_H"], value)
            result[_ROW["H"]] = g_x * charge - smeft.HYPERCHARGE["H"] * g_y
        return result

    @cached_property
    def _varying(self) -> str:
        """Fermions whose couplings depend on more than g_hat and epsilon_hat, or mix."""
        return "".join(
            f
            for f in "qudle"
            if any(self.mixing.get(name) for name, mixed in MATRICES.items() if mixed == f)
            or self.flavour_changing.get(f"X_{f}")
            or any(charges.names(charge) for charge in self.charges[f"X_{f}"])
        )

    @cached_property
    def _diagonal(self) -> tuple[np.ndarray, np.ndarray]:
        """Charges that are numbers, of what does not mix, and all hypercharges, shape (34, 1)."""
        charge, hypercharge = np.zeros((2, len(smeft.COUPLINGS), 1))
        for f in "qudle":
            for i, x in enumerate(self.charges[f"X_{f}"], start=1):
                hypercharge[_ROW[f"{f}_{i}{i}"]] = smeft.HYPERCHARGE[f]
                charge[_ROW[f"{f}_{i}{i}"]] = 0.0 if f in self._varying else charges.at(x, {})
        hypercharge[_ROW["H"]] = smeft.HYPERCHARGE["H"]
        if not charges.names(self.charges["X_H"]):
            charge[_ROW["H"]] = charges.at(self.charges["X_H"], {})
        return charge, hypercharge

    def smeft(
        self,
        *point: float | np.ndarray,
        M_X: float = smeft.M_REFERENCE,
        **named: float | np.ndarray,
    ) -> dict[str, Any]:
        """SMEFT coefficients of a point, eqs (2.8)-(2.30), in GeV^-2 at mu = M_X.

        Parameters
        ----------
        point, named : float or array_like, shape (n,)
            The `parameters`, in their order or by name; angles and phases in rad.
        M_X : float
            Mass of the X boson in GeV.

        Returns
        -------
        dict of str to float or complex (or ndarray, shape (n,))
            WCxf coefficients, EFT SMEFT, basis Warsaw; g' is taken at mu = M_X.

        Raises
        ------
        TypeError
            If a parameter is missing, unknown or given twice.
        """
        given = dict(zip(self.parameters, point, strict=False))
        if (
            len(point) > len(given)
            or given.keys() & named
            or {*given, *named} != {*self.parameters}
        ):
            raise TypeError(f"model {self.name}: its parameters are {', '.join(self.parameters)}")
        columns = np.broadcast_arrays(*({**given, **named}[name] for name in self.parameters))
        points = np.stack([np.atleast_1d(x) for x in columns], axis=1)
        found = smeft.coefficients(self.couplings(points, M_X), M_X)
        return found if columns[0].ndim else {name: x[0].item() for name, x in found.items()}


_ROTATION = ("angle", "phase")

_ROW = {name: row for row, name in enumerate(smeft.COUPLINGS)}

# of a Hermitian matrix, by families: the diagonal and what is above it, zeros left out
_Matrix = dict[tuple[int, int], float | np.ndarray]


def _turned(
    matrix: _Matrix, plane: int, angle: float | np.ndarray, phase: float | np.ndarray
) -> _Matrix:
    """R† matrix R for a rotation R in a plane ij: R_ij = sin(angle) exp(-i phase) = -R_ji*."""
    i, j = (family - 1 for family in divmod(plane, 10))
    k = 3 - i - j
    c, s = np.cos(angle), np.sin(angle)
    turned = s * np.exp(-1j * phase) if np.ndim(phase) or phase else s

    def entry(a: int, b: int) -> float | np.ndarray:
        return matrix.get((a, b), 0.0) if a <= b else np.conj(matrix.get((b, a), 0.0))

    difference = entry(i, i) - entry(j, j)
    moved, across = s * s * difference, c * turned * difference
    if (i, j) in matrix:
        old = matrix[i, j]
        moved = moved + 2 * c * np.real(old * np.conj(turned))
        across = across + c * c * old - turned**2 * np.conj(old)
    result = {
        (k, k): entry(k, k),
        (i, i): entry(i, i) - moved,
        (j, j): entry(j, j) + moved,
        (i, j): across,
    }
    if matrix.keys() & {(i, k), (k, i), (j, k), (k, j)}:
        for a, value in (
            (i, c * entry(i, k) - turned * entry(j, k)),
            (j, np.conj(turned) * entry(i, k) + c * entry(j, k)),
        ):
            result[min(a, k), max(a, k)] = value if a < k else np.conj(value)
    return result


class _Reading:
    """What is wrong in a model's file beyond its schema, as sentences."""

    def __init__(self) -> None:
        self.wrong: list[str] = []

    def charge(self, key: str, value: float | str) -> Charge:
        """A charge of the file; 0 if it is not accepted."""
        try:
            return charges.read(value)
        except ValueError as error:
            accepted = load_schema("model")["$defs"]["charge"]["description"]
            self.wrong.append(
                f"{key}: {value!r} is not accepted; accepted: {accepted} (here: {error})"
            )
            return 0.0

    def names(self, model: Model) -> None:
        """Refuse parameters of two kinds, and descriptions of none."""
        own, wrong = model.parameters, self.wrong
        wrong += [
            f"charges: the parameter {name} is not accepted, it is an angle or phase, too; "
            "accepted: another name"
            for name in {name: own.count(name) for name in own if own.count(name) > 1}
        ]
        for name, about in model.about.items():
            if name not in own:
                wrong.append(
                    f"unknown key parameters.{name}; {meaning([name], own)}accepted: the model's "
                    f"parameters, {', '.join(dict.fromkeys(own))}"
                )
            low, high = about.get("range", (0, 1))
            if not low < high:
                wrong.append(
                    f"parameters.{name}.range: {[low, high]} is not accepted; accepted: two "
                    "numbers, the first smaller"
                )


def _not_shown(text: str) -> str:
    """Why matplotlib cannot show a text, if it cannot."""
    from matplotlib import cbook, mathtext

    try:
        if _depth(text) > _DEEPEST:
            raise ValueError(f"braces nested more than {_DEEPEST} deep")
        if cbook.is_math_text(text):
            mathtext.MathTextParser("path").parse(text)
    except Exception as error:  # ValueError, and whatever its parser stumbles on
        return (str(error).strip() or type(error).__name__).splitlines()[-1]
    return ""


def _depth(text: str) -> int:
    """How deep braces are nested in a text."""
    steps = [(character == "{") - (character == "}") for character in text]
    return max(accumulate(steps), default=0)


def _models_in(folder: Path) -> list[str]:
    """Paths of the models in a folder, where runs and other files may lie, too."""
    files = sorted(path for path in folder.glob("*.y*ml") if path.is_file())
    texts = ((path, path.read_text(encoding="utf-8", errors="replace")) for path in files)
    return [str(path) for path, text in texts if "\ncharges:" in f"\n{text}"]
