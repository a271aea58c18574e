"""`simulate --misbehave` and `ocpp export | replay` as an installer uses them: real processes."""

import json
from pathlib import Path

import pytest

from sitecontroller.cli import main
from sitecontroller.clock import SystemClock
from sitecontroller.config import load_config
from sitecontroller.seed import Seed, plant
from sitecontroller.simulation.demo import make_demo_site
from sitecontroller.simulation.quirks import QUIRKS
from tests.processes.demo import Demo, running_demo, serving
from tests.support import run_bounded, unused_port, wait_until


def new_demo(directory: Path) -> Path:
    """The site.toml of a demo site that nobody plays."""
    made = make_demo_site(directory, ocpp_port=0, api_port=0, meter_port=unused_port())
    config = load_config(made.config_path)
    run_bounded(plant(config, SystemClock(), Seed(made.passwords, made.tokens, made.tariff)))
    return made.config_path


def ocpp_url(config: Path) -> str:
    """Where a controller listens for chargers."""
    return str(json.loads((config.parent / "state/controller.json").read_text())["ocpp_url"])


def calls_of(demo: Demo, station_id: str) -> list[list[object]]:
    """The calls that came from a charger so far."""
    items = demo.get(f"/v1/journal?station_id={station_id}&limit=200")["items"]
    return [json.loads(i["text"]) for i in items if (i["direction"], i["kind"]) == ("in", "call")]


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(120)
def test_a_charger_misbehaves_is_recorded_and_played_to_another_controller(tmp_path, capsys):
    file = tmp_path / "cp-01.jsonl"
    with running_demo(tmp_path / "then", "--misbehave", "CP-01=numeric-message-ids") as demo:
        wait_until(lambda: len(calls_of(demo, "CP-01")) > 2, within_s=30)
        wait_until(lambda: len(calls_of(demo, "CP-02")) > 2, within_s=30)
        assert {type(call[1]) for call in calls_of(demo, "CP-01")} == {int}
        assert {type(call[1]) for call in calls_of(demo, "CP-02")} == {str}
        then = ["--config", str(tmp_path / "then")]
        assert main(["ocpp", "export", "CP-01", str(file), "--since", "1h", *then]) == 0
        assert main(["ocpp", "export", "CP-01", str(file), *then]) == 1
        assert "nothing is overwritten" in capsys.readouterr().err
        assert main(["ocpp", "export", "CP-99", str(file), *then]) == 1
        assert "CP-99" in capsys.readouterr().err
        assert main(["ocpp", "replay", str(file), *then]) == 1
        assert "CP-01 is connected" in capsys.readouterr().err

    config = new_demo(tmp_path / "now")
    now = ["--config", str(config), "--speed", "asap"]
    with serving(config):
        assert (
            main(
                [
                    "ocpp",
                    "replay",
                    str(file),
                    *now,
                    "--password",
                    "wrong",
                    "--station",
                    "CP-02",
                    "--url",
                    ocpp_url(config),
                ]
            )
            == 1
        )
        assert "--password" in capsys.readouterr().err
        status = main(["ocpp", "replay", str(file), *now])
        told = capsys.readouterr().out
        assert (status, "0 differences" in told) == (0, True), told
        tampered = file.read_text().replace('\\"status\\":\\"Accepted\\"', '\\"status\\":\\"Odd\\"')
        (tmp_path / "other.jsonl").write_text(tampered)
        assert main(["ocpp", "replay", str(tmp_path / "other.jsonl"), *now]) == 3
        assert 'status was "Odd", is "Accepted"' in capsys.readouterr().out


def test_every_misbehaviour_is_listed_with_what_it_does(capsys):
    assert main(["simulate", "--list-misbehaviours"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(QUIRKS)
    assert all(quirk.sentence in line for quirk, line in zip(QUIRKS.values(), lines, strict=True))


@pytest.mark.parametrize(
    ("order", "sentences"),
    [
        ("no-stp", ("'no-stp'", "Did you mean no-stop", "--list-misbehaviours")),
        ("CP-1=no-stop", ("'CP-1'", "CP-01")),
        ("CP-06=minus-one-stop", ("OCPP 1.6 only", "CP-01")),
        ("CP-01=", ("''",)),
    ],
)
@pytest.mark.parametrize("command", [["simulate"], ["run", "--headless"]], ids=["simulate", "run"])
def test_an_order_that_can_not_be_given_says_what_can(tmp_path, capsys, command, order, sentences):
    config = new_demo(tmp_path)
    assert main([*command, "--config", str(config), "--misbehave", order]) == 78
    told = capsys.readouterr().err
    for sentence in (*sentences, "What to do"):
        assert sentence in told


@pytest.mark.parametrize(
    "words", [["--speed", "0"], ["--speed", "fast"], ["--since", "yesterday"]], ids=" ".join
)
def test_a_speed_or_time_that_is_none_is_refused(tmp_path, capsys, words):
    action = ["export", "CP-01"] if "--since" in words else ["replay"]
    with pytest.raises(SystemExit) as refused:
        main(["ocpp", *action, str(tmp_path / "x"), *words])
    assert refused.value.code == 2
    assert words[1] in capsys.readouterr().err
