"""eCeLLM's script, as its authors published it: what is peculiar to it, by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from evaluation.published import BadCase, Published, ecellm

MPC, PM, SR = "Multiclass_Product_Classification", "Product_Matching", "Sequential_Recommendation"
AVE, QPR = "Attribute_Value_Extraction", "Query_Product_Rank"
RED = {"attribute": "color", "value": "red", "source": "product title"}


def scored(task: str, truths: Sequence[str], answers: Sequence[str], setting: str = "IND_x") -> Published:
    return ecellm.score(task, setting, "published", {}, [{"output": truth} for truth in truths], answers)


def values(truth: object, answer: object, setting: str = "IND_x") -> Published:
    return scored(AVE, [json.dumps(truth)], [answer if isinstance(answer, str) else json.dumps(answer)], setting)


def ranked(labels: Sequence[str], *answers: str) -> Published:
    return ecellm.score(QPR, "", "", {}, [{"labels": list(own)} for own in labels], answers)


def test_an_unreadable_answer_is_left_out_with_its_truth() -> None:
    found = scored(PM, ["yes", "no", "yes", "no"], [" YES\n", "no", "yes.", "no, it is not"])
    assert found.parsed == ["yes", "no", None, None]
    assert (found.metrics["f1"], found.metrics["acc"], found.metrics["#invalid"]) == (1, 1, 2)
    assert found.metrics["specificity"] == pytest.approx(1 / (1 + 1e-8), abs=1e-12)
    assert scored(SR, ["T", "U", "A"], ["T ", "U", "A."]).parsed == ["T", None, None]


def test_letters_are_the_first_character_whatever_the_options() -> None:
    answers = ["Answer: C", "Both", "Excellent", "Fine", "(A)", "b", "\nD"]
    found = scored(MPC, ["A: x", "B", "C", "A", "A", "B", "D: y"], answers)
    assert found.parsed == ["A", "B", "E", None, None, None, "D"]
    # Of A, B, D each is right once; C is missed, and E, which is no truth, is a class too.
    assert found.metrics == pytest.approx(
        {"acc": 3 / 4, "recall": 3 / 5, "precision": 3 / 5, "f1": 3 / 5, "#invalid": 3}
    )


@pytest.mark.parametrize(
    ("task", "truths", "answers", "why"),
    [
        (MPC, "AB", ["A", " "], "IndexError"),
        (MPC, "AB", ["?", "none"], "ValueError"),
        (SR, "AB", ["?", ""], "ValueError"),
        (PM, ["yes", "no"], ["perhaps", ""], "ValueError"),
        (PM, ["yes", "yes"], ["yes", "yes"], "both yes and no"),
        (PM, ["No", "no"], ["no", "no"], "both yes and no"),
        (AVE, ["[]"], ["[]"], "ZeroDivisionError"),
        (AVE, [json.dumps([RED])], ["[1]"], "TypeError"),
        (AVE, [json.dumps([RED])], ['["an attribute"]'], "TypeError"),
        (AVE, [json.dumps([RED])], ['[{"attribute": ["color"]}]'], "TypeError"),
        (AVE, ['[{"value": "red"}]'], ["[]"], "KeyError"),
    ],
)
def test_where_the_script_ends_there_is_no_number(
    task: str, truths: Sequence[str], answers: Sequence[str], why: str
) -> None:
    found = scored(task, truths, answers)
    assert found.metrics and set(found.metrics.values()) == {None}
    assert why in (found.undefined or "")


def test_one_class_of_truths_is_enough_if_both_are_answered() -> None:
    assert scored(PM, ["no", "no"], ["no", "yes"]).metrics["f1"] == 0


def test_entries_given_twice_hit_twice() -> None:
    found = values([RED], [RED, RED])
    assert (found.metrics["recall"], found.metrics["f1"]) == (2, pytest.approx(4 / 3, abs=1e-5))


@pytest.mark.parametrize(
    ("answer", "hits", "out_of_domain", "predicted", "invalid"),
    [
        ([RED], 1, 1, 1, 0),
        ([RED | {"value": "Red"}], 0, 0, 1, 0),
        ([RED | {"value": "bright red"}], 0, 1, 1, 0),
        ([RED | {"source": "title"}], 0, 1, 1, 0),
        ([RED | {"value": "", "source": ""}], 0, 1, 1, 0),
        ([RED | {"value": None}], 0, 0, 1, 0),
        ([RED | {"attribute": "Color"}], 0, 0, 1, 0),
        ([{"attribute": "color", "value": "red"}], 0, 0, 1, 0),
        ([{"value": "red", "source": "product title"}, "a text", []], 0, 0, 0, 0),
        (RED, 0, 0, 0, 0),
        ("null", 0, 0, 0, 0),
        ("None", 0, 0, 0, 1),
        (str([RED]), 0, 0, 0, 1),
        ("[" * 100_000, 0, 0, 0, 1),
    ],
)
def test_values_agree_as_the_script_has_it(
    answer: object, hits: int, out_of_domain: int, predicted: int, invalid: int
) -> None:
    for setting, hit in (("IND_Diverse_Instruction", hits), ("OOD_Diverse_Instruction", out_of_domain)):
        metrics = values([RED], answer, setting).metrics
        assert (metrics["recall"], metrics["#invalid"]) == (hit, invalid)
        assert metrics["precision"] == pytest.approx(hit / (predicted + 1e-6))


def test_entries_without_a_value_count_as_others_and_a_broken_truth_not_at_all() -> None:
    none = {"attribute": "size", "value": "None", "source": "None"}
    assert values([none, RED], [none]).metrics["recall"] == 1 / 2
    assert scored(AVE, ["[broken", json.dumps([RED])], ["[]", json.dumps([RED])]).metrics["recall"] == 1


def test_a_ranking_is_measured_against_the_best_order_of_what_was_read() -> None:
    assert ranked(["IES"], "B").metrics["NDCG"] == pytest.approx(1, abs=2e-6)
    assert ranked(["IES"], "A").metrics["NDCG"] == 0
    found = ranked(["ESC", "ESC", "ESC", "ESC"], "A, B, C", "B,B,Z,", "Answer: B,C", "")
    assert found.parsed == [[1], [0.1, 0.1], [1, 0.01], []]
    assert found.metrics["#invalid"] == 2 + 2 + 0 + 1
    assert found.metrics["NDCG"] == pytest.approx(3 / 4, abs=1e-4)


def test_the_scripts_own_spellings_will_do_and_others_get_one_line() -> None:
    assert scored("Product_Substitue_Identification", ["yes", "no"], ["yes", "no"]).metrics["f1"] == 1
    for task, rows in (("Answer_Generation", [{"output": "x"}]), ("Nonsense", [{"output": "x"}]), (PM, [{}]), (PM, [])):
        with pytest.raises(BadCase):
            ecellm.score(task, "", "", {}, rows, ["x"] * len(rows))
