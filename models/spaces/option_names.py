"""The answer space of options named by their words, for weights that were trained to answer so (shopbench/naming.py).

The model writes the name of an option, or of several, a line each; `finish` turns names into the numbers that the
evaluator wants. A name is the fewest tokens that tell its option from the others, mostly one, so an answer takes
about as many steps as numbers do, and a multiple-choice answer is often decided in the prefill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.spaces.base import AnswerSpace, are_different, count_to_generate
from models.spaces.vocabulary import Vocabulary
from shopbench.naming import line_break, telling_names
from shopbench.question import Question


@dataclass(frozen=True)
class OptionNames(AnswerSpace):
    """`count` different options, by name.

    Attributes:
        options: the number of each option, as shown.
        names: the tokens of each one's name; none begins another (shopbench.naming.telling_names).
        spelled: what each name decodes to.
        line_break: the token between two names.
    """

    options: tuple[int, ...]
    names: tuple[tuple[int, ...], ...]
    spelled: tuple[str, ...]
    line_break: int
    count: int

    @property
    def max_tokens(self) -> int:
        """The longest names and the line breaks between them; 0 if there is nothing to choose."""
        longest = sorted(map(len, self.names), reverse=True)[: self._wanted]
        return max(sum(longest) + len(longest) - 1, 0)

    @property
    def _wanted(self) -> int:
        return count_to_generate(self.count, len(self.options))

    @property
    def stop_tokens(self) -> tuple[int, ...]:
        """The last tokens of names that occur nowhere else in one, where one option is asked for."""
        inner = {token for name in self.names for token in name[:-1]}
        return tuple(sorted({name[-1] for name in self.names} - inner)) if self._wanted == 1 else ()

    def next_tokens(self, vocabulary: Vocabulary, written: Sequence[int]) -> Sequence[int]:
        """The next tokens of the names begun, of options not yet named; the end token after the last name."""
        picked: list[tuple[int, ...]] = []
        begun: tuple[int, ...] = ()
        for token in written:
            if begun in self.names:  # this token is the line break after it
                begun = ()
                continue
            begun += (token,)
            if begun in self.names:
                picked.append(begun)
        if len(picked) >= self._wanted:
            return (vocabulary.end_id,)
        if begun in self.names:
            return (self.line_break,)
        left = [name for name in self.names if name not in picked and name[: len(begun)] == begun]
        return tuple(dict.fromkeys(name[len(begun)] for name in left)) or (vocabulary.end_id,)

    def finish(self, text: str) -> str:
        """The numbers of the options named, then of the others in the order shown, as many as are wanted."""
        by_name = dict(zip(self.spelled, self.options, strict=True))
        # A name may itself end in a line break, so lines are put together again.
        lines = text.split("\n")
        named = [by_name.get(line, by_name.get(f"{line}\n")) for line in lines]
        picked = list(dict.fromkeys(number for number in named if number is not None))
        rest = [number for number in self.options if number not in picked]
        return ",".join(map(str, [*picked, *rest][: self.count]))

    def accepts(self, parsed: Any) -> bool:
        """Whether options of the question are named by their numbers, each once."""
        return are_different(parsed, self.options)

    @classmethod
    def of(cls, tokenizer: Any, question: Question) -> OptionNames | None:
        """The space of a question's options by name; None where they have no texts that tell them apart."""
        names = telling_names(tokenizer, question.option_texts) if question.option_texts else None
        if not names:
            return None
        spelled = tuple(tokenizer.decode(name) for name in names)
        return cls(question.numbers, names, spelled, line_break(tokenizer), question.count)
