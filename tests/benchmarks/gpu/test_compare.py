"""Which answers are equal, by task type, and what is too few."""

from __future__ import annotations

import pytest

from benchmarks.gpu.compare import Agreement, agreements, compare, is_enough, words_shared
from shopbench.sample import Sample
from shopbench.tasks import TaskType


def samples(*types: TaskType) -> list[Sample]:
    return [Sample("q", "a", str(one), one, "m", one is TaskType.MULTIPLE_CHOICE) for one in types]


CHOICE, TEXT = TaskType.MULTIPLE_CHOICE, TaskType.GENERATION


def test_shares_by_task_type_and_where_texts_part() -> None:
    asked = samples(CHOICE, CHOICE, TEXT, TEXT, TEXT)
    ours = ["1", "2", "a red bag for all", "same", "x"]
    theirs = ["1", "3", "a red hat for all", "same", None]
    found = agreements(asked, ours, theirs)
    assert found["all"] == Agreement(2, 4)
    assert found[CHOICE] == Agreement(1, 2)
    assert found[TEXT] == Agreement(1, 2, (2,))
    assert found[TEXT].text == "1/2 (parted after 2 words)"
    assert found[CHOICE].text == "1/2"


@pytest.mark.parametrize(("one", "other", "words"), [("", "a", 0), ("a b", "a b c", 2), ("a b", "c b", 0)])
def test_words_before_two_texts_part(one: str, other: str, words: int) -> None:
    assert words_shared(one, other) == words_shared(other, one) == words


@pytest.mark.parametrize(
    ("choices", "every", "enough"), [((60, 60), (100, 121), True), ((58, 60), (97, 121), True),
                                     ((56, 60), (117, 121), False), ((60, 60), (90, 121), False)]
)  # fmt: skip
def test_near_ties_are_few(choices: tuple[int, int], every: tuple[int, int], enough: bool) -> None:
    found = {str(CHOICE): Agreement(*choices), "all": Agreement(*every)}
    assert is_enough("cpu", found) is enough
    assert is_enough("merged", found) is (choices[0] >= 51 and every[0] >= 85)


def test_a_file_without_choices_is_judged_by_all() -> None:
    assert is_enough("cpu", {"all": Agreement(9, 10), str(TEXT): Agreement(9, 10)})


def test_each_step_is_compared_with_its_own_others() -> None:
    asked = samples(CHOICE, TEXT)
    steps = {
        "exact": {"answers": ["1", "a b"]},
        "eager": {"answers": ["1", "a c"]},
        "plain": {"questions_per_s": 3.0},
        "awq": {"answers": ["1", "b"]},
        "float": {"result": "failed"},
        "lora": {"answers": ["2", "b"], "others": {"merged": ["2", "c"]}},
    }
    found = compare(asked, steps, {"exact": ["1", "a b"], "lora": [None, None]})
    equal = {name: {other: kinds["all"].equal for other, kinds in others.items()} for name, others in found.items()}
    assert equal == {"exact": {"cpu": 2}, "eager": {"exact": 1, "cpu": 1}, "awq": {}, "lora": {"merged": 1}}
