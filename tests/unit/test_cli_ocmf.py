"""`sitecontroller ocmf verify`: valid with what it says, or what is wrong; 0, 1 or 2."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sitecontroller.cli import main
from sitecontroller.signed.records import SignedText, to_xml
from tests.unit.signed.meters import BEGIN, END, NAMES, meter, payload

RECORD = meter().record()


@pytest.fixture
def told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """(exit status, standard output, standard error) of a check of these bytes."""

    def check(file: bytes, key: str = "") -> tuple[int, str, str]:
        path = tmp_path / "record.ocmf"
        path.write_bytes(file)
        status = main(["ocmf", "verify", str(path), "--public-key", key or meter().public()])
        said = capsys.readouterr()
        return status, said.out, said.err

    return check


@pytest.mark.parametrize("name", NAMES)
def test_a_genuine_record_is_valid_and_says_meter_times_energy_and_card(told, name: str) -> None:
    status, out, _ = told(meter(name).record() + b"\n", meter(name).public("der"))
    assert status == 0
    assert out.splitlines() == [
        "valid",
        "meter: 4711 (Test meters M-1)",
        "pages: T7",
        "from: 2026-03-01 12:00:00+01:00 (clock synchronized), 100.5 kWh",
        "to: 2026-03-01 13:00:00+01:00 (clock synchronized), 112.75 kWh",
        "energy: 12.25 kWh",
        "token: 04AB076A345B85 (ISO14443, VERIFIED)",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_record_is_invalid_and_none_of_its_figures_are_told(told, name: str) -> None:
    changed = meter(name).record().replace(b"112.75", b"112.85")
    status, out, _ = told(changed, meter(name).public())
    assert status == 1
    assert out.startswith("invalid\n")
    assert "SIGNATURE_WRONG" in out
    assert "112" not in out


def test_a_genuine_record_of_a_sick_meter_is_invalid_and_says_why(told) -> None:
    status, out, _ = told(meter().record(payload(BEGIN, END | {"ST": "M"})))
    assert status == 1
    assert "it was tampered with. (METER_STATUS)" in out


def test_a_begin_and_an_end_record_in_one_file_are_a_session(told) -> None:
    begin = meter().record(payload(BEGIN, PG="T7"))
    end = meter().record(payload({**BEGIN, **END}, PG="T8"))
    for file in (
        begin + b"\n" + end + b"\n",
        to_xml([(SignedText(r), meter().public("raw")) for r in (begin, end)]),
    ):
        status, out, _ = told(file)
        assert status == 0
        assert "pages: T7, T8" in out
        assert "energy: 12.25 kWh" in out


def test_one_wrong_record_among_several_makes_the_file_invalid(told) -> None:
    wrong = meter(number=2).record(payload({**BEGIN, **END}, PG="T8"))
    status, out, _ = told(meter().record(payload(BEGIN)) + b"\n" + wrong)
    assert status == 1
    assert "Record 2: The signature doesn't fit" in out


def test_a_file_that_names_another_key_is_invalid(told) -> None:
    status, out, _ = told(to_xml([(SignedText(RECORD), meter(number=2).public("der"))]))
    assert status == 1
    assert "KEY_MISMATCH" in out


def test_another_format_is_not_taken_for_valid(told) -> None:
    status, out, _ = told(to_xml([(SignedText(RECORD, format="ALFEN"), "")]))
    assert status == 1
    assert "FORMAT_UNSUPPORTED" in out


@pytest.mark.parametrize("file", [b"", b"no record", RECORD[:-1], RECORD + b"x", b"x" + RECORD])
def test_what_is_no_record_is_invalid(told, file: bytes) -> None:
    status, out, _ = told(file)
    assert status == 1
    assert out.startswith("invalid\n")


def test_a_key_that_is_none_and_a_file_that_isnt_there_are_usage_errors(told, capsys) -> None:
    assert told(RECORD, "04abcd")[0] == 2
    assert main(["ocmf", "verify", "/nowhere/at.all", "--public-key", meter().public()]) == 2
    assert "/nowhere/at.all" in capsys.readouterr().err


def test_letters_that_a_terminal_cant_show_end_nothing(tmp_path: Path) -> None:
    path = tmp_path / "record.ocmf"
    path.write_bytes(meter().record(payload(MV="Zähler")))
    asked = ("ocmf", "verify", str(path), "--public-key", meter().public())
    done = subprocess.run(
        [sys.executable, "-m", "sitecontroller", *asked],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert b"meter: 4711 (Z?hler M-1)" in done.stdout


def test_a_record_is_read_from_the_standard_input(capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(RECORD + b"\n")))
    assert main(["ocmf", "verify", "-", "--public-key", meter().public()]) == 0
    assert capsys.readouterr().out.startswith("valid\n")


def test_control_characters_of_a_record_dont_reach_the_terminal(told) -> None:
    status, out, _ = told(meter().record(payload(MV="\x1b[2J\u202e")))
    assert status == 0
    assert "\x1b" not in out
    assert "\u202e" not in out
