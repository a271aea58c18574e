"""What the API shows of the live site and of the records."""

import pytest

from sitecontroller.domain.queries import JournalQuery, TransactionsQuery
from sitecontroller.wire import to_json
from tests.wire.api.site import PDF, TX, FakeSite, api, assert_problem, transaction_view


def get(run, path, site=None, **parameters):
    async def request():
        async with api(site or FakeSite()) as client:
            return await client.get(path, params=parameters)

    return run(request())


def test_health_names_the_version_and_the_time(run):
    assert get(run, "/v1/health").json() == {
        "status": "ok",
        "version": "0.1.0",
        "at": "2026-03-01T12:00:00.123Z",
    }


def test_the_site_is_its_view(run):
    site = FakeSite()
    assert get(run, "/v1/site", site).json() == to_json(site.site)


def test_a_station_is_its_view(run):
    site = FakeSite()
    assert get(run, "/v1/stations/CP-01", site).json() == to_json(site.stations["CP-01"])


def test_an_unknown_station_is_not_found(run):
    assert_problem(get(run, "/v1/stations/CP-99"), 404, "not-found")


@pytest.mark.parametrize("name", ["A*B_C=D:E+F|G@H.I-J", "..", ".", "+", "a" * 48])
def test_any_legal_station_id_is_found_percent_encoded(run, name):
    site = FakeSite()
    site.stations[name] = site.stations["CP-01"]
    path = "/v1/stations/" + "".join(f"%{byte:02X}" for byte in name.encode())
    assert get(run, path, site).status_code == 200


@pytest.mark.parametrize("name", ["%25", "a%0Ab", "%00", "%C3%A9", "%FF", "a" * 49, "a%20b"])
def test_what_can_be_no_station_id_is_refused(run, name):
    assert_problem(get(run, f"/v1/stations/{name}"), 422, "invalid-input")


@pytest.mark.parametrize("name", ["stations", "circuits", "meters"])
def test_a_live_list_is_every_view_in_order(run, name):
    site = FakeSite()
    views = getattr(site, name).values()
    assert get(run, f"/v1/{name}", site).json() == {"items": to_json(list(views)), "next": None}


def test_a_live_list_goes_on_where_its_cursor_says(run):
    site = FakeSite(stations=5)
    first = get(run, "/v1/stations", site, limit=2).json()
    rest = get(run, "/v1/stations", site, limit=3, cursor=first["next"]).json()
    ids = [station["station_id"] for station in first["items"] + rest["items"]]
    assert ids == list(site.stations)
    assert rest["next"] is None


def test_a_cursor_of_nowhere_is_refused(run):
    assert_problem(get(run, "/v1/stations", cursor="CP-77"), 422, "invalid-input")


@pytest.mark.parametrize("limit", ["0", "501", "many"])
def test_a_page_has_1_to_500_items(run, limit):
    problem = assert_problem(get(run, "/v1/stations", limit=limit), 422, "invalid-input")
    assert [fault["field"] for fault in problem["errors"]] == ["limit"]


def test_transactions_come_in_pages(run):
    site = FakeSite()
    page = get(run, "/v1/transactions", site, limit=7, cursor="x", active="true").json()
    assert site.queries == [TransactionsQuery(7, "x", True)]
    assert page == {"items": [to_json(transaction_view(TX))], "next": "older"}


@pytest.mark.parametrize(("key", "state"), [(TX, "active"), ("OLD", "ended")])
def test_a_transaction_is_found_live_or_in_the_database(run, key, state):
    assert get(run, f"/v1/transactions/{key}").json()["state"] == state


def test_an_unknown_transaction_is_not_found(run):
    assert_problem(get(run, "/v1/transactions/NONE"), 404, "not-found")


def test_a_receipt_is_a_pdf_in_the_language_asked_for(run):
    response = get(run, f"/v1/transactions/{TX}/receipt", language="de")
    assert response.headers["content-type"] == "application/pdf"
    assert response.content == PDF + b"de"


def test_the_journal_is_searched_by_station_action_and_text(run):
    site = FakeSite()
    page = get(run, "/v1/journal", site, station_id="CP-01", action="Heartbeat", text="m1").json()
    assert site.queries == [JournalQuery(50, None, "CP-01", "Heartbeat", "m1")]
    assert page["items"][0]["text"] == '[2,"m1"]'


def test_alarms_come_with_text_and_remedy(run):
    site = FakeSite()
    assert get(run, "/v1/alarms", site).json()["items"] == to_json(list(site.alarms.values()))


def test_the_phase_history_is_oldest_first(run):
    items = get(run, "/v1/phase-history").json()["items"]
    assert [item["at"][-7:-1] for item in items] == ["00.123", "01.123", "02.123"]
    assert items[0]["current_a"] == [10.0, None, 12.5]
