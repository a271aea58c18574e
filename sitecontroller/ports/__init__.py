"""Every seam of the controller: what services need from the outside, as protocols.

Real implementations live in the edges; tests use small real ones. Time is one of them: nothing in
the controller asks the machine's clock.
"""

from sitecontroller.ports.files import FileArrived, FileEvent, FileFetched, FileServer, StoredFile
from sitecontroller.ports.machine import Clock, Workshop
from sitecontroller.ports.meters import RegisterValue, SignalListener, SiteMeter
from sitecontroller.ports.payments import DayEnd, PaymentProvider
from sitecontroller.ports.stations import (
    CallAnswer,
    ChargingLimit,
    Discharge,
    LimitSuperseded,
    ScheduledLimit,
    StationLink,
)
from sitecontroller.ports.store import (
    Journal,
    Kept,
    KeptReport,
    Receipt,
    StationRecord,
    Store,
    UnitOfWork,
)

__all__ = [
    "CallAnswer",
    "ChargingLimit",
    "Clock",
    "DayEnd",
    "Discharge",
    "FileArrived",
    "FileEvent",
    "FileFetched",
    "FileServer",
    "Journal",
    "Kept",
    "KeptReport",
    "LimitSuperseded",
    "PaymentProvider",
    "Receipt",
    "RegisterValue",
    "ScheduledLimit",
    "SignalListener",
    "SiteMeter",
    "StationLink",
    "StationRecord",
    "Store",
    "StoredFile",
    "UnitOfWork",
    "Workshop",
]
