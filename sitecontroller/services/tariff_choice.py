"""Which tariff a session is under, inside its unit of work; plain functions on `tx`."""

from datetime import datetime

from sitecontroller.domain.authorization import IdToken
from sitecontroller.domain.errors import NoTariff
from sitecontroller.domain.tariff import Tariff
from sitecontroller.domain.tariff_choice import TariffChoices, chosen
from sitecontroller.ports import Store, UnitOfWork
from sitecontroller.services.authorization import authorize_at
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


async def check_sellable(store: Store, station_id: str, id_token: str, at: datetime) -> None:
    """Nobody sells what has no price: raises NoTariff where a session would have none."""
    if await store.read(_tariff_of_card, station_id, id_token, at) is None:
        raise NoTariff(
            f"No tariff is valid at {station_id}: a session would have no price",
            remedy="Set a price first: in the console, or sitecontroller tariff set --kwh 0.49",
        )


def _tariff_of_card(tx: UnitOfWork, station_id: str, id_token: str, at: datetime) -> Tariff | None:
    group = authorize_at(tx, None, IdToken(id_token), at).parent_id_token
    return tariff_of_session(tx, station_id, group, at)
