"""How a simulated station can be told to misbehave: one row a quirk, by name.

`sitecontroller simulate --misbehave NAME` and `behaviour` in virtual-site.json take these names. A
quirk hangs functions of `mischief` on joints, the places where a station asks `bend` what to make
of a value; the criteria are those of the acceptance list that it provokes. Q27 has none: a station
can't bring about that our own transaction ids repeat.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sitecontroller.domain.station import OcppVersion
from sitecontroller.simulation.mischief import (
    clocks,
    frames,
    handshake,
    limits,
    metering,
    settings,
    transactions,
)

Hook = Callable[..., Any]
"""(station, value, …) → the value as it is bent."""

ALL = frozenset(OcppVersion)
ONLY_16 = frozenset({OcppVersion.V16})
ONLY_2X = frozenset({OcppVersion.V201, OcppVersion.V21})
ONLY_21 = frozenset({OcppVersion.V21})

JOINTS = frozenset(
    {"begins", "opening", "retry", "online", "second", "outbox", "withheld", "payload", "frame"}
    | {"message_id", "delivered", "asked", "answer", "reply", "reply_delay", "stamp", "samples"}
    | {"register", "status", "authorization", "agreed", "starts", "plugged", "ended", "profile"}
    | {"limit", "by_post", "installs"}
)


@dataclass(frozen=True, slots=True)
class Quirk:
    """One way to misbehave. `hooks` by joint."""

    name: str
    sentence: str
    criteria: tuple[str, ...]
    hooks: dict[str, Hook]
    versions: frozenset[OcppVersion] = ALL


def _row(
    name: str,
    criteria: str,
    sentence: str,
    versions: frozenset[OcppVersion] = ALL,
    **hooks: Hook,
) -> Quirk:
    assert hooks.keys() <= JOINTS, f"no such joint: {hooks.keys() - JOINTS}"
    return Quirk(name, sentence, tuple(criteria.split()), hooks, versions)


_HANDSHAKE = (
    _row("url-with-doubled-id", "Q01", "Connects to /ID/ID.", opening=handshake.doubled_id),
    _row("url-with-slash", "Q01", "Connects to /ID/.", opening=handshake.trailing_slash),
    _row(
        "url-with-two-slashes",
        "Q01",
        "Doubles every slash of its URL.",
        opening=handshake.doubled_slash,
    ),
    _row("url-absolute", "Q01", "The whole URL in the request.", opening=handshake.absolute_url),
    _row("url-encoded", "Q01", "Writes its id as %XX.", opening=handshake.percent_encoded),
    _row("url-with-query", "Q01", "Has a query behind its id.", opening=handshake.with_query),
    _row("url-with-blank", "Q06", "Has a raw blank in its URL.", opening=handshake.blank_in_url),
    _row("lower-case-id", "Q02", "Writes its id in lower case.", opening=handshake.lower_case_id),
    _row("id-with-blanks", "Q02", "Has a blank behind its id.", opening=handshake.id_with_blanks),
    _row("unknown-id", "Q11", "Has an id nobody knows.", opening=handshake.unknown_id),
    _row(
        "no-subprotocol", "Q03", "Names no OCPP version.", ONLY_16, opening=handshake.no_subprotocol
    ),
    _row(
        "odd-subprotocol",
        "Q04",
        "Spells the version its own way.",
        opening=handshake.odd_subprotocol,
    ),
    _row(
        "listed-subprotocols",
        "Q04",
        "Lists versions with a semicolon.",
        opening=handshake.listed_subprotocols,
    ),
    _row(
        "doubled-subprotocols",
        "Q04",
        "Names its version in two headers.",
        opening=handshake.doubled_subprotocols,
    ),
    _row(
        "no-connection-header",
        "Q05",
        "Leaves out the Connection header.",
        opening=handshake.no_connection_header,
    ),
    _row(
        "password-hex",
        "Q07",
        "Sends its hex password as the bytes it stands for.",
        opening=handshake.password_in_hex,
    ),
    _row("basic-lower-case", "Q07", "Logs in by 'basic'.", opening=handshake.basic_in_lower_case),
    _row("no-pong", "Q09", "Never answers a ping.", opening=handshake.no_pong),
    _row("second-socket", "Q08", "Keeps two connections at once.", online=handshake.second_socket),
    _row(
        "abandons-connections",
        "Q08",
        "Forgets its connection and opens another.",
        second=handshake.abandons_connections,
        opening=handshake.no_pong,
    ),
    _row(
        "no-reconnect-after-close", "Q10", "Told to go, it stays away.", retry=handshake.stays_away
    ),
)

_BOOT_AND_SETTINGS = (
    _row(
        "never-sends-boot",
        "Q12 Q13",
        "No BootNotification, even when asked for it.",
        withheld=transactions.never_boots,
    ),
    _row(
        "boots-again-and-again",
        "Q13",
        "A BootNotification every 90 s, without a reboot.",
        second=transactions.boots_again,
    ),
    _row(
        "loses-power",
        "Q13 Q32",
        "A minute into its first session the power goes, and all is forgotten.",
        delivered=transactions.power_cut,
    ),
    _row(
        "reboots-on-measurands",
        "Q15",
        "Takes any measurands and reboots when asked which.",
        ONLY_16,
        asked=settings.reboots_on_measurands,
    ),
    _row(
        "odd-configuration",
        "Q16",
        "Settings without value, as numbers, in another case.",
        ONLY_16,
        answer=settings.odd_configuration,
    ),
    _row(
        "no-fractions",
        "Q43",
        "Refuses time stamps with fractions of a second.",
        asked=frames.no_fractions,
    ),
    _row(
        "short-tags-only",
        "Q24",
        "Starts from afar for 16 capitals and digits only.",
        asked=transactions.short_tags,
    ),
)

_FRAMES = (
    _row(
        "garbage-frames",
        "Q17",
        "Sends frames that are no JSON, or none of OCPP.",
        second=frames.garbage,
    ),
    _row("huge-frame", "Q17", "Sends a frame of 300 KiB now and then.", second=frames.huge),
    _row("deep-frame", "Q17", "Sends a frame of 100,000 levels.", second=frames.deep),
    _row(
        "numeric-message-ids",
        "Q18",
        "Writes message ids as numbers.",
        message_id=frames.numeric_ids,
    ),
    _row("reused-message-ids", "Q18", "One id for all it sends.", message_id=frames.one_id),
    _row("long-message-ids", "Q18", "Message ids of 80 characters.", message_id=frames.long_ids),
    _row("unsolicited-results", "Q19", "Answers nobody asked for.", second=frames.unsolicited),
    _row("slow-answers", "Q19 Q14", "Answers after 20 s.", reply_delay=frames.slow_answers),
    _row("no-answers", "Q14 Q19", "Answers nothing.", reply_delay=frames.no_answers),
    _row("callerror-for-everything", "Q14 Q19", "Refuses every call.", asked=frames.refuses_all),
    _row("odd-answers", "Q19", "Answers with too much or too little.", reply=frames.odd_answers),
    _row("unknown-actions", "Q20", "Sends messages no version has.", second=frames.unknown_actions),
    _row(
        "result-errors",
        "Q21",
        "Complains of every answer.",
        ONLY_21,
        delivered=frames.result_errors,
    ),
    _row("extra-fields", "Q22", "Adds fields of its maker's own.", payload=frames.extra_fields),
    _row(
        "overlong-fields", "Q22", "Sends texts that are too long.", payload=frames.overlong_fields
    ),
    _row(
        "wrong-types", "Q22", "Sends numbers as text, text as numbers.", payload=frames.wrong_types
    ),
    _row("unknown-words", "Q22", "Sends words that no list has.", payload=frames.unknown_words),
    _row("nulls", "Q22", "Sends null for what it doesn't say.", payload=frames.nulls),
    _row("duplicate-keys", "Q22", "A key twice in a frame.", frame=frames.duplicate_keys),
    _row("nan-values", "Q22 Q38", "NaN for a voltage.", frame=frames.nan_values),
    _row(
        "control-characters",
        "Q23",
        "NULs around card numbers.",
        payload=frames.control_characters,
    ),
    _row(
        "suffix-idtag",
        "Q23",
        "Card numbers with its serial number behind them.",
        payload=transactions.suffixed_tags,
    ),
)

_TRANSACTIONS = (
    _row("resends-start", "Q25", "Sends each start twice.", delivered=transactions.resends_start),
    _row(
        "starts-without-authorization",
        "Q26",
        "Starts on any card, without asking.",
        authorization=transactions.without_asking,
    ),
    _row(
        "charges-though-refused",
        "Q26 Q37",
        "Starts on any card, and charges when it is refused.",
        authorization=transactions.without_asking,
        agreed=transactions.charges_anyway,
    ),
    _row(
        "zero-transaction-id-stop",
        "Q28",
        "Stops transaction 0.",
        ONLY_16,
        payload=transactions.zero_id_stop,
    ),
    _row(
        "minus-one-stop",
        "Q28",
        "Stops transaction -1.",
        ONLY_16,
        payload=transactions.minus_one_stop,
    ),
    _row(
        "unknown-transaction-stop",
        "Q28",
        "Stops a transaction nobody began.",
        ONLY_16,
        payload=transactions.unknown_id_stop,
    ),
    _row("stops-twice", "Q28", "Sends each stop twice.", delivered=transactions.stops_twice),
    _row(
        "stop-without-card",
        "Q29",
        "Doesn't say who stopped.",
        payload=transactions.stop_without_card,
    ),
    _row(
        "stop-with-other-card",
        "Q29",
        "Says that an unknown card stopped.",
        payload=transactions.stop_with_other_card,
    ),
    _row(
        "stop-before-start",
        "Q30",
        "Its sessions end before they began.",
        payload=transactions.stop_before_start,
    ),
    _row(
        "stop-in-the-future",
        "Q30",
        "Its sessions end five hours from now.",
        payload=transactions.stop_in_the_future,
    ),
    _row(
        "meter-reset", "Q31", "Its register restarts before the end.", payload=metering.meter_reset
    ),
    _row(
        "no-meter-start", "Q31", "Starts without a register.", payload=transactions.no_meter_start
    ),
    _row("no-stop", "Q32", "Never tells an end.", withheld=transactions.no_stop),
    _row(
        "offline-bundle-shuffled",
        "Q33",
        "Goes offline with each car and tells it all later, in any order.",
        begins=transactions.allows_unknown_offline,
        plugged=transactions.loses_the_line,
        outbox=transactions.shuffled,
    ),
    _row(
        "seqno-gaps",
        "Q34",
        "Every third update is lost.",
        ONLY_2X,
        withheld=transactions.seqno_gaps,
    ),
    _row("no-start", "Q34", "Never tells a start.", ONLY_2X, withheld=transactions.no_start),
    _row("no-evse", "Q34", "Events don't say where.", ONLY_2X, payload=transactions.no_evse),
    _row(
        "always-offline",
        "Q34",
        "Every event claims to be old.",
        ONLY_2X,
        payload=transactions.always_offline,
    ),
    _row(
        "unknown-id-in-values",
        "Q35",
        "Meter values of no transaction of ours.",
        ONLY_16,
        payload=transactions.unknown_id_in_values,
    ),
    _row(
        "values-after-stop",
        "Q35",
        "The last register comes after the stop.",
        ONLY_16,
        ended=transactions.values_after_stop,
    ),
    _row(
        "connector-0-only",
        "Q36",
        "Its only EVSE is connector 0.",
        ONLY_16,
        payload=transactions.connector_0_only,
    ),
)

_METERING = (
    _row("bare-values", "Q38", "Values without unit or name.", payload=metering.bare_values),
    _row(
        "padded-values",
        "Q38",
        "Sends values with blanks around them, and blank ones.",
        ONLY_16,
        payload=metering.padded_values,
    ),
    _row(
        "interrupted-values",
        "Q39",
        "Zeros of an interruption that never was.",
        payload=metering.interrupted_values,
    ),
    _row("kwh-as-wh", "Q40", "kWh that call themselves Wh.", payload=metering.kwh_as_wh),
    _row(
        "per-session-register",
        "Q40 Q31",
        "Every session begins at 0.",
        register=metering.per_session_register,
        samples=metering.per_session_samples,
    ),
    _row("values-outside", "Q41", "Meter values all the time.", second=metering.values_outside),
    _row("no-phases", "Q52", "One current for all phases.", samples=metering.no_phases),
    _row(
        "current-offered-constant",
        "Q51",
        "Offers 90 A whatever it offers.",
        samples=metering.offers_constant,
    ),
)

_CLOCKS = (
    _row(
        "local-time-without-zone",
        "Q42",
        "Writes the garage's time, without a zone.",
        stamp=clocks.without_zone,
    ),
    _row("clock-1970", "Q42", "Its clock begins at 1970.", begins=clocks.unset),
    _row("clock-fast", "Q30 Q42", "Its clock is three hours ahead.", begins=clocks.fast),
    _row(
        "nine-digits",
        "Q42",
        "Writes times with nanoseconds and an offset.",
        stamp=clocks.nine_digits,
    ),
    _row("gibberish-times", "Q42", "Writes as a time what is none at all.", stamp=clocks.gibberish),
)

_LIMITS = (
    _row("lies-about-limits", "Q45", "Accepts limits and ignores them.", profile=limits.lies),
    _row("no-smart-charging", "Q44", "Knows no limits at all.", asked=limits.has_none),
    _row(
        "default-profiles-only", "Q44", "Takes TxDefaultProfiles only.", profile=limits.only_default
    ),
    _row("tx-profiles-only", "Q44 Q49", "Takes TxProfiles only.", profile=limits.only_tx),
    _row(
        "station-maximum-only",
        "Q44 Q49",
        "Takes a limit of the whole station only.",
        profile=limits.only_maximum,
    ),
    _row(
        "flat-stack",
        "Q44",
        "Knows stack level 0 only.",
        profile=limits.one_level,
        begins=limits.says_one_level,
    ),
    _row(
        "hidden-flat-stack",
        "Q44",
        "Knows stack level 0 only, and doesn't say so.",
        profile=limits.one_level,
    ),
    _row(
        "watts-only",
        "Q44 Q48",
        "Takes limits in watts only.",
        profile=limits.watts_only,
        begins=limits.says_watts,
    ),
    _row("min-6-violator", "Q46", "A pause is 6 A to it.", limit=limits.never_below_6),
    _row("stays-paused", "Q46", "Paused once, it waits for a replug.", limit=limits.never_wakes),
    _row("integer-amperes", "Q47", "Refuses 16.5 A.", profile=limits.whole_amperes),
    _row("odd-rate-unit", "Q48", "'amps; watts' for its unit.", begins=limits.odd_unit),
    _row(
        "no-lease", "Q45 Q49", "Its limits never end, whatever was agreed.", profile=limits.no_lease
    ),
    _row(
        "endless-limits",
        "Q45 Q49",
        "Its limits never end, and of a schedule it takes the first period.",
        profile=limits.endless,
    ),
    _row("slow-limits", "Q50", "Answers limits after 20 s.", reply_delay=frames.slow_limits),
)

_COMMANDS = (
    _row(
        "ignores-remote-start",
        "Q53",
        "Accepts a start from afar and doesn't start.",
        starts=transactions.ignores_remote_start,
    ),
    _row(
        "finishing-stuck",
        "Q54",
        "After a session it says Finishing until it is reset.",
        ONLY_16,
        status=transactions.finishing_for_ever,
        online=transactions.unstuck,
    ),
    _row(
        "rejects-connector-0-availability",
        "Q55",
        "Availability of single connectors only.",
        asked=transactions.refuses_availability_of_all,
    ),
    _row(
        "status-flood", "Q56", "The same upload status 60 times.", delivered=settings.status_flood
    ),
    _row("upload-by-post", "Q56", "Sends files by POST.", by_post=settings.posts),
    _row(
        "firmware-without-status",
        "Q57",
        "Not a word on the firmware it installs.",
        withheld=settings.silent_firmware,
    ),
    _row("firmware-fails", "Q57", "Every installation fails.", installs=settings.firmware_fails),
)

QUIRKS: dict[str, Quirk] = {
    quirk.name: quirk
    for quirk in (
        *_HANDSHAKE,
        *_BOOT_AND_SETTINGS,
        *_FRAMES,
        *_TRANSACTIONS,
        *_METERING,
        *_CLOCKS,
        *_LIMITS,
        *_COMMANDS,
    )
}
