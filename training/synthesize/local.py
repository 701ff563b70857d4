"""The engine of this repository as the language model, in process (`--endpoint local`).

It decodes greedily and knows no schemas: answers are validated like any others, and those that choose an option are
held to one digit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.engine.process import Engine
from models.engine.requests import EngineDied, Request
from models.serving import Serving
from models.settings import Behaviour
from models.spaces.free_text import FreeText
from models.spaces.one_digit import OneDigit
from models.spaces.vocabulary import Vocabulary
from models.weights import check_weights
from shopbench.errors import UserError
from shopbench.prompts import encode_chat
from training.synthesize.chat import ChatRequest, Reply

SECONDS_AN_ANSWER = 120.0


@dataclass
class LocalModel:
    """A running engine and its tokenizer; close it when done."""

    engine: Engine
    tokenizer: Any

    @classmethod
    def of(cls, folder: Path) -> LocalModel:
        """Start an engine (seconds to minutes); a UserError if the folder cannot be served."""
        serving = Serving.of(check_weights(folder), Behaviour())
        engine = serving.start_engine()
        engine.wait_until_ready()
        return cls(engine, serving.tokenizer)

    def answer(self, chats: Sequence[ChatRequest]) -> list[Reply]:
        """Answers in the order of the requests, from one engine call."""
        asked = {}
        for place, chat in enumerate(chats):
            prompt = encode_chat(self.tokenizer, chat.system, chat.user)
            if len(prompt) + chat.max_tokens < self.engine.settings.context:
                space = OneDigit(tuple(range(1, chat.choices + 1))) if chat.choices else FreeText(chat.max_tokens)
                asked[place] = Request(prompt, space)
        try:
            completions = self.engine.generate(list(asked.values()), SECONDS_AN_ANSWER * len(asked) + 60)
        except EngineDied as error:
            raise UserError(f"{error}; run the same command again: what was answered is kept") from None
        replies = [Reply("longer than the model's context", "refused")] * len(chats)
        for (place, request), completion in zip(asked.items(), completions, strict=True):
            chat, tokens = chats[place], completion.token_ids
            text = Vocabulary.of(self.tokenizer).text(tokens)
            if chat.choices:
                text = json.dumps({"answer": int(request.space.finish(text))})
            cut = not chat.choices and len(tokens) >= chat.max_tokens
            replies[place] = Reply(text, "length" if cut else "stop", len(request.prompt), len(tokens))
        return replies

    def close(self) -> None:
        """End the engine's processes."""
        self.engine.close()
