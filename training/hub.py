"""The Hugging Face Hub's errors, as lines for the user."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from httpx2 import HTTPError
from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled

from shopbench.errors import UserError, no_room


@contextmanager
def hub_errors(name: str) -> Iterator[None]:
    """What goes wrong while `name` is fetched, as a UserError with its remedy."""
    try:
        yield
    except GatedRepoError:
        remedy = "give it on its page of the Hub, then run `hf auth login`"
        raise UserError(f"{name}: its owner asks for consent; {remedy}") from None
    except OfflineModeIsEnabled:
        switch = "HF_HUB_OFFLINE" if os.environ.get("HF_HUB_OFFLINE") else "TRANSFORMERS_OFFLINE"
        raise UserError(f"{name}: {switch} is set; unset it to download") from None
    except (HTTPError, OSError) as error:  # the Hub's own errors are among them; without a network it is the first
        if no_room(error):  # whoever knows the folder says so
            raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{name}: {reason}; run the same command again to go on") from None
