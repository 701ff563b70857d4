"""A review that says its own rating is known for one, in whatever words; other numbers and stars are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.data.star_ratings import states_rating

STATED = (
    *("Five Stars", "four stars", "FIVE STARS!!", "5 stars", "5-star", "5star product", "fivestars", "4.5 stars"),
    *("4 1/2 stars", "five big stars", "5/5", "4 / 5", "10/10", "4 out of 5", "four out of five", "9 out of 10"),
    *("★★★★★", "⭐⭐", "5*", "*****", "no stars", "half a star", "one star off for shipping", "took off a star"),
    *("I give it a 4.", "I'd rate it 3", "rating: 2", "Would give 0 stars", "gave it 5 because it works", "A+"),
    *("fünf Sterne", "Ein Stern", "volle 5 Sterne", "4 von 5", "vijf sterren", "fem stjärnor", "pięć gwiazdek"),
    *("cinco estrellas", "Una estrella", "cinco estrelas", "cinq étoiles", "5 étoiles", "4 sur 5", "cinque stelle"),
    *("星5つ", "星５つ", "五つ星", "五星", "5颗星", "별 다섯 개", "별점 5", "пять звезд", "5 звёзд", "beş yıldız", "5"),
)
OTHER = (
    *("Star Wars mug", "Lone Star shirt", "a rock star dress", "star-shaped earrings", "Starbucks card", "Great gift"),
    *("I gave it to my 5 year old", "I bought 4 of these", "Use it 24/7", "1/5 inch drill", "It fits 5 people"),
    *("two of my friends love it", "The 3 pack is great", "size 10", "works with iPhone 5", "one of the best"),
    *("starts well and then breaks", "bought one for my wife", "3/4 length sleeves", "a 2 in 1", "A-line dress"),
    *("gave 5 to friends and family", "stars on the fabric are cute", "They give you 5 weeks to return", None, ""),
)


@pytest.mark.parametrize("text", STATED)
def test_a_rating_that_is_said_is_found(text: str) -> None:
    assert states_rating(text)
    assert states_rating(f"I ordered it in May and it came in June.\n{text}")


@pytest.mark.parametrize("text", OTHER)
def test_other_numbers_and_stars_are_no_rating(text: str | None) -> None:
    assert not states_rating(text)


def test_most_real_reviews_say_none(shared: Path) -> None:
    """Titles of 2018 do so in a third of the reviews, texts hardly ever."""
    lines = (shared / "data/sources/amazon_reviews_2018/Gift_Cards_5.jsonl").read_text(encoding="utf-8").splitlines()
    reviews = [json.loads(line) for line in lines]
    titles = sum(states_rating(review.get("summary")) for review in reviews) / len(reviews)
    texts = sum(states_rating(review.get("reviewText")) for review in reviews) / len(reviews)
    assert 0.3 < titles < 0.6 and texts < 0.03
