"""One section of a Markdown page, which each run writes anew."""

import re


def replaced(page: str, heading: str, text: str) -> str:
    """Give the page with this text under that heading, at its end if it had none."""
    own = re.compile(
        rf"^{re.escape(heading)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL
    )
    new = f"{heading}\n\n{text.strip()}\n"
    if own.search(page) is None:
        return f"{page.rstrip()}\n\n{new}"
    return own.sub(lambda _: f"{new}\n", page, count=1).rstrip() + "\n"
