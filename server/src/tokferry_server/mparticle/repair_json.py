"""Makes JSON readable that strict readers refuse though senders do write it.

Half surrogate pairs (emoji cut by JavaScript), bytes that are not UTF-8, and the words
NaN and Infinity: the text is mended or kept as text, so that a rule can judge the one
value instead of the whole batch being lost.
"""

import json
import math


def repair(data: bytes) -> bytes | None:
    """Give the same JSON in strict form, or ``None`` if it is no JSON at all."""
    try:
        value = json.loads(
            data.decode("utf-8", "replace"),
            parse_constant=str,
            parse_float=_finite_or_text,
        )
        repaired = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    encoded = repaired.encode("utf-8", "replace")
    return None if encoded == data else encoded


def _finite_or_text(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text
