"""Station passwords: as text or as the bytes their hexadecimal stands for, never in clear."""

import pytest

from sitecontroller.services.credentials import new_password, password_hash, password_matches

PEPPER = b"pepper"


@pytest.mark.parametrize("sent", ["text", "bytes"])
def test_q07_a_key_is_the_same_as_text_and_as_raw_bytes(sent):
    password = new_password()
    kept = password_hash(PEPPER, password.encode())
    as_sent = password.encode() if sent == "text" else bytes.fromhex(password)
    assert password_matches(PEPPER, kept, as_sent)


@pytest.mark.parametrize("sent", [b"", b"wrong", b"0" * 64])
def test_a_wrong_password_is_refused(sent):
    assert not password_matches(PEPPER, password_hash(PEPPER, b"right"), sent)


def test_nothing_matches_where_no_password_is_set():
    assert not password_matches(PEPPER, None, b"")


def test_a_new_password_has_160_random_bits():
    passwords = {new_password() for _ in range(100)}
    assert len(passwords) == 100
    assert {len(password) for password in passwords} == {40}
