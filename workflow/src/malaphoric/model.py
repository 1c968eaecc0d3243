"""U(1)_X models: charges and quark mixing, loaded from one YAML file each.

From a model's parameters to the couplings of its boson; what these imply for the SMEFT is in
`smeft`, the scan's other settings are in `configuration`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np

from malaphoric import smeft
from malaphoric.parameters import HATTED
from malaphoric.schema import ROOT, ConfigurationError, load_yaml, validate

#: Folder of the models that can be loaded by name.
MODELS = ROOT / "config" / "models"


# matplotlib's parser calls itself some 40 times a level, out of Python's 1000
_DEEPEST = 10

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
        ``X_q``, ``X_l``, ``X_e``, ``X_d``, ``X_u``: three charges each, by family; ``X_H``.
    mixing : dict
        By `MATRICES`: rotations, whose product from left to right is the matrix. Each has a
        ``plane`` (12, 13 or 23), an ``angle`` and a ``phase``: numbers in rad, or names of
        parameters.
    reference : str
        Where the model comes from.
    """

    name: str
    title: str
    charges: dict
    mixing: dict
    reference: str = ""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters: epsilon_hat, g_hat, then angles and phases (rad)."""
        named = [
            rotation[key]
            for matrix in MATRICES
            for rotation in self.mixing.get(matrix, ())
            for key in ("angle", "phase")
            if isinstance(rotation[key], str)
        ]
        return (*HATTED, *dict.fromkeys(named))

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
        model = cls.from_dict(load_yaml(path), source=str(path))
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
            known = ", ".join(sorted(p.stem for p in MODELS.glob("*.yaml")))
            raise ConfigurationError(
                f"model: {str(name_or_path)!r} not found; accepted: a path to a YAML file or one "
                f"of {known} (in config/models)"
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
            If a key or value is not accepted by the schema.
        """
        validate(data, "model", source)
        charges = {
            key: tuple(_number(x) for x in value) if isinstance(value, list) else _number(value)
            for key, value in data["charges"].items()
        }
        return cls(
            name=data["name"],
            title=data["title"],
            charges=charges,
            mixing={
                matrix: tuple({"phase": 0.0, **rotation} for rotation in data["mixing"][matrix])
                for matrix in MATRICES
                if data["mixing"].get(matrix)
            },
            reference=data.get("reference", ""),
        )

    @classmethod
    def of(cls, physics: dict) -> Model:
        """The model of which `as_dict` is the physics."""
        return cls(title=physics["name"], **physics)

    def as_dict(self) -> dict:
        """Plain data that define the physics of the model (without title and reference)."""
        return json.loads(
            json.dumps({"name": self.name, "charges": self.charges, "mixing": self.mixing})
        )

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Random points of all of its parameter space, shape (n, n_parameters).

        The hatted couplings are between -1 and 1, angles and phases between -pi and pi.
        """
        high = [1.0 if name in HATTED else np.pi for name in self.parameters]
        return rng.uniform(-1, 1, (n, len(high))) * high

    def check_title(self) -> None:
        """Refuse a title that no figure can show; apart from `load` because it takes a while.

        Raises
        ------
        ConfigurationError
            If the LaTeX of the title is not understood.
        """
        from matplotlib import cbook, mathtext

        try:
            if _depth(self.title) > _DEEPEST:
                raise ValueError(f"braces nested more than {_DEEPEST} deep")
            if cbook.is_math_text(self.title):
                mathtext.MathTextParser("path").parse(self.title)
        except Exception as error:  # ValueError, and whatever its parser stumbles on
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
            raise ConfigurationError(
                f"model {self.name}: title: {self.title!r} is not accepted; accepted: a text, "
                f"LaTeX allowed between dollar signs ({reason})"
            ) from error

    def couplings(
        self, points: np.ndarray, M_X: float | np.ndarray = smeft.M_REFERENCE
    ) -> np.ndarray:
        """Couplings of the boson, of the current J - epsilon j, eq. (2.6).

        Parameters
        ----------
        points : ndarray, shape (n, n_parameters)
            The `parameters`, eq. (4.1); angles and phases in rad.
        M_X : float or ndarray, shape (n,)
            Mass of the X boson in GeV.

        Returns
        -------
        ndarray, shape (34, n)
            `smeft.COUPLINGS`, dimensionless: g_X X_f - g' epsilon Y_f, after the rotations to mass
            eigenstates, eq. (2.12); g' is taken at M_X.
        """
        value = dict(zip(self.parameters, np.asarray(points, dtype=float).T, strict=True))
        g_x = value["g_hat"] * (M_X / smeft.M_REFERENCE)
        g_y = smeft.g_prime(M_X) * (value["epsilon_hat"] * (M_X / smeft.M_REFERENCE))
        result = np.zeros((len(smeft.COUPLINGS), g_x.size))
        for f in "qudle":
            matrix = {(i, i): charge for i, charge in enumerate(self.charges[f"X_{f}"])}
            for name, mixed in MATRICES.items():
                if mixed == f:
                    for rotation in self.mixing.get(name, ()):
                        angle, phase = (value.get(x, x) for x in map(rotation.get, _ROTATION))
                        matrix = _turned(matrix, rotation["plane"], angle, phase)
            for (i, j), charge in matrix.items():
                label = f"{f}_{i + 1}{j + 1}"
                if i == j:
                    result[_ROW[label]] = g_x * charge - smeft.HYPERCHARGE[f] * g_y
                    continue
                result[_ROW[f"Re {label}"]] = g_x * np.real(charge)
                if np.iscomplexobj(charge):
                    result[_ROW[f"Im {label}"]] = g_x * np.imag(charge)
        result[_ROW["H"]] = g_x * self.charges["X_H"] - smeft.HYPERCHARGE["H"] * g_y
        return result

    def smeft(
        self,
        *point: float | np.ndarray,
        M_X: float = smeft.M_REFERENCE,
        **named: float | np.ndarray,
    ) -> dict[str, complex]:
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
    turned = s * np.exp(-1j * phase) if np.any(phase) else s

    def entry(a: int, b: int) -> float | np.ndarray:
        return matrix.get((a, b), 0.0) if a <= b else np.conj(matrix.get((b, a), 0.0))

    first, second, across = entry(i, i), entry(j, j), entry(i, j)
    interference = 2 * c * np.real(across * np.conj(turned))
    result = {
        (k, k): entry(k, k),
        (i, i): c * c * first + s * s * second - interference,
        (j, j): s * s * first + c * c * second + interference,
        (i, j): c * turned * (first - second) + c * c * across - turned**2 * np.conj(across),
    }
    for a, value in (
        (i, c * entry(i, k) - turned * entry(j, k)),
        (j, np.conj(turned) * entry(i, k) + c * entry(j, k)),
    ):
        result[min(a, k), max(a, k)] = value if a < k else np.conj(value)
    return result


def _depth(text: str) -> int:
    """How deep braces are nested in a text."""
    steps = [(character == "{") - (character == "}") for character in text]
    return max(accumulate(steps), default=0)


def _number(value: float | str) -> float:
    """A charge as a float; fractions such as "-1/3" are written as strings."""
    return float(Fraction(value)) if isinstance(value, str) else float(value)
