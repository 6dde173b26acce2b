"""The tarpit: exchanges that are answered late, and never more of them than it has room for."""


class Tarpit:
    """Counts the exchanges of a worker that wait; what each holds is what had come of it when it began to."""

    __slots__ = ("most", "waiting")

    def __init__(self, most: int) -> None:
        self.most = most
        self.waiting = 0

    def enter(self) -> bool:
        """Take an exchange in, or return False where there is no room."""
        if self.waiting >= self.most:
            return False
        self.waiting += 1
        return True

    def leave(self) -> None:
        """Let an exchange go, whichever way."""
        self.waiting -= 1
