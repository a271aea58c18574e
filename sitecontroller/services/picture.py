"""The live picture: views of stations, circuits, meters, transactions and the site.

Reads what the other services own and words it; owns nothing itself. Each view is cheap, all of them
together are not: whoever wants everything takes `ids` and asks for one after the other.
"""

from datetime import datetime

from sitecontroller.config import SiteConfig
from sitecontroller.domain.ids import evse_code, masked
from sitecontroller.domain.money import Money
from sitecontroller.domain.station import ChargingState, ConnectorStatus
from sitecontroller.domain.topology import UNKNOWN_PHASES, Evse, EvseKey
from sitecontroller.domain.transaction import Transaction
from sitecontroller.domain.views import (
    AlarmView,
    CircuitView,
    EvseActivity,
    EvseView,
    LimitView,
    LiveIds,
    MeterView,
    SiteView,
    StationView,
    TransactionView,
)
from sitecontroller.services.alarms import alarm_view
from sitecontroller.services.assembly import SiteServices
from sitecontroller.services.stations import EvseState, StationState
from sitecontroller.services.tally import Tally

CHARGES_FROM_W = 100.0
"""Below this a car that may charge counts as pausing, whatever the station calls it."""
METER_STALE_PERIODS = 2.0


class Picture:
    """Makes views; cheap enough for every 100 ms."""

    def __init__(self, config: SiteConfig, services: SiteServices, *, version: str) -> None:
        self._config = config
        self._topology = config.topology
        self._clock = services.clock
        self._stations = services.stations
        self._transactions = services.transactions
        self._metering = services.metering
        self._load = services.load
        self._alarms = services.alarms
        self._prices = services.prices
        self._emergency = services.blocks.emergency
        self._version = version
        self._started_at = self._clock.now()
        self._root_id = self._topology.root().circuit_id
        self._tally = Tally(
            services.publisher,
            self._topology.stations,
            self._transactions.running(),
            self._activities,
        )
        self.ocpp_url = ""

    def ids(self) -> LiveIds:
        """Of everything that has a view now."""
        shown = (*self._transactions.recent(), *self._transactions.running())
        return LiveIds(
            stations=tuple(self._topology.stations),
            circuits=tuple(self._topology.circuits),
            meters=tuple(self._topology.meters),
            transactions=tuple(item.key for item in shown),
            alarms=tuple(alarm.key for alarm in self._alarms.open()),
        )

    def site(self) -> SiteView:
        """The site as a whole."""
        root = self._load.circuit_view(self._root_id)
        loads = [
            100 * current / limit
            for current, limit in zip(root.current_a, root.limit_a, strict=True)
            if current is not None and limit
        ]
        activities = self._tally.activities()
        now = self._clock.now()
        return SiteView(
            site_id=self._config.site_id,
            name=self._config.name,
            at=now,
            started_at=self._started_at,
            version=self._version,
            currency=self._config.currency,
            time_zone=self._config.time_zone,
            demo=self._config.demo,
            ocpp_url=self.ocpp_url,
            charging=activities[EvseActivity.CHARGING],
            free=activities[EvseActivity.AVAILABLE],
            faulted=activities[EvseActivity.FAULTED],
            offline=activities[EvseActivity.OFFLINE],
            power_w=root.power_w,
            load_percent=max(loads) if loads else None,
            energy_wh=float(self._transactions.energy_ended_wh + self._tally.running_wh()),
            cycle_late_ms=self._load.cycle_late_ms,
            fail_safe=self._load.fail_safe,
            commissioning_until=_still(self._stations.commissioning_until, now),
            new_stations=self._stations.new_stations(),
            policy=self._config.load.policy,
            emergency=self._emergency_words(),
        )

    def _emergency_words(self) -> str | None:
        stop = self._emergency.stop
        return None if stop is None else f"emergency stop by {stop.triggered_by}"

    def station(self, station_id: str) -> StationView | None:
        """One station."""
        state = self._stations.state(station_id)
        return None if state is None else self._station(state)

    def circuit(self, circuit_id: str) -> CircuitView | None:
        """One circuit."""
        known = circuit_id in self._topology.circuits
        return self._load.circuit_view(circuit_id) if known else None

    def meter(self, meter_id: str) -> MeterView | None:
        """One site meter."""
        return self._meter(meter_id) if meter_id in self._topology.meters else None

    def alarm(self, key: str) -> AlarmView | None:
        """One open alarm."""
        alarm = self._alarms.get(key)
        return None if alarm is None else alarm_view(alarm)

    def running_transaction(self, key: str) -> TransactionView | None:
        """A running or recently ended transaction."""
        transaction = self._transactions.find(key)
        return None if transaction is None else self.transaction(transaction)

    def transaction(self, transaction: Transaction) -> TransactionView:
        """Any transaction as people see it."""
        key = EvseKey(transaction.station_id, transaction.evse_id)
        evse = self._topology.evse(key)
        measured = self._metering.evse(key) if transaction.active else None
        until = transaction.ended_at or self._clock.now()
        energy_wh = transaction.energy_wh
        return TransactionView(
            key=transaction.key,
            station_id=transaction.station_id,
            evse_id=transaction.evse_id,
            bay=evse.bay if evse else "",
            station_transaction_id=transaction.station_transaction_id,
            state=transaction.state.value,
            id_token=masked(transaction.id_token.id_token) if transaction.id_token else None,
            authorization_status=transaction.authorization_status.value,
            started_at=transaction.started_at,
            ended_at=transaction.ended_at,
            duration_s=max(0.0, (until - transaction.started_at).total_seconds()),
            energy_wh=None if energy_wh is None else float(energy_wh),
            power_w=measured.reading.power_w if measured else None,
            meter_start_wh=transaction.meter_start_wh,
            meter_stop_wh=transaction.meter_stop_wh,
            stop_reason=transaction.stop_reason,
            charging_state=transaction.charging_state,
            tariff=transaction.tariff.name if transaction.tariff else None,
            price=self._price(transaction),
            flags=tuple(sorted(transaction.flags)),
        )

    def _price(self, transaction: Transaction) -> Money | None:
        """Ended, it costs what is billed: nothing is shown while a person has to settle that."""
        price = self._prices.of(transaction)
        return None if price is None else price.total

    def _station(self, state: StationState) -> StationView:
        boot = state.record.boot
        return StationView(
            station_id=state.station.station_id,
            name=state.station.name,
            online=state.link is not None,
            since=state.since,
            version=state.link.version.value if state.link is not None else None,
            vendor=boot.vendor if boot else None,
            model=boot.model if boot else None,
            firmware_version=boot.firmware_version if boot else None,
            serial_number=boot.serial_number if boot else None,
            last_seen_at=state.last_seen_at,
            warnings=state.record.warnings,
            evses=tuple(self._evse(state, evse) for evse in state.station.evses),
        )

    def _evse(self, state: StationState, evse: Evse) -> EvseView:
        key = evse.key
        said = state.evses[evse.evse_id]
        transaction = self._transactions.active(key)
        measured = self._metering.evse(key)
        reading = measured.reading if measured else None
        limit = self._load.limit_view(key)
        power_w = reading.power_w if reading else None
        energy_wh = transaction.energy_wh if transaction else None
        return EvseView(
            evse_id=evse.evse_id,
            bay=evse.bay,
            evse_code=evse_code(self._config.evse_prefix, evse.station_id, evse.evse_id),
            activity=self._activity(state, key),
            connector_status=said.connector_status.value,
            supply=evse.supply.value,
            phases=str(evse.phase_map),
            circuit_id=evse.circuit_id,
            current_a_max=evse.current_a_max,
            power_w_max=evse.power_w_max,
            current_a=reading.current_a if reading else UNKNOWN_PHASES,
            voltage_v=reading.voltage_v if reading else UNKNOWN_PHASES,
            power_w=power_w,
            soc_percent=reading.soc_percent if reading else None,
            measured_at=reading.at if reading else None,
            stale=self._is_stale(measured.received_s if measured else None),
            limit=limit,
            transaction_key=transaction.key if transaction else None,
            energy_wh=None if energy_wh is None else float(energy_wh),
            price=self._price(transaction) if transaction else None,
            error=said.error or state.faulted,
        )

    def _is_stale(self, received_s: float | None) -> bool:
        if received_s is None:
            return True
        return self._clock.monotonic_s() - received_s > 2 * self._config.ocpp.sample_interval_s

    def _meter(self, meter_id: str) -> MeterView:
        meter = self._topology.meters[meter_id]
        measured = self._metering.meter(meter_id)
        reading = measured.reading if measured else None
        failure = self._metering.meter_failure(meter_id)
        stale = (
            measured is None
            or self._clock.monotonic_s() - measured.received_s
            > METER_STALE_PERIODS * meter.period_s
        )
        return MeterView(
            meter_id=meter_id,
            name=meter.name,
            model=meter.model,
            url=meter.url,
            online=failure is None and measured is not None,
            current_a=reading.current_a if reading else UNKNOWN_PHASES,
            voltage_v=reading.voltage_v if reading else UNKNOWN_PHASES,
            power_phase_w=reading.power_phase_w if reading else UNKNOWN_PHASES,
            power_w=reading.power_w if reading else None,
            energy_import_wh=reading.energy_import_wh if reading else None,
            frequency_hz=reading.frequency_hz if reading else None,
            measured_at=reading.at if reading else None,
            stale=stale,
            error=failure,
        )

    def _activities(self, station_id: str) -> tuple[EvseActivity, ...]:
        state = self._stations.state(station_id)
        if state is None:
            return ()
        return tuple(self._activity(state, evse.key) for evse in state.station.evses)

    def _activity(self, state: StationState, key: EvseKey) -> EvseActivity:
        measured = self._metering.evse(key)
        return activity(
            state,
            state.evses[key.evse_id],
            self._transactions.active(key),
            measured.reading.power_w if measured else None,
            self._load.limit_view(key),
        )


_OUT_OF_SERVICE = {
    ConnectorStatus.FAULTED: EvseActivity.FAULTED,
    ConnectorStatus.UNAVAILABLE: EvseActivity.UNAVAILABLE,
}
_WITHOUT_CAR = {
    ConnectorStatus.AVAILABLE: EvseActivity.AVAILABLE,
    ConnectorStatus.RESERVED: EvseActivity.RESERVED,
}


def activity(
    state: StationState,
    said: EvseState,
    transaction: Transaction | None,
    power_w: float | None,
    limit: LimitView | None,
) -> EvseActivity:
    """One word for people, from what the station says and what flows."""
    if state.link is None:
        return EvseActivity.OFFLINE
    status = said.connector_status
    if status in _OUT_OF_SERVICE:
        return _OUT_OF_SERVICE[status]
    if transaction is not None:
        charging_state = transaction.charging_state or said.charging_state
        return _transaction_activity(charging_state, power_w, limit)
    if status is ConnectorStatus.OCCUPIED:
        return EvseActivity.FINISHED if said.finishing else EvseActivity.PLUGGED
    return _WITHOUT_CAR.get(status, EvseActivity.UNKNOWN)


def _transaction_activity(
    charging_state: ChargingState | None, power_w: float | None, limit: LimitView | None
) -> EvseActivity:
    if power_w is not None and power_w >= CHARGES_FROM_W:
        return EvseActivity.CHARGING
    if limit is not None and limit.current_a == 0:
        return EvseActivity.PAUSED_BY_SITE
    if charging_state is ChargingState.SUSPENDED_EVSE:
        return EvseActivity.PAUSED_BY_SITE
    if charging_state is ChargingState.CHARGING or power_w is None:
        return EvseActivity.CHARGING
    return EvseActivity.PAUSED_BY_CAR


def _still(until: datetime | None, now: datetime) -> datetime | None:
    return until if until is not None and until > now else None
