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
from models.spaces.free_text import FreeText
from models.spaces.one_digit import OneDigit
from models.spaces.vocabulary import Vocabulary
from models.weights import WeightsError, check_weights
from shopbench.prompts import encode_chat
from training.synthesize.chat import ChatRequest, Reply, SynthesisError

SECONDS_AN_ANSWER = 120.0


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

    def answer(self, chats: Sequence[ChatRequest]) -> list[Reply]:
        """Answers in the order of the requests, from one engine call."""
        context = self._engine.settings.context
        prompts = {id(chat): encode_chat(self._tokenizer, chat.system, chat.user) for chat in chats}
        fitting = [chat for chat in chats if len(prompts[id(chat)]) + chat.max_tokens < context]
        requests = [Request(prompts[id(chat)], self._space(chat)) for chat in fitting]
        try:
            completions = self._engine.generate(requests, SECONDS_AN_ANSWER * len(requests) + 60)
        except EngineDied as error:
            raise SynthesisError(f"{error}; run the same command again: what was answered is kept") from None
        given = {
            id(chat): self._reply(chat, request, completion.token_ids)
            for chat, request, completion in zip(fitting, requests, completions, strict=True)
        }
        return [given.get(id(chat), Reply("longer than the model's context", "refused")) for chat in chats]

    def close(self) -> None:
        """End the engine's processes."""
        self._engine.close()

    def _space(self, chat: ChatRequest) -> FreeText | OneDigit:
        return OneDigit(tuple(range(1, chat.choices + 1))) if chat.choices else FreeText(chat.max_tokens)

    def _reply(self, chat: ChatRequest, request: Request, tokens: list[int]) -> Reply:
        text = self._vocabulary.text(tokens)
        if chat.choices:
            text = json.dumps({"answer": int(self._space(chat).finish(text))})
        finish = "length" if not chat.choices and len(tokens) >= chat.max_tokens else "stop"
        return Reply(text, finish, len(request.prompt), len(tokens))
