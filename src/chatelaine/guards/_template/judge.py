"""Judge one text."""


def judge(text: str) -> bool:
    """Tell whether a text is what this guard looks for."""
    return "template" in text
