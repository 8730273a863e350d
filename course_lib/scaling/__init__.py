"""Scaling laws: a corpus of known entropy, a grid of runs, the fit, and the plan for a budget.

Pages and their code:
    downstream: ranking
    literature: replication
Shared:
    flops: FLOPs of training, by rule of thumb and by count
"""

from course_lib.scaling.flops import six_nd
from course_lib.scaling.laws.fit import Law, bootstrap, fit_law, interval, leave_one_out
from course_lib.scaling.laws.grid import BranchConfig, trunk_and_branches
from course_lib.scaling.laws.ledger import Ledger, LedgerConfig
from course_lib.scaling.planning.plan import HARDWARE, compute_optimal, hoffmann_2022, plan

__all__ = [
    "HARDWARE",
    "BranchConfig",
    "Law",
    "Ledger",
    "LedgerConfig",
    "bootstrap",
    "compute_optimal",
    "fit_law",
    "hoffmann_2022",
    "interval",
    "leave_one_out",
    "plan",
    "six_nd",
    "trunk_and_branches",
]
