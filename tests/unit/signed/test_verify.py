"""A signature fits a key, or it doesn't: on every curve, in every form of key, and in no other way
of writing the same numbers."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.ocmf import Code, OcmfFault, parse_record
from sitecontroller.signed.curves import CURVES, curve_named
from sitecontroller.signed.keys import KeyFault, read_key
from sitecontroller.signed.verify import check_signature
from tests.unit.signed.meters import NAMES, PUBLIC, meter, payload

KEY_FORMS = ("uncompressed", "compressed", "raw", "der")


def refusal(record: bytes, key: str) -> Code | None:
    """Why the record isn't trusted; None if it is."""
    try:
        check_signature(parse_record(record), read_key(key))
    except OcmfFault as fault:
        return fault.finding.code
    return None


@pytest.mark.parametrize("known", PUBLIC, ids=[known["name"] for known in PUBLIC])
def test_records_of_real_meters_fit_their_keys(known: dict[str, str]) -> None:
    assert refusal(known["record"].encode(), known["public_key"]) is None


@pytest.mark.parametrize("known", PUBLIC, ids=[known["name"] for known in PUBLIC])
def test_a_real_record_with_one_digit_more_is_refused(known: dict[str, str]) -> None:
    changed = known["record"].replace('"RV"', '"RV" ', 1)
    assert refusal(changed.encode(), known["public_key"]) is Code.SIGNATURE_WRONG


@pytest.mark.parametrize("form", KEY_FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_a_record_fits_its_key_on_every_curve_and_in_every_form(name: str, form: str) -> None:
    signer = meter(name)
    assert refusal(signer.record(), signer.public(form)) is None


@pytest.mark.parametrize("name", NAMES)
def test_another_meters_key_is_refused(name: str) -> None:
    assert refusal(meter(name).record(), meter(name, 2).public()) is Code.SIGNATURE_WRONG


@pytest.mark.parametrize("hash_name", ["sha384", "sha512"])
@pytest.mark.parametrize("name", NAMES)
def test_longer_hashes_are_checked_too(name: str, hash_name: str) -> None:
    signer, signed = meter(name), payload()
    said = {
        "SA": f"ECDSA-{name}-{hash_name.upper()}",
        "SD": signer.signature(signed, hash_name).hex(),
    }
    assert refusal(signer.record(signed, **said), signer.public()) is None


@pytest.mark.parametrize("name", ["brainpoolP256r1", "brainpool256r1", "BrainpoolP256R1"])
def test_brainpool_curves_go_by_both_of_their_names(name: str) -> None:
    signer = meter("brainpool256r1")
    assert refusal(signer.record(SA=f"ECDSA-{name}-SHA256"), signer.public()) is None


def test_a_signature_without_algorithm_is_secp256r1() -> None:
    signer, signed = meter(), payload()
    section = json.dumps({"SD": signer.signature(signed).hex()}).encode()
    assert refusal(b"OCMF|" + signed + b"|" + section, signer.public()) is None


@given(st.data())
@pytest.mark.parametrize("name", NAMES)
def test_no_byte_of_the_payload_may_change(name: str, data: st.DataObject) -> None:
    signer = meter(name)
    signed = payload()
    place = data.draw(st.integers(0, len(signed) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != signed[place]))
    changed = signed[:place] + bytes([other]) + signed[place + 1 :]
    section = signer.record(signed).rpartition(b"|")[2]
    assert refusal(b"OCMF|" + changed + b"|" + section, signer.public()) is not None


@given(st.data())
@pytest.mark.parametrize("name", NAMES)
def test_no_byte_of_the_signature_may_change(name: str, data: st.DataObject) -> None:
    signer = meter(name)
    made = signer.signature(payload())
    place = data.draw(st.integers(0, len(made) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != made[place]))
    changed = made[:place] + bytes([other]) + made[place + 1 :]
    assert refusal(signer.record(SD=changed.hex()), signer.public()) is not None


def _numbers(made: bytes) -> tuple[bytes, bytes]:
    start = 3 if made[1] == 0x81 else 2
    first = made[start + 2 : start + 2 + made[start + 1]]
    rest = made[start + 2 + len(first) :]
    return first, rest[2:]


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([0x81, size])) + content


def _pair(first: bytes, second: bytes, after: bytes = b"") -> bytes:
    return _der(0x30, _der(2, first) + _der(2, second) + after)


def _otherwise(made: bytes) -> dict[str, bytes]:
    """The same two numbers, written as DER doesn't allow."""
    r, s = _numbers(made)
    content = _der(2, r) + _der(2, s)
    return {
        "a byte after the end": made + b"\x00",
        "a zero before r": _pair(b"\x00" + r, s),
        "a zero before s": _pair(r, b"\x00" + s),
        "a third element": _pair(r, s, b"\x05\x00"),
        "a number after s": _pair(r, s, _der(2, b"\x01")),
        "a long length": b"\x30\x82" + len(content).to_bytes(2) + content,
        "an endless length": b"\x30\x80" + content + b"\x00\x00",
        "no sequence": content,
        "a set": b"\x31" + made[1:],
        "cut off": made[:-1],
        "numbers alone": r.lstrip(b"\x00") + s.lstrip(b"\x00"),
        "nothing": b"\x30\x00",
    }


WAYS = tuple(_otherwise(meter().signature(payload())))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_the_same_numbers_written_otherwise_are_refused(name: str, way: str) -> None:
    signer = meter(name)
    changed = _otherwise(signer.signature(payload()))[way]
    assert refusal(signer.record(SD=changed.hex()), signer.public()) is Code.SIGNATURE_UNREADABLE


@pytest.mark.parametrize("name", [name for name in NAMES if name != "secp521r1"])
def test_numbers_without_their_sign_byte_are_refused(name: str) -> None:
    """Of 521 bits the top byte is 0 or 1, so that curve's numbers have no such byte."""
    signer = meter(name)
    signed = next(
        candidate
        for candidate in (payload(PG=f"T{number}") for number in range(50))
        if any(number[0] == 0 for number in _numbers(signer.signature(candidate)))
    )
    r, s = _numbers(signer.signature(signed))
    stripped = _pair(r.removeprefix(b"\x00"), s.removeprefix(b"\x00"))
    record = signer.record(signed, SD=stripped.hex())
    assert refusal(record, signer.public()) is Code.SIGNATURE_UNREADABLE


@pytest.mark.parametrize("r_or_s", [0, 1])
@pytest.mark.parametrize("value", [0, "order", "beyond"])
@pytest.mark.parametrize("name", NAMES)
def test_numbers_out_of_range_are_refused(name: str, value: Any, r_or_s: int) -> None:
    signer = meter(name)
    order = signer.curve.pure.order
    number = {"order": order, "beyond": order + 1}.get(value, 0)
    written = number.to_bytes((number.bit_length() // 8) + 1)
    numbers = list(_numbers(signer.signature(payload())))
    numbers[r_or_s] = written
    assert refusal(signer.record(SD=_pair(*numbers).hex()), signer.public()) is not None


@pytest.mark.parametrize("written", ["lower", "upper"])
def test_the_letters_of_hex_may_be_small_or_large(written: str) -> None:
    signer = meter()
    text = getattr(signer.signature(payload()).hex(), written)()
    assert refusal(signer.record(SD=text), signer.public()) is None


def test_a_signature_in_base64_fits_when_it_says_so() -> None:
    signer = meter()
    text = base64.b64encode(signer.signature(payload())).decode()
    assert refusal(signer.record(SD=text, SE="base64"), signer.public()) is None
    assert refusal(signer.record(SD=text), signer.public()) is Code.SIGNATURE_UNREADABLE


SPOILED_HEX = {
    "a space": lambda text: text[:10] + " " + text[10:],
    "a space before": lambda text: " " + text,
    "a line end": lambda text: text + "\n",
    "0x": lambda text: "0x" + text,
    "half a byte": lambda text: text[:-1],
    "a byte more": lambda text: text + "00",
    "a letter": lambda text: text[:-1] + "g",
    "other digits": lambda text: text.replace("0", "\u0660"),
    "nothing": lambda text: "",
}


@pytest.mark.parametrize("way", SPOILED_HEX)
def test_hex_with_anything_else_in_it_is_refused(way: str) -> None:
    signer = meter()
    text = SPOILED_HEX[way](signer.signature(payload()).hex())
    assert refusal(signer.record(SD=text), signer.public()) is Code.SIGNATURE_UNREADABLE


SPOILED_BASE64 = {
    "a space": lambda text: text[:8] + " " + text[8:],
    "no padding": lambda text: text.rstrip("="),
    "padding more": lambda text: text + "=",
    "a line end": lambda text: text + "\n",
    "other letters": lambda text: text.replace("+", "-").replace("/", "_") + "-",
    "bits left over": lambda text: text[:-3] + chr(ord(text[-3]) + 1) + text[-2:],
}


@pytest.mark.parametrize("way", SPOILED_BASE64)
def test_base64_with_anything_else_in_it_is_refused(way: str) -> None:
    signer = meter()
    made = next(
        candidate
        for candidate in (payload(PG=f"T{number}") for number in range(1, 99))
        if base64.b64encode(signer.signature(candidate)).endswith(b"==")
    )
    text = SPOILED_BASE64[way](base64.b64encode(signer.signature(made)).decode())
    record = signer.record(made, SD=text, SE="base64")
    assert refusal(record, signer.public()) is Code.SIGNATURE_UNREADABLE


@pytest.mark.parametrize("other", NAMES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["der", "raw"])
def test_another_curves_name_is_refused(name: str, other: str, form: str) -> None:
    signer = meter(name)
    told = refusal(signer.record(SA=f"ECDSA-{other}-SHA256"), signer.public(form))
    assert (told is None) == (name == other)


UNKNOWN = {
    "SA": [
        "RSA-SHA256",
        "ECDSA-secp256r1",
        "ECDSA-secp256r1-MD5",
        "ECDSA-secp111r1-SHA256",
        "none",
    ],
    "SE": ["HEX", "base32", "plain", "Base64"],
    "SM": ["application/x-raw", "text/plain"],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in UNKNOWN.items() for value in values]
)
def test_what_ocmf_doesnt_know_is_refused(field: str, value: str) -> None:
    signer = meter()
    record = signer.record(**{field: value})
    assert refusal(record, signer.public()) is Code.ALGORITHM_UNKNOWN


def test_a_hash_that_wasnt_used_is_refused() -> None:
    signer = meter()
    record = signer.record(SA="ECDSA-secp256r1-SHA512")
    assert refusal(record, signer.public()) is Code.SIGNATURE_WRONG


def test_a_record_may_carry_the_given_key_and_no_other() -> None:
    signer = meter()
    record = signer.record()
    own, others = signer.public("der").encode(), meter(number=2).public("der").encode()
    assert refusal(record + b"|" + own, signer.public("raw")) is None
    assert refusal(record + b"|" + others, signer.public("raw")) is Code.KEY_MISMATCH
    assert refusal(record + b"|garbage", signer.public("raw")) is Code.KEY_MISMATCH


@pytest.mark.parametrize("name", NAMES)
def test_a_base_point_times_its_order_is_nothing(name: str) -> None:
    curve = curve_named(name)
    assert curve is not None
    assert curve.pure.generator * curve.pure.order == curve.pure.generator * 0
    assert curve.pure.curve.contains_point(curve.pure.generator.x(), curve.pure.generator.y())


def test_every_curve_is_tested() -> None:
    assert {curve.name for curve in CURVES} == set(NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "04",
        "zz",
        "00" * 65,
        "04" + "11" * 64,
        "06" + "11" * 64,
        meter().public()[:-2],
        meter().public() + "00",
        meter().public("der")[:-2],
        meter().public("der") + "00",
        "31" + meter().public("der")[2:],
        "é" * 20,
        "00" * 3000,
    ],
)
def test_what_is_no_point_on_any_curve_is_no_key(text: str) -> None:
    with pytest.raises(KeyFault):
        read_key(text)


def test_a_key_may_be_written_in_groups_in_base64_or_as_a_pem_file() -> None:
    encoded = bytes.fromhex(meter().public("der"))
    in_base64 = base64.b64encode(encoded).decode()
    for text in (
        encoded.hex(" "),
        encoded.hex(":").upper(),
        "0x" + encoded.hex(),
        in_base64,
        f"-----BEGIN PUBLIC KEY-----\n{in_base64}\n-----END PUBLIC KEY-----\n",
    ):
        assert read_key(text).is_same(read_key(meter().public("raw")))
