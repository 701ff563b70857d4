"""The five tracks of Amazon KDD Cup 2024 (phase 2) and the limits of its evaluator.

Questions and minutes are also in the winning solution's paper (section 4.6, Table 1), the rest is the starter kit's.
"""

from __future__ import annotations

from dataclasses import dataclass

MIN_BATCH_SIZE = 1
MAX_BATCH_SIZE = 16
SECONDS_PER_SAMPLE = 10.0
"""The evaluator allows a batch this many seconds times its number of questions, then kills the run."""


@dataclass(frozen=True)
class Track:
    """One competition track: its number, name, challenge id, number of test questions and minutes allowed."""

    number: int
    name: str
    challenge_id: str
    questions: int
    minutes: int


TRACKS: dict[int, Track] = {
    track.number: track
    for track in (
        Track(1, "Shopping Concept Understanding", "amazon-kdd-cup-24-understanding-shopping-concepts", 6102, 70),
        Track(2, "Shopping Knowledge Reasoning", "amazon-kdd-cup-24-shopping-knowledge-reasoning", 1896, 20),
        Track(3, "User Behavior Alignment", "amazon-kdd-cup-24-user-behavior-alignment", 2373, 30),
        Track(4, "Multi-lingual Abilities", "amazon-kdd-cup-24-multi-lingual-abilities", 1349, 20),
        Track(5, "All-Around", "amazon-kdd-cup-24-all-around", 11720, 140),
    )
}

_BY_CHALLENGE_ID = {track.challenge_id: track for track in TRACKS.values()}


def track_of(challenge_id: str) -> Track:
    """The track with this challenge id; a ValueError that lists the known ids if there is none."""
    if challenge_id not in _BY_CHALLENGE_ID:
        raise ValueError(f"unknown challenge id {challenge_id!r}; known: {', '.join(_BY_CHALLENGE_ID)}")
    return _BY_CHALLENGE_ID[challenge_id]
