"""The engine of this repository as the language model, in process (`--endpoint local`).

It decodes greedily and knows no schemas: answers are validated like any others, and those that choose an option are
held to one digit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.engine.core import load_tokenizer, machine
from models.engine.requests import EngineDied, Request
from models.engine.thread import Engine
from models.settings import SettingsError, choose
from models.spaces.base import FreeText, OneDigit
from models.spaces.vocabulary import Vocabulary
from models.weights import WeightsError, check_weights
from shopbench.prompts import clean, encode_text
from training.synthesize.asks import Ask, Reply, SynthesisError

SECONDS_AN_ANSWER = 120.0
_PLACEHOLDER = "MESSAGE-GOES-HERE"


class LocalModel:
    """A running engine and its tokenizer; close it when done."""

    def __init__(self, engine: Engine, tokenizer: Any) -> None:
        self._engine = engine
        self._tokenizer = tokenizer
        self._vocabulary = Vocabulary.of(tokenizer)

    @classmethod
    def of(cls, folder: Path) -> LocalModel:
        """Start an engine (seconds to minutes); SynthesisError if the folder cannot be served."""
        try:
            settings = choose(check_weights(folder), machine())
            tokenizer = load_tokenizer(folder)
            engine = Engine(settings)
            engine.wait_until_ready()
        except (WeightsError, SettingsError, EngineDied) as error:
            raise SynthesisError(str(error)) from None
        return cls(engine, tokenizer)

    def answer(self, asks: Sequence[Ask]) -> list[Reply]:
        """Answers in the order of the requests, from one engine call."""
        context = self._engine.settings.context
        fitting = [ask for ask in asks if len(self._prompt(ask)) + ask.max_tokens < context]
        requests = [Request(self._prompt(ask), self._space(ask)) for ask in fitting]
        try:
            completions = self._engine.generate(requests, SECONDS_AN_ANSWER * len(requests) + 60)
        except EngineDied as error:
            raise SynthesisError(f"{error}; run the same command again: what was answered is kept") from None
        given = {
            id(ask): self._reply(ask, request, completion.token_ids)
            for ask, request, completion in zip(fitting, requests, completions, strict=True)
        }
        return [given.get(id(ask), Reply("longer than the model's context", "refused")) for ask in asks]

    def close(self) -> None:
        """End the engine's processes."""
        self._engine.close()

    def _space(self, ask: Ask) -> FreeText | OneDigit:
        return OneDigit(tuple(range(1, ask.choices + 1))) if ask.choices else FreeText(ask.max_tokens)

    def _reply(self, ask: Ask, request: Request, tokens: list[int]) -> Reply:
        text = self._vocabulary.text(tokens)
        if ask.choices:
            text = json.dumps({"answer": int(self._space(ask).finish(text))})
        finish = "length" if not ask.choices and len(tokens) >= ask.max_tokens else "stop"
        return Reply(text, finish, len(request.prompt), len(tokens))

    def _prompt(self, ask: Ask) -> list[int]:
        """Token ids of the chat; what looks like a special token in the message stays text."""
        chat = [{"role": "system", "content": ask.system}, {"role": "user", "content": _PLACEHOLDER}]
        frame = self._tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        before, after = frame.split(_PLACEHOLDER)
        ends = [self._tokenizer.encode(part, add_special_tokens=False) for part in (before, after)]
        return [*ends[0], *encode_text(self._tokenizer, clean(ask.user)), *ends[1]]
