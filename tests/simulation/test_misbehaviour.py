"""The named misbehaviours as a whole: what provokes which criterion, and who can be told."""

import pytest

from sitecontroller.domain.errors import ConfigurationError
from sitecontroller.domain.station import OcppVersion
from sitecontroller.simulation.demo import make_demo_site
from sitecontroller.simulation.description import read_description
from sitecontroller.simulation.misbehaviour import listed, misbehaving
from sitecontroller.simulation.quirks import QUIRKS
from sitecontroller.simulation.site import VirtualSite
from sitecontroller.simulation.virtual_time import VirtualLoop, virtual_clock

CRITERIA = {f"Q{number:02}" for number in range(1, 58)}
CONTROLLERS_OWN = {"Q27"}
"""That the ids we give to transactions never repeat: no station can provoke it."""


@pytest.fixture
def demo(tmp_path):
    return make_demo_site(tmp_path, ocpp_port=0, api_port=0, meter_port=0).description


def test_every_criterion_that_a_station_can_provoke_has_a_misbehaviour():
    provoked = {criterion for quirk in QUIRKS.values() for criterion in quirk.criteria}
    assert provoked == CRITERIA - CONTROLLERS_OWN


def test_every_misbehaviour_names_its_criteria_where_it_is_listed():
    for quirk, line in zip(QUIRKS.values(), listed(), strict=True):
        assert quirk.criteria
        assert line.startswith(quirk.name)
        assert line.endswith(f"{', '.join(quirk.criteria)})")


def test_every_misbehaviour_does_something_and_says_it_in_one_sentence():
    for quirk in QUIRKS.values():
        assert quirk.hooks
        assert quirk.sentence.endswith(".")
        assert quirk.sentence.count(".") == 1 + quirk.sentence.count("16.5")


def test_one_charger_is_told_and_the_others_behave(demo):
    told = misbehaving(demo, ["CP-03=no-stop,kwh-as-wh", "CP-04=no-pong"])
    behaviour = {box.station_id: box.behaviour for box in told.boxes if box.behaviour}
    assert behaviour == {"CP-03": {"no-stop", "kwh-as-wh"}, "CP-04": {"no-pong"}}


def test_without_a_charger_all_are_told_whose_version_can(demo):
    told = misbehaving(demo, ["seqno-gaps"])
    versions = {box.version for box in told.boxes if box.behaviour}
    assert versions == {OcppVersion.V201, OcppVersion.V21}


def test_the_file_of_a_demo_may_say_it_too(tmp_path):
    made = make_demo_site(tmp_path, ocpp_port=0, api_port=0, meter_port=0)
    text = made.description_path.read_text()
    made.description_path.write_text(text.replace('"behaviour": []', '"behaviour": ["no-stop"]', 1))
    first, *others = read_description(tmp_path).boxes
    assert first.behaviour == {"no-stop"}
    assert not any(box.behaviour for box in others)


def test_a_name_in_the_file_that_is_none_is_refused(run, tmp_path):
    made = make_demo_site(tmp_path, ocpp_port=0, api_port=0, meter_port=0)
    text = made.description_path.read_text()
    made.description_path.write_text(text.replace('"behaviour": []', '"behaviour": ["no-stp"]', 1))

    async def main():
        VirtualSite(read_description(tmp_path), virtual_clock())

    with pytest.raises(ConfigurationError, match="no-stp") as refused:
        run(main(), loop_factory=VirtualLoop)
    assert "no-stop" in refused.value.remedy
