"""Messages between chargers and controller, as rows and as indented JSON."""

import json
from dataclasses import dataclass

from sitecontroller.domain.views import JournalEntry
from ui.i18n.texts import translate
from ui.presenters import units, words

_PREVIEW_CHARS = 200


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One line of the list."""

    key: str
    at: str
    station: str
    direction: str
    kind: str
    action: str
    latency: str
    preview: str
    faulty: bool


def row(entry: JournalEntry, zone: str) -> JournalRow:
    """The line of one message."""
    arrow = {
        "in": translate("Journal", "← from charger"),
        "out": translate("Journal", "→ to charger"),
    }
    milliseconds = entry.at.microsecond // 1000
    return JournalRow(
        str(entry.seq),
        f"{units.clock_time(entry.at, zone, seconds=True)}.{milliseconds:03d}",
        entry.station_id,
        arrow.get(entry.direction, entry.direction),
        words.frame_kind(entry.kind),
        entry.action or "",
        units.milliseconds(entry.latency_ms),
        entry.text[:_PREVIEW_CHARS].replace("\n", " "),
        entry.kind in ("error", "invalid"),
    )


def pretty(text: str) -> str:
    """JSON indented; anything else as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def as_line(entry: JournalEntry) -> str:
    """One line of an export: JSON, the frame as text exactly as it was journalled."""
    return json.dumps(
        {
            "seq": entry.seq,
            "at": entry.at.isoformat(),
            "station_id": entry.station_id,
            "direction": entry.direction,
            "kind": entry.kind,
            "action": entry.action,
            "message_id": entry.message_id,
            "latency_ms": entry.latency_ms,
            "text": entry.text,
        },
        ensure_ascii=False,
    )
