"""Names and URLs of files, as hostile as they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.files import clean_name, is_allowed_url

NASTY = [
    "../../../etc/passwd", "..\\..\\windows\\system32\\cmd.exe", "/etc/shadow", "C:\\boot.ini",
    "con", "NUL.txt", "com1.log", "a\x00b.log", "a\r\nSet-Cookie: x", "\u202egpj.exe", "\u200e",
    "<script>alert(1)</script>.log", "=cmd|' /C calc'!A1", "%2e%2e%2f", "....", "   ", "", None,
    "\ud800", "\x1b[2J", "a" * 5000, "é̂\u200b.log", '"; rm -rf /', "🔌.log", ".htaccess",
]  # fmt: skip


@pytest.mark.parametrize("name", NASTY)
def test_no_name_of_a_station_climbs_hides_or_commands(name: str | None) -> None:
    check(clean_name(name))


@given(st.text())
def test_any_text_becomes_a_harmless_name(name: str) -> None:
    check(clean_name(name))
    assert clean_name(clean_name(name)) == clean_name(name)


def check(name: str) -> None:
    assert 1 <= len(name) <= 100
    assert not set(name) & set('/\\:*?"<>|%\r\n\x00\x1b')
    assert not name.startswith((".", " "))
    assert name.isprintable()
    assert name.encode()
    assert name.split(".")[0].casefold() not in {"con", "nul", "prn", "aux", "com1"}


@pytest.mark.parametrize("name", ["diag-2026.log", "CP 01 (2).tar.gz", "Größe.txt"])
def test_an_honest_name_stays(name: str) -> None:
    assert clean_name(f"/logs/{name}") == name


ALLOWED = ("https://fw.example.org/chargers/", "ftp://10.0.0.9:2121/fw")


@pytest.mark.parametrize(
    "url",
    ["https://fw.example.org/chargers/a.bin", "https://fw.example.org/chargers/x/y.bin?v=1",
     "ftp://10.0.0.9:2121/fw/a.bin", "ftp://10.0.0.9:2121/fw"],
)  # fmt: skip
def test_below_an_allowed_place(url: str) -> None:
    assert is_allowed_url(url, ALLOWED)


@pytest.mark.parametrize(
    "url",
    ["https://fw.example.org/chargersx/a.bin", "https://fw.example.org.evil.com/chargers/a.bin",
     "https://fw.example.org:444/chargers/a.bin", "http://fw.example.org/chargers/a.bin",
     "https://user@fw.example.org/chargers/a.bin", "https://fw.example.org/chargers/../a.bin",
     "https://fw.example.org/chargers/%2E%2E/a.bin", "ftp://10.0.0.9/fw/a.bin", "file:///x", "",
     "https://fw.example.org\\@evil.com/chargers/a", "https://[::1/chargers/a", "//x/chargers/a",
     "https://fw.example.org/chargers/a.bin\n", "https://fw.example.org/chargers/" + "a" * 600,
     "https://fw.example.org:x/chargers/a.bin", "javascript:alert(1)"],
)  # fmt: skip
def test_elsewhere(url: str) -> None:
    assert not is_allowed_url(url, ALLOWED)
    assert not is_allowed_url(url, ())
