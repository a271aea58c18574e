"""Digital inputs: dry contacts that stop the site or dim it, and what can be known of one.

A contact is closed or open. What it means depends on how it rests: one that rests closed acts when
it opens, so that a cut wire acts too. Whether it acts is believed when two samples in a row say so;
not knowing is a state of its own.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from sitecontroller.domain.queries import Query
from sitecontroller.domain.topology import PerPhase

INPUT_PREFIX = "input-"
"""Of the site limits that dimming contacts set: no other source of limits is called so."""


class InputKind(StrEnum):
    """What acts."""

    EMERGENCY = "emergency"
    """Stops the site until a person releases it."""
    DIMMING = "dimming"
    """The grid operator's contact: a site limit for as long as it acts."""


class WhenLost(StrEnum):
    """What follows when a contact can't be read for `lost_s`, beside the alarm."""

    ALARM = "alarm"
    """Nothing: what it showed last goes on."""
    TRIGGER = "trigger"
    """The same as if it acted."""


@dataclass(frozen=True, slots=True)
class DigitalInput:
    """One contact of site.toml. `address` and `bit` are a Modbus module's; a `serial-line` has
    none. A dimming one has a place (both None: the main circuit) and a limit."""

    input_id: str
    name: str
    kind: InputKind
    url: str
    unit_id: int = 1
    register: str = "discrete"
    address: int = 0
    bit: int = 0
    rests_closed: bool = True
    poll_s: float = 0.5
    lost_s: float = 10.0
    when_lost: WhenLost = WhenLost.ALARM
    circuit_id: str | None = None
    group_id: str | None = None
    limit_a: PerPhase | None = None
    limit_w: float | None = None

    @property
    def limit_id(self) -> str:
        """The site limit that a dimming one sets."""
        return INPUT_PREFIX + self.input_id

    @property
    def is_line(self) -> bool:
        """Whether it is a handshake line of a serial port."""
        return self.url.startswith("serial-line:")


@dataclass(frozen=True, slots=True)
class Contact:
    """What is known of a contact. `closed` None: it was never read, or not for too long.

    Times are monotonic seconds.
    """

    heard_s: float
    closed: bool | None = None
    candidate: bool | None = None
    """The last sample, if it differs from what is believed."""

    def sampled(self, closed: bool, now_s: float) -> "Contact":
        """After a sample: the second of its kind in a row is believed."""
        if closed == self.closed:
            return Contact(now_s, self.closed)
        if closed == self.candidate:
            return Contact(now_s, closed)
        return Contact(now_s, self.closed, closed)

    @property
    def is_settled(self) -> bool:
        """False: a second sample should come soon."""
        return self.closed is not None and self.candidate is None

    def missed(self, now_s: float, lost_s: float) -> "Contact":
        """After a failed read: a sample before it proves nothing about one after it, and in the end
        nothing is known."""
        if now_s - self.heard_s >= lost_s:
            return Contact(self.heard_s)
        return replace(self, candidate=None)


@dataclass(frozen=True, slots=True)
class InputView:
    """One input as people see it; `closed` and `acts` None: not known. `error`: why it can't be
    read."""

    input_id: str
    name: str
    kind: InputKind
    url: str
    closed: bool | None
    acts: bool | None
    error: str | None


@dataclass(frozen=True, slots=True)
class InputsQuery(Query):
    """All digital inputs of site.toml, on one page."""
