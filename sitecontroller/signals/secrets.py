"""Secrets of sources: read each time they are needed, so that a new one needs no restart."""

import asyncio
import os

from sitecontroller.config import Secret
from sitecontroller.domain.limit_signal import SenselessSignal


async def reveal(secret: Secret) -> str | None:
    """The secret, or None where none is configured; SenselessSignal when it can't be read."""
    if secret.variable is not None:
        value = os.environ.get(secret.variable)
        if not value:
            raise SenselessSignal(f"the variable {secret.variable} is not set on this PC")
        return value.strip()
    if secret.file is None:
        return None
    try:
        text = await asyncio.to_thread(secret.file.read_text, encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise SenselessSignal(f"{secret.file} can't be read: {type(error).__name__}") from None
    return text.strip()
