"""Records as they come in files and messages: plain, as hex or base64, several, or in XML.

XML is that of the transparency software: `values` of `value`, each with `signedData` (its `format`
and `encoding`) and, mostly, `publicKey`. What a file says of the key is told, and never trusted.
"""

import base64
import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError, SubElement, indent, tostring

import defusedxml
from defusedxml import ElementTree

from sitecontroller.domain.ocmf import Code, OcmfFault

FILE_BYTES_MAX = 4 * 1024 * 1024
RECORDS_MAX = 2000

_MARK = b"OCMF|"
_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
_START = re.compile(rb"^[ \t]*OCMF\|", re.MULTILINE)
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2})+")


@dataclass(frozen=True, slots=True)
class SignedText:
    """One signed record of a file: its bytes, the format named, and the key it came with or ""."""

    data: bytes
    format: str = "OCMF"
    public_key: str = ""
    name: str = ""


def read_records(data: bytes) -> list[SignedText]:
    """The records of a file, in its order. OcmfFault if it holds none, or something else too."""
    if len(data) > FILE_BYTES_MAX:
        raise OcmfFault(Code.NO_OCMF, f"It is larger than {FILE_BYTES_MAX // 1024 // 1024} MiB.")
    plain = data.removeprefix(_BOM).strip(_SPACE)
    if not plain:
        raise OcmfFault(Code.NO_OCMF, "It is empty.")
    records = _from_xml(plain) if plain.startswith(b"<") else _from_text(plain)
    if len(records) > RECORDS_MAX:
        raise OcmfFault(Code.NO_OCMF, f"It holds more than {RECORDS_MAX} records.")
    return records


def decode_text(plain: bytes) -> bytes:
    """A record that came as hex or base64 (OCPP sends both); any other text as it is."""
    if plain.lstrip(_SPACE).startswith(_MARK):
        return plain
    bare = b"".join(plain.split())
    decoded = b""
    if _HEX.fullmatch(bare):
        decoded = bytes.fromhex(bare.decode("ascii"))
    else:
        try:
            decoded = base64.b64decode(bare, validate=True)
        except ValueError:
            return plain
    return decoded if decoded.startswith(_MARK) else plain


def _from_text(plain: bytes) -> list[SignedText]:
    """One after the other, each begun on a line of its own; a plain one may span lines."""
    lines = [decode_text(line) for line in plain.splitlines() if line.strip()]
    if not plain.startswith(_MARK) and all(line.startswith(_MARK) for line in lines):
        return [SignedText(line) for line in lines]
    text = decode_text(plain)
    starts = [found.start() for found in _START.finditer(text)]
    if not starts or text[: starts[0]].strip(_SPACE):
        raise OcmfFault(Code.NO_OCMF, 'It doesn\'t begin with "OCMF|": it is no OCMF record.')
    ends = [*starts[1:], len(text)]
    return [
        SignedText(text[start:end].strip(_SPACE)) for start, end in zip(starts, ends, strict=True)
    ]


def _from_xml(plain: bytes) -> list[SignedText]:
    try:
        root = ElementTree.fromstring(plain, forbid_dtd=True)
    except (ParseError, ValueError, LookupError, defusedxml.DefusedXmlException):
        raise OcmfFault(Code.NO_OCMF, "It looks like XML, and can't be read as such.") from None
    records = []
    for number, value in enumerate(root.iter("value"), start=1):
        signed, key = value.find("signedData"), value.find("publicKey")
        if signed is None or not (signed.text or "").strip():
            raise OcmfFault(Code.NO_OCMF, f"Value {number} of the XML has no signedData.")
        name = value.get("context", "")
        records.append(
            SignedText(
                _decoded(signed),
                signed.get("format") or "OCMF",
                (key.text or "").strip() if key is not None else "",
                name,
            )
        )
    if not records:
        raise OcmfFault(Code.NO_OCMF, "The XML has no value with signedData.")
    return records


def _decoded(signed: Element) -> bytes:
    text = (signed.text or "").strip().encode()
    encoding = (signed.get("encoding") or "").casefold()
    return text if encoding == "plain" else decode_text(text)


def to_xml(records: list[tuple[SignedText, str]]) -> bytes:
    """The transparency software's XML of (record, public key as hex or ""), for export.

    Records that are no text are given as base64; texts stand in it byte for byte. In the words of
    a station beside them, what XML can't hold is replaced.
    """
    root = Element("values")
    for record, key in records:
        value = SubElement(root, "value")
        if record.name:
            value.set("transactionId", "1")
            value.set("context", _words(record.name))
        signed = SubElement(value, "signedData", format=_words(record.format))
        signed.text, encoding = _encoded(record.data)
        signed.set("encoding", encoding)
        if key:
            SubElement(value, "publicKey", encoding="plain").text = _words(key)
    indent(root)
    text: bytes = tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + text + b"\n"


_XML_TEXT = re.compile(r"[\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
_NOT_XML = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _words(said: str) -> str:
    return _NOT_XML.sub("\ufffd", said)


def _encoded(data: bytes) -> tuple[str, str]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\x00"
    if _XML_TEXT.fullmatch(text):
        return text, "plain"
    return base64.b64encode(data).decode("ascii"), "base64"
