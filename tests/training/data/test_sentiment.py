"""Praise and complaint by a snippet's own words; what does not say is neither."""

from __future__ import annotations

import pytest

from training.data.sentiment import sentiment


@pytest.mark.parametrize(
    ("said", "snippets"),
    [
        (
            "positive",
            ("fits great", "very comfortable", "I love this scent", "no complaints about the fit", "Fast delivery"),
        ),
        ("negative", ("the zipper broke", "not comfortable", "WAY too small", "I had to return it", "smells awful")),
        ("negative", ("the material isn't soft", "does not fit well", "Not worth the price", "price is too high")),
        (None, ("not too heavy", "never broke", "I wish it were softer", "would be perfect if it fit", "Size 8")),
        (None, ("great color but the strap broke", "better than my old one", "arrived on Tuesday", "")),
    ],
)
def test_a_snippet_is_what_its_words_say(said: str | None, snippets: tuple[str, ...]) -> None:
    assert {snippet: sentiment(snippet) for snippet in snippets} == dict.fromkeys(snippets, said)
