"""The file out of a form as browsers and some stations post it (multipart/form-data), streamed.

The first part that has a file's name, or is called `file`, is the file.
"""

from collections.abc import Callable

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header

HEADER_BYTES_MAX = 4096
"""Of one part's headers."""
PARTS_MAX = 20

Write = Callable[[bytes], None]


class BadForm(ValueError):
    """What was posted is no form that we can read."""


class FormFile:
    """Feed it a body; it hands the file's bytes to `write`."""

    def __init__(self, content_type: str, write: Write) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if not kind.startswith(b"multipart/") or not 1 <= len(boundary) <= 70:
            raise BadForm("no boundary")
        self.file_name = ""
        self._write = write
        self._name = self._value = b""
        self._disposition = b""
        self._parts = 0
        self._taking = self._taken = False
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_part_end": self._part_ends,
                "on_end": self._ends,
            },
        )

    def feed(self, data: bytes) -> None:
        """Raises BadForm, and what `write` raises."""
        try:
            self._parser.write(data)
        except MultipartParseError as error:
            raise BadForm(str(error)) from None

    @property
    def whole(self) -> bool:
        """Whether the form came to its end."""
        return self._ended

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > PARTS_MAX:
            raise BadForm("too many parts")
        self._disposition = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name = self._grown(self._name, data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value = self._grown(self._value, data[start:end])

    def _grown(self, text: bytes, more: bytes) -> bytes:
        if len(text) + len(more) > HEADER_BYTES_MAX:
            raise BadForm("a part's header is too long")
        return text + more

    def _header_ends(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"filename", b"")
        self._taking = not self._taken and (bool(name) or options.get(b"name") == b"file")
        if self._taking:
            self.file_name = name.decode("utf-8", "replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._taking:
            self._write(data[start:end])

    def _part_ends(self) -> None:
        self._taken = self._taken or self._taking
        self._taking = False

    def _ends(self) -> None:
        self._ended = True
