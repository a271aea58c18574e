"""Domain values as JSON bytes: what `wire.to_json` says, at the speed of orjson.

Lists are made and encoded in slices with a turn of the loop between them, so that no answer holds
the loop for more than a few milliseconds. They take iterators, so that the making of what they
encode is sliced too.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from starlette.responses import Response

from sitecontroller.domain.views import Page
from sitecontroller.wire import to_json

SLICE_OBJECTS = 32
"""The most objects made and encoded without a pause."""
SLICE_S = 0.002
"""After so long there is a pause however few they were."""


def encode(value: Any) -> bytes:
    """`to_json(value)` as UTF-8; a float that is no number becomes null."""
    try:
        return orjson.dumps(value, default=to_json, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except orjson.JSONEncodeError:
        # Integers beyond 64 bits and lone surrogates, from a station's raw answer.
        return json.dumps(to_json(value)).encode()


async def encode_list(values: Iterable[Any]) -> bytes:
    """A JSON array, in slices."""
    pace, parts = _Pace(), []
    for value in values:
        parts.append(encode(value))
        await pace.breathe()
    return b"[" + b",".join(parts) + b"]"


async def encode_mapping(items: Iterable[tuple[str, Any]]) -> bytes:
    """A JSON object of keys and values, in slices."""
    pace, parts = _Pace(), []
    for key, value in items:
        parts.append(encode(key) + b":" + encode(value))
        await pace.breathe()
    return b"{" + b",".join(parts) + b"}"


class _Pace:
    """Lets the loop turn whenever a slice is full. The loop's own time: it is the loop's turn."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._begin()

    async def breathe(self) -> None:
        """Once per object."""
        self._objects += 1
        if self._objects >= SLICE_OBJECTS or self._loop.time() >= self._ends_s:
            await asyncio.sleep(0)
            self._begin()

    def _begin(self) -> None:
        self._objects = 0
        self._ends_s = self._loop.time() + SLICE_S


def json_response(
    value: Any, status_code: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """One domain value as an answer."""
    return Response(encode(value), status_code, headers, media_type="application/json")


async def page_response(page: Page[Any]) -> Response:
    """`{"items": […], "next": …}`."""
    return await list_response(page.items, page.next)


async def list_response(items: Iterable[Any], next_cursor: str | None) -> Response:
    """The same of items that are made while they are encoded."""
    body = b'{"items":' + await encode_list(items) + b',"next":' + encode(next_cursor) + b"}"
    return Response(body, media_type="application/json")
