"""Numbers of arXiv:2409.06804 that ours are compared with; they are compared in other rooms.

Imports nothing, because rules need the points of Table 4.
"""

#: Table 1 of arXiv:2409.06804: chi2, N, p.
PAPER_TABLE1 = {
    "quarks": (419.0, 306, 1.7e-5),
    "EWPOs": (36.8, 31, 0.22),
    "LEP2": (150.0, 148, 0.44),
    "LFU": (18.5, 24, 0.78),
    "global": (624.0, 509, 3.4e-4),
}

#: Table 4 of arXiv:2409.06804: (epsilon_hat, g_hat, theta_sb), Delta chi2 by category, p.
PAPER_TABLE4 = {
    "unmixed": {
        "point": (0.0, 0.12, -0.11),
        "dchi2": {"quarks": 35.2, "EWPOs": 0.0, "LEP2": 0.00, "LFU": -4.0, "global": 31.2},
        "p_value": 0.006,
    },
    "malaphoric": {
        "point": (-0.92, 0.078, -0.17),
        "dchi2": {"quarks": 37.6, "EWPOs": 0.3, "LEP2": -0.02, "LFU": 0.3, "global": 38.2},
        "p_value": 0.01,
    },
}
