"""Statistics of evaluations: estimates with their intervals, families of them, and what a comparison could have seen.

Nothing is imported here but the standard library: the same numbers give the same digits on every machine, whatever
else is installed there. The tests compare with SciPy, statsmodels and evalstats.
"""

from motools.statistics.choice import Contrast, of_one, of_pairs, of_trainings, of_two
from motools.statistics.estimates import LEVEL, Ends, Estimate, Mean, Student, mean_of, welch
from motools.statistics.families import holm
from motools.statistics.shares import Newcombe, PairedNewcombe, Wilson, wilson
from motools.statistics.student import quantile, tail

__all__ = [
    "LEVEL",
    "Contrast",
    "Ends",
    "Estimate",
    "Mean",
    "Newcombe",
    "PairedNewcombe",
    "Student",
    "Wilson",
    "holm",
    "mean_of",
    "of_one",
    "of_pairs",
    "of_trainings",
    "of_two",
    "quantile",
    "tail",
    "welch",
    "wilson",
]
