"""The Hugging Face Hub's errors, as lines for the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled

from shopbench.errors import UserError


@contextmanager
def hub_errors(name: str) -> Iterator[None]:
    """What goes wrong while `name` is fetched, as a UserError with its remedy."""
    try:
        yield
    except GatedRepoError:
        remedy = "give it on its page of the Hub, then run `hf auth login`"
        raise UserError(f"{name}: its owner asks for consent; {remedy}") from None
    except OfflineModeIsEnabled:
        raise UserError(f"{name}: HF_HUB_OFFLINE is set; unset it to download") from None
    except (HfHubHTTPError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{name}: {reason}; run the same command again to go on") from None
