"""Which tariff a session is under, inside its unit of work; plain functions on `tx`."""

from datetime import datetime

from sitecontroller.domain.tariff import Tariff
from sitecontroller.domain.tariff_choice import TariffChoices, chosen
from sitecontroller.ports import UnitOfWork
from sitecontroller.wire import from_json, to_json

_SETTING = "tariff-choices"


def choices_of(tx: UnitOfWork) -> TariffChoices:
    """As they were put last."""
    stored = tx.setting(_SETTING)
    return TariffChoices() if stored is None else from_json(TariffChoices, stored)


def put_choices(tx: UnitOfWork, choices: TariffChoices, now: datetime) -> None:
    """From now on these choose, for sessions that begin."""
    version = int(tx.setting(f"{_SETTING}-version") or 0) + 1
    tx.put_setting(_SETTING, to_json(choices))
    tx.put_setting(f"{_SETTING}-version", version)
    tx.add_outbox("tariff-choices", "site", version, "TariffChoicesPut", choices, now)


def tariff_of_session(
    tx: UnitOfWork, station_id: str, token_group: str | None, at: datetime
) -> Tariff | None:
    """The version that a session which begins then is under; None: it can't be sold."""
    return chosen(choices_of(tx).choices, station_id, token_group, at, tx.tariff_at)
