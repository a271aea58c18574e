"""What is secret, what is never written, what differs, and what is kept of a reading."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.device import (
    Attribute,
    Cause,
    DeviceSnapshot,
    Mutability,
    Outcome,
    Variable,
)
from sitecontroller.domain.device_rules import (
    Held,
    differences,
    is_secret,
    never_written,
    outcome_of,
    redacted,
    same,
    writing_plan,
)
from sitecontroller.domain.errors import InvalidInput
from sitecontroller.ocpp.variables import variable, variable_name
from sitecontroller.services.device_readings import (
    SNAPSHOTS_MAX,
    _surplus,
    checked_label,
    packed,
    page_of,
    unpacked,
)


@pytest.mark.parametrize(
    "name",
    [
        "AuthorizationKey",
        "SecurityCtrlr.BasicAuthPassword",
        "SecurityCtrlr.BasicAuthPassword#Target",
        "NetworkConfiguration@1.VpnKey",
        "NetworkConfiguration@2.SimPin",
        "WiFi_Passphrase",
        "wlan.psk",
        "Vendor.ApiToken",
        "MASTER KEY",
        "AdminPIN",
        "Password2",
    ],
)
def test_names_of_secrets_are_known(name):
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "GetConfigurationMaxKeys",
        "MeterPublicKey1",
        "FiscalMetering.PublicKey",
        "HeartbeatInterval",
        "FreeVendIdTag",
        "EVSEBypass",
        "AuthCtrlr.AuthorizeRemoteStart",
        "TokenReaderEnabled",
    ],
)
def test_other_names_are_not_taken_for_secrets(name):
    assert not is_secret(name)


@pytest.mark.parametrize(
    "found",
    [
        Variable("AuthorizationKey", "s3cret"),
        Variable("Any.Thing", "s3cret", Mutability.WRITE_ONLY),
        Variable("LogUrl", "ftp://me:s3cret@host/x"),
        Variable("Pem", "-----BEGIN PRIVATE KEY-----s3cret"),
        Variable("AdminPassword", None, others={"Target": Attribute("s3cret")}),
    ],
)
def test_no_secret_is_left_in_a_variable(found):
    clean = redacted(found)
    assert clean.secret
    assert "s3cret" not in repr(clean)


def test_what_is_no_secret_stays_as_it_is():
    found = Variable("LogUrl", "ftp://host/x", unit="V")
    assert redacted(found) is found


@pytest.mark.parametrize(
    "name",
    [
        "SecurityCtrlr.SecurityProfile",
        "SecurityProfile",
        "OCPPCommCtrlr.NetworkConfigurationPriority",
        "NetworkConfiguration@1.OcppCsmsUrl",
        "SecurityCtrlr.Identity",
        "ISO15118Ctrlr[1].SeccId",
        "CentralSystemURL",
        "APN",
        "Wifi.SSID",
        "BackendUrl",
        "AdminPassword",
    ],
)
def test_what_would_lose_a_station_is_never_written(name):
    assert never_written(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("SmartChargingCtrlr.Enabled", "load management"),
        ("SmartChargingCtrlr.LimitChangeSignificance", "load management"),
        ("ChargeProfileMaxStackLevel", "load management"),
        ("ChargingScheduleAllowedChargingRateUnit", "load management"),
        ("MaxChargingCurrent", "load management"),
        ("EVSE[1].Power#MaxSet", "load management"),
        ("Connector[1/1].CurrentLimit", "load management"),
        ("Charge_Amps_Limit", "load management"),
        ("OfflineFallbackCurrent", "load management"),
        ("ConnectorPhaseRotation", "load management"),
        ("LocalPreAuthorize", "ocpp.offline"),
        ("LocalAuthorizeOffline", "ocpp.offline"),
        ("AllowOfflineTxForUnknownId", "ocpp.offline"),
        ("StopTransactionOnInvalidId", "ocpp.offline"),
        ("MaxEnergyOnInvalidId", "ocpp.offline"),
        ("AuthCtrlr.LocalPreAuthorize", "ocpp.offline"),
        ("AuthCtrlr.OfflineTxForUnknownIdEnabled", "ocpp.offline"),
        ("AuthCtrlr.Enabled", "ocpp.offline"),
        ("TxCtrlr.StopTxOnInvalidId", "ocpp.offline"),
        ("FreeVendActive", "ocpp.offline"),
        ("AuthorizationRequired", "ocpp.offline"),
    ],
)
def test_what_limits_or_releases_current_is_never_written(name, why):
    assert why in (never_written(name) or "")


@pytest.mark.parametrize(
    "name",
    [
        "AuthorizeRemoteTxRequests",
        "AuthorizationCacheEnabled",
        "LocalAuthListMaxLength",
        "ConnectionTimeOut",
        "MinimumStatusDuration",
        "StopTransactionOnEVSideDisconnect",
        "MeterValuesSampledData",
        "HeartbeatInterval",
        "OCPPCommCtrlr.NetworkProfileConnectionAttempts",
        "PhaseMapName",
        "WebSocketPingInterval",
        "SampledDataCtrlr.TxUpdatedMeasurands",
    ],
)
def test_ordinary_settings_may_be_written(name):
    assert never_written(name) is None


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("True", "true", True),
        ("10", "10.0", True),
        ("A, B", "a,b", True),
        ("", None, True),
        ("0", None, False),
        ("A,B", "B,A", False),
        ("nan", "nan", True),
        ("x", "y", False),
    ],
)
def test_values_that_mean_the_same_do_not_differ(one, other, equal):
    assert same(one, other) is equal


def test_differences_are_told_by_name_and_without_secrets():
    before = [
        Variable("A", "1"),
        Variable("b", "1", Mutability.READ_ONLY),
        Variable("Gone", "1"),
        Variable("Password", None, secret=True),
        Variable("Fan", "1", others={"Target": Attribute("5")}),
    ]
    after = [
        Variable("a", "2"),
        Variable("B", "2", Mutability.READ_ONLY),
        Variable("New", "1"),
        Variable("Fan", "1", others={"Target": Attribute("6")}),
    ]
    found = [(row.name, row.before, row.after) for row in differences(before, after)]
    assert found == [
        ("A", "1", "2"), ("b", "1", "2"), ("Fan#Target", "5", "6"), ("Gone", "1", None),
        ("New", None, "1"),
    ]  # fmt: skip
    assert [row.name for row in differences(before, after, writable=True, q="A")] == [
        "A",
        "Fan#Target",
    ]


def test_a_plan_writes_what_differs_and_says_why_the_rest_is_left():
    wanted = [
        Variable("Same", "1"),
        Variable("Other", "1"),
        Variable("Fixed", "1", Mutability.READ_ONLY),
        Variable("Gone", "1"),
        Variable("SecurityProfile", "2"),
        Variable("Unsaid", None),
        Variable("Password", None, secret=True),
    ]
    now = [
        Variable("same", "1.0"),
        Variable("OTHER", "2"),
        Variable("Fixed", "2", Mutability.READ_ONLY),
        Variable("SecurityProfile", "1"),
        Variable("Unsaid", "2"),
        Variable("Password", None, secret=True),
    ]
    plan = writing_plan(wanted, now)
    assert plan.values == {"OTHER": "1"}
    assert plan.before == {"OTHER": "2"}
    assert {row.name: row.outcome for row in plan.left} == {
        "Gone": Outcome.MISSING,
        "SecurityProfile": Outcome.LEFT,
        "Unsaid": Outcome.LEFT,
        "Password": Outcome.LEFT,
    }
    named = writing_plan(wanted, now, ("fixed", "same"))
    assert (named.values, [row.outcome for row in named.left]) == ({}, [Outcome.READ_ONLY])


@pytest.mark.parametrize(
    ("status", "after", "outcome"),
    [
        ("Accepted", Held("5", writable=True, secret=False), Outcome.HELD),
        ("Accepted", Held("4", writable=True, secret=False), Outcome.NOT_HELD),
        ("Accepted", None, Outcome.UNPROVEN),
        ("Accepted", Held(None, writable=True, secret=True), Outcome.UNPROVEN),
        ("RebootRequired", Held("4", writable=True, secret=False), Outcome.AFTER_RESTART),
        ("Rejected", None, Outcome.REFUSED),
        ("InternalError", None, Outcome.REFUSED),
        ("", None, Outcome.UNANSWERED),
    ],
)
def test_a_value_counts_as_held_only_when_it_is_read_back(status, after, outcome):
    row = outcome_of("A", "4", "5", status, after)
    assert row.outcome is outcome
    assert row.words


def test_a_reading_is_kept_whole_and_small():
    whole = (
        Variable("Zero", "0", min_limit=0.0, max_limit=0.0),
        Variable("Empty", ""),
        Variable("Unknown"),
        Variable("Hidden", secret=True, mutability=Mutability.WRITE_ONLY),
        Variable("Fan", "1", others={"Target": Attribute("", Mutability.READ_ONLY)}),
        Variable("Choice", "ä", data_type="OptionList", unit="°C", choices=("ä", "b")),
        *(Variable(f"Component[{n}].Variable", str(n)) for n in range(500)),
    )
    body = packed(whole)
    assert unpacked(body) == whole
    assert len(json.dumps(body)) < 20 * len(whole)
    assert unpacked(None) == ()


def test_what_nobody_asked_for_goes_first():
    at = datetime(2026, 1, 1, tzinfo=UTC)

    def kept(number, cause):
        return DeviceSnapshot(str(number), "CP-1", at + timedelta(days=number), cause)

    newest_first = [kept(n, Cause.ASKED) for n in range(SNAPSHOTS_MAX, 1, -1)]
    assert _surplus(newest_first) == []
    others = [newest_first[0], kept(1, Cause.FIRST_BOOT), *newest_first[1:], kept(0, Cause.ASKED)]
    assert [each.key for each in _surplus(others)] == ["1", "0"]


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "²", "9" * 20])
def test_a_cursor_that_is_none_of_ours_is_refused(cursor):
    with pytest.raises(InvalidInput):
        page_of([1, 2], 1, cursor)


def test_pages_end():
    assert page_of([1, 2, 3], 2, None) == ((1, 2), "2")
    assert page_of([1, 2, 3], 2, "2") == ((3,), None)
    assert page_of([], 2, "99") == ((), None)


@pytest.mark.parametrize("label", ["x" * 81, "two\nlines", "bell\a"])
def test_a_label_is_one_short_line(label):
    with pytest.raises(InvalidInput):
        checked_label(label)


NAMES = st.text(
    st.characters(blacklist_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1, max_size=20
)


@given(NAMES, NAMES | st.none(), st.integers(0, 99) | st.none(), st.integers(0, 9), NAMES)
def test_whatever_makers_call_things_a_name_leads_back_to_them(
    component, instance, evse_id, connector_id, name
):
    row = {"component": {"name": component}, "variable": {"name": name}}
    if instance is not None:
        row["component"]["instance"] = instance
    if evse_id is not None:
        row["component"]["evse"] = {"id": evse_id}
        if connector_id:
            row["component"]["evse"]["connectorId"] = connector_id
    assert variable(variable_name(row)) == row
