"""Predictions asked of flavio all at once, against flavio asked one by one."""

import numpy as np
import pytest

from malaphoric.data import predicting
from malaphoric.engines.exact import ExactEngine
from malaphoric.physics.model import Model

#: Decays of each kind that share amplitudes, two observables of each.
NAMES = [
    ("<P5p>(B0->K*mumu)", 4.0, 6.0),
    ("<P1>(B0->K*mumu)", 4.0, 6.0),
    ("<dBR/dq2>(B+->Kmumu)", 1.1, 6.0),
    ("<FH>(B+->Kmumu)", 1.1, 6.0),
    ("<FL>(Bs->phimumu)", 15.0, 18.9),
    ("<S3>(Bs->phimumu)", 15.0, 18.9),
    ("<AFBl>(Lambdab->Lambdamumu)", 15.0, 20.0),
    ("<AFBh>(Lambdab->Lambdamumu)", 15.0, 20.0),
]


@pytest.mark.slow
def test_shared_amplitudes_change_no_bit():
    """Truth: flavio, at two points one after the other: nothing of the first is left."""
    import flavio

    engine, parameters = ExactEngine(Model.load("b3-l2")), flavio.default_parameters
    parameters = parameters.get_central_all()
    for point in ([-0.92, 0.078, -0.17], [-0.3, 0.1, 0.05]):
        w = flavio.WilsonCoefficients()
        w.set_initial_wcxf(engine.wilson(np.array(point)).wc)
        found = predicting.predict(NAMES, parameters, w)
        one_by_one = [flavio.Observable[n].prediction_par(parameters, w, *q2) for n, *q2 in NAMES]
        assert found.tolist() == one_by_one
