"""Types of command-line arguments, for argparse: a number that makes no sense is refused before any work."""

from __future__ import annotations

import argparse
import math


def positive(text: str) -> int:
    """A whole number above 0."""
    # No more digits than any count has: Python itself refuses to read thousands of them.
    if not (text.isascii() and text.isdecimal() and len(text) <= 18) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def finite(text: str) -> float:
    """A number that is not NaN or infinite."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is no finite number")
    return value


def not_negative(text: str) -> float:
    """A finite number from 0 on."""
    if (value := finite(text)) < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is below 0")
    return value


def above_zero(text: str) -> float:
    """A finite number above 0."""
    if (value := finite(text)) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return value
