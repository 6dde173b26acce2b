"""Write one case file in a form that others read."""


def write(lines: tuple[str, ...]) -> bytes:
    """Return the lines in this form; the same lines give the same bytes."""
    return "".join(f"{line}\n" for line in lines).encode()
