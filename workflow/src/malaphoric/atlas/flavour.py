"""Which solutions are models of flavour: families told apart, X_H, and filters.

Solutions are enumerated in `solutions`; what data say of a model is not asked here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from malaphoric.atlas.solutions import SPECIES, Solutions, anomaly_free, flat, leading
from malaphoric.physics.facts import YUKAWA
from malaphoric.physics.model import Model

#: Species that observables see: all but right-handed neutrinos.
SEEN = SPECIES[:5]

#: Six times the hypercharges of `SEEN`; those of H are 3.
SIX_Y = np.array([1, 4, -2, -3, -6])

#: Mixing of left-handed b and s, eq. (3.2) of arXiv:2409.06804.
MIXING = {"V_dL": [{"plane": 23, "angle": "theta_sb"}]}

_ORDERS = np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])

# how many orders of three sorted charges there are, by how many neighbours are unequal
_DIFFERENT = np.array([1, 3, 6])


@dataclass(frozen=True)
class Filters:
    """What is asked of a model; what is asked of flavour holds for X + a Y if it holds for X.

    Attributes
    ----------
    largest : int or None
        Largest modulus of a charge of the solution; None for any.
    neutrinos : int
        Largest number of charged right-handed neutrinos.
    light_quarks_alike : bool
        Whether the first two families of q, of u and of d have equal charges, so that kaons and D
        mesons do not mix by the boson unless the third family takes part.
    b_to_s : bool
        Whether left-handed b and s have different charges, without which their mixing is nothing.
    yukawa : tuple of str
        Out of `facts.YUKAWA`, at least one: couplings 33 that are allowed. X_H follows from the
        first, the others have to be allowed with the same.
    vector_like_leptons : bool
        Whether left- and right-handed leptons of each family have equal charges once hypercharge
        is subtracted such that X_H is 0, which is to say that their Yukawa coupling is allowed.

    Raises
    ------
    ValueError
        If no Yukawa coupling is asked for, or one that does not exist.
    """

    largest: int | None = None
    neutrinos: int = 3
    light_quarks_alike: bool = True
    b_to_s: bool = True
    yukawa: tuple[str, ...] = tuple(YUKAWA)
    vector_like_leptons: bool = False

    def __post_init__(self) -> None:
        if not self.yukawa or not {*self.yukawa} <= {*YUKAWA}:
            raise ValueError(
                f"yukawa: {self.yukawa} is not accepted; accepted: one or more of {tuple(YUKAWA)}"
            )

    def higgs(self, charges: np.ndarray) -> np.ndarray:
        """X_H of charges whose families are told apart, shape (n,)."""
        return _higgs(charges, self.yukawa[0])[:, 2]


@dataclass(frozen=True, eq=False)
class Models(Solutions):
    """Solutions with families in the order of model files: the second lepton is the muon.

    Attributes
    ----------
    charges : ndarray of int, shape (n, 6, 3)
        By model, `SPECIES` and family; right-handed neutrinos are in no order.
    higgs : ndarray of int, shape (n,)
        X_H.
    """

    higgs: np.ndarray

    def taken(self, rows: np.ndarray | slice) -> Models:
        """Some of them, in the order of the rows."""
        return Models(self.charges[rows], self.higgs[rows])

    def model(self, row: int) -> Model:
        """One of them, see `model`."""
        return model(self.charges[row], self.higgs[row])


def models(solutions: Solutions, filters: Filters) -> tuple[Models, dict[str, int]]:
    """The models that solutions make once their families are told apart.

    Parameters
    ----------
    solutions : Solutions
    filters : Filters
        With ``light_quarks_alike`` a solution makes at most 36, without it up to 7776.

    Returns
    -------
    Models
        In the order of the solutions. Of those with the same `canonical` charges, which no
        observable tells apart, only the first; none whose X is hypercharge alone. A solution can be
        several models, and with more than one X_H.
    dict of str to int
        How many are left by each of the filters, applied in this order: solutions, and models
        from "families told apart" on.
    """
    left = {"anomaly-free": len(solutions)}
    rows = np.ones(len(solutions), dtype=bool)
    if filters.largest is not None:
        rows &= solutions.largest <= filters.largest
        left[f"charges up to {filters.largest}"] = int(rows.sum())
    rows &= solutions.neutrinos <= filters.neutrinos
    left[f"charged neutrinos up to {filters.neutrinos}"] = int(rows.sum())
    charges = solutions.charges[rows]
    charges = charges[_first(_primitive(charges[:, : len(SEEN)]))]
    left["no two alike but for neutrinos"] = len(charges)
    choice = _Choice(charges)
    choice.apply(filters)
    found = Models(choice.charges, filters.higgs(choice.charges))
    kept = _first(canonical(found))
    left |= choice.left | {"no two alike but for hypercharge": len(kept)}
    return Models(found.charges[kept], found.higgs[kept]), left


def canonical(found: Models) -> np.ndarray:
    """Charges that are the same for models that no observable tells apart, at a fixed M_X.

    Parameters
    ----------
    found : Models

    Returns
    -------
    ndarray of int, shape (n, 5, 3)
        By `SEEN` and family: X - 2 X_H Y, whose X_H is 0, without a common factor and with the
        first charge that is not 0 positive. All are 0 if X is hypercharge alone.

    Notes
    -----
    X + a Y at epsilon_hat + a g_hat / g' has the coefficients of X at epsilon_hat, and b X at
    g_hat / b has those of X. The limit |epsilon| < 1 is another for X + a Y than for X. That an
    exchange of two families of q is one of their mixing angle by pi / 2 is not considered here.
    """
    higgs = found.higgs[:, None, None]
    return _primitive(3 * found.charges[:, : len(SEEN)] - higgs * SIX_Y[:, None])


def chosen(atlas: dict) -> tuple[Models, dict[str, int]]:
    """`models` of a configuration, see ``workflow/schemas/atlas.schema.yaml``."""
    filters = Filters(
        neutrinos=atlas["neutrinos"],
        yukawa=tuple(atlas["yukawa"]),
        vector_like_leptons=atlas["vector_like_leptons"],
    )
    return models(anomaly_free(atlas["N"], atlas["right_handed_neutrinos"]), filters)


def find(found: Models, wanted: Model) -> int | None:
    """The row of the model that no observable tells apart from another, if there is one.

    Parameters
    ----------
    found : Models
    wanted : Model
        Whose charges are numbers, multiples of 1/3.
    """
    own = [[round(3 * float(x)) for x in wanted.charges[f"X_{f}"]] for f in SEEN]
    higgs = np.array([round(3 * float(wanted.charges["X_H"]))])
    same = canonical(found) == canonical(Models(np.array([own]), higgs))
    rows = np.flatnonzero(same.all(axis=(1, 2)))
    return int(rows[0]) if rows.size else None


def model(charges: np.ndarray, higgs: int) -> Model:
    """A model with mixing of left-handed b and s, named by its charges.

    Parameters
    ----------
    charges : ndarray of int, shape (5, 3) or (6, 3)
        By `SPECIES` and family.
    higgs : int
        X_H.
    """
    own = {f: x.tolist() for f, x in zip(SEEN, charges[: len(SEEN)], strict=True)}
    parts = [f"{f}{'_'.join(map(str, x))}" for f, x in own.items()]
    return Model.from_dict(
        {
            "name": "-".join(x.replace("-", "m") for x in [*parts, f"H{higgs}"]),
            "title": ", ".join(f"$X_{f} = ({', '.join(map(str, x))})$" for f, x in own.items()),
            "charges": {**{f"X_{f}": x for f, x in own.items()}, "X_H": int(higgs)},
            "mixing": MIXING,
            "reference": "arXiv:1812.04602",
        }
    )


def text(left: dict[str, int]) -> str:
    """What `models` says is left by each of the filters, as text for a terminal."""
    return "\n".join(f"{number:12,}  {what}" for what, number in left.items())


class _Choice:
    """Charges of models while filters are applied.

    Families of a species are told apart when a filter asks for it and no sooner, because numbers of
    orders multiply; models are counted as if all were.
    """

    def __init__(self, charges: np.ndarray) -> None:
        self.charges = charges
        self.left: dict[str, int] = {}
        self._sorted = [*SEEN]
        self._keep("families told apart", np.ones(len(charges), dtype=bool))

    def apply(self, filters: Filters) -> None:
        """Keep what all filters accept, with all families told apart."""
        if filters.light_quarks_alike:
            for f in "qud":  # what is left by the last of them is left by the filter
                own = self._told_apart(f)
                self._keep("first two quark families alike", own[:, 0] == own[:, 1])
        if filters.b_to_s:
            own = self._told_apart("q")
            self._keep("left-handed b and s differ", own[:, 1] != own[:, 2])
        for name in filters.yukawa:
            self._told_apart(*YUKAWA[name][:2])
            same = _higgs(self.charges, name)[:, 2] == filters.higgs(self.charges)
            self._keep(f"Yukawa coupling 33 of {name}", same)
        self._told_apart(*SEEN)
        if filters.vector_like_leptons:
            wanted = filters.higgs(self.charges)[:, None]
            same = np.all(_higgs(self.charges, "charged leptons") == wanted, axis=1)
            self._keep("vector-like leptons", same)

    def _keep(self, what: str, rows: np.ndarray) -> None:
        self.charges = self.charges[rows]
        orders = np.ones(len(self.charges), dtype=int)
        for f in self._sorted:
            orders *= _DIFFERENT[np.count_nonzero(np.diff(_of(self.charges, f)), axis=1)]
        self.left[what] = int(orders.sum())

    def _told_apart(self, *species: str) -> np.ndarray:
        """One row for each order of the families of some species; charges of the last of these."""
        for f in species:
            if f in self._sorted:
                self._sorted.remove(f)
                orders = _of(self.charges, f)[:, _ORDERS]
                equal = np.all(orders[:, :, None] == orders[:, None], axis=3)
                rows, order = np.nonzero(~np.tril(equal, -1).any(axis=2))
                self.charges = self.charges[rows]
                _of(self.charges, f)[:] = orders[rows, order]
        return _of(self.charges, species[-1])


def _of(charges: np.ndarray, species: str) -> np.ndarray:
    """A view of the charges of one of `SPECIES`, shape (n, 3)."""
    return charges[:, SPECIES.index(species)]


def _higgs(charges: np.ndarray, name: str) -> np.ndarray:
    """X_H with which each of the diagonal Yukawa couplings is allowed, shape (n, 3)."""
    doublet, singlet, sign = YUKAWA[name]
    return sign * (_of(charges, doublet) - _of(charges, singlet))


def _primitive(charges: np.ndarray) -> np.ndarray:
    """Charges over their common factor, the first that is not 0 positive; zero stays zero."""
    factor = np.gcd.reduce(flat(charges), axis=1) * np.sign(leading(charges))
    return charges // np.where(factor, factor, 1)[:, None, None]


def _first(charges: np.ndarray) -> np.ndarray:
    """Rows of charges that are not all 0 and not those of a row before."""
    rows = np.sort(np.unique(flat(charges), axis=0, return_index=True)[1])
    return rows[charges[rows].any(axis=(1, 2))]
