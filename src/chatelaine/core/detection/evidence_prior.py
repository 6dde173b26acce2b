"""What the evidence engine is shipped with: weights of terms, and the peaks of a benign population.

Both come from training months of the stolen-key benchmark: seeds 1 and 2, and seed 1 at drift 3.
The weights are a logistic regression, held near one half for each term; terms of networks and of clients
say the same several times where an owner sets up a new machine, and were held near one fifth; so is the
clock, which one hour of work at an odd time moves for all its requests.
"""

from typing import Final

WEIGHTS: tuple[float, ...] = (
    # Network: prefix, AS number, country, class.
    *(0.22, 0.07, 0.07, 0.07),
    # Client: JA4 and header order, program, agent.
    *(0.05, 0.06, 0.05),
    # Model, shape, cap, stream, end user, turn, system prompt, clock.
    *(0.48, 0.50, 0.30, 0.35, 0.52, 0.55, 0.57, 0.20),
    # Status, blocked, input, output.
    *(0.50, 0.50, 0.57, 0.60),
    # Conversations shared, and not shared; agents; linked prefix, prompt and client; shared prefix.
    *(0.52, 0.50, 0.50, 0.47, 0.55, 0.50, 0.50),
    # Rate, cost, scatter.
    *(0.50, 0.50, 0.50),
)

BASE: Final = 0.114
"""The share of a benign population's key-days whose peak reaches the scale's lowest step, at drift 1."""

HAZARD: tuple[float, ...] = (
    *(0.12, 0.12, 0.155, 0.16, 0.185, 0.20, 0.195, 0.205, 0.225, 0.22, 0.225, 0.23, 0.25, 0.27, 0.27, 0.28),
    *(0.28,) * 8,
    *(0.25,) * 66,
)
"""The share of the peaks that reached a step and end in it; far out, where few were seen, a careful one."""
