"""The collector of cycles: what a process holds for as long as it lives is not looked through for garbage."""

import gc


def settle(young: int) -> None:
    """Leave all that lives now out of collections, and begin one after so many new objects.

    What a burst leaves alive for a moment is not worth looking through each time, and what the watch
    remembers of keys has no cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(young, 20, 20)
