"""Rules for what stations are set to: what is secret, what is never written, what differs.

Makers name their settings as they like, so a name is judged by what it ends in, without regard to
case and signs. Too much is held back rather than too little.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from sitecontroller.domain.device import Difference, Mutability, Outcome, Variable, WrittenVariable

_SECRET = re.compile(
    r"(password|passwd|passphrase|passcode|(?<!by)pass|pwd|secret|credentials?"
    r"|(?<!public)key|psk|pin|pincode|puk|(access|bearer|auth|api|security)token)\d*$"
)
_NO_SECRET = re.compile(r"(maxkeys|publickey)\d*$")
_IN_VALUE = re.compile(r"://[^/\s@]+@|PRIVATE KEY-----")

_NETWORK = re.compile(
    r"networkconfiguration|activenetworkprofile|csmsurl|centralsystem|backendurl|serverurl|ocppurl"
    r"|endpointurl|websocketurl|ssid|wifi|wlan|^apn|apn$|simcard|vpn|proxy|ipaddr|ipv4|ipv6|gateway"
    r"|netmask|subnet|dnsserver|ethernet|macaddress|hostname|dhcp"
)
_IDENTITY = re.compile(
    r"(securityctrlridentity|chargeboxid|chargeboxidentity|chargepointid|chargepointidentity"
    r"|chargingstationid|ocppid|stationid|serialnumber|seccid|evseid)$"
)
_CURRENT = r"(current|power|ampere|amperage|amps|(?<!l)amp$|chargerate|chargingrate)"
_BOUND = r"(max|min|limit|rated|fuse|fallback|default|offline|available|allowed|setting|target)"
_LIMIT = re.compile(
    rf"{_BOUND}.*{_CURRENT}|{_CURRENT}.*{_BOUND}"
    r"|smartcharging|charg(e|ing)profile|chargingschedule|loadbalanc|loadmanag|powermanag|powershar"
    r"|phaserotation|phaseswitch|numberofphases"
)
_START = re.compile(
    r"preauthori[sz]e|authori[sz]eoffline|offlinetx|oninvalidid|freevend|freecharg|freemode"
    r"|autostart|autocharge|plugandcharge|contractvalidationoffline|withoutauth|noauth"
    r"|(authctrlr|auth|authentication|authori[sz]ation)(enabled|disabled|required|mode|type)$"
)
LIMITS = "load management counts on how the charger limits its current"
_STARTS = "who may charge without being asked is for site.toml to say (ocpp.offline)"


def is_secret(name: str) -> bool:
    """Whether a value under this name is kept from everybody."""
    bare = _bare(name.partition("#")[0])
    return _SECRET.search(bare) is not None and _NO_SECRET.search(bare) is None


def redacted(variable: Variable) -> Variable:
    """The variable without what is secret: passwords, keys, whatever may only be written."""
    values = (variable.value, *(other.value for other in variable.others.values()))
    has_secret = any(value is not None and _IN_VALUE.search(value) for value in values)
    write_only = variable.mutability is Mutability.WRITE_ONLY
    if not (write_only or has_secret or is_secret(variable.name)):
        return variable
    others = {kind: replace(other, value=None) for kind, other in variable.others.items()}
    return replace(variable, value=None, secret=True, others=others)


def never_written(name: str) -> str | None:
    """Why a snapshot's value isn't written back, in words; None: it may be.

    A station that got another's network settings or name would be lost; a security profile is
    never lowered (A05.FR.07). What limits or releases current is load management's and set-up's.
    """
    bare = _bare(name.partition("#")[0])
    if is_secret(name):
        return "passwords and keys are not kept, so they can't be written"
    if bare.endswith("securityprofile"):
        return "the security profile is not changed from here"
    if _NETWORK.search(bare):
        return "network settings are not changed from here"
    if _IDENTITY.search(bare):
        return "it belongs to one charger alone"
    if _LIMIT.search(_bare(name)):
        return LIMITS
    if _START.search(bare):
        return _STARTS
    return None


@dataclass(frozen=True, slots=True)
class Held:
    """One value of a variable, by its full name."""

    value: str | None
    writable: bool
    secret: bool


def held(variables: Iterable[Variable]) -> dict[str, Held]:
    """Every value by its full name; "#Target" and the like for what isn't the actual one."""
    found: dict[str, Held] = {}
    for variable in variables:
        writable = variable.mutability is not Mutability.READ_ONLY
        found[variable.name] = Held(variable.value, writable, variable.secret)
        for kind, other in variable.others.items():
            may_write = other.mutability is not Mutability.READ_ONLY
            found[f"{variable.name}#{kind}"] = Held(other.value, may_write, variable.secret)
    return found


def same(one: str | None, other: str | None) -> bool:
    """Whether two values mean the same: case, blanks around commas and ways to write a number
    are not told apart."""
    if one is None or other is None:
        return (one or "") == (other or "")
    if _plain(one) == _plain(other):
        return True
    try:
        return float(one) == float(other)
    except ValueError:
        return False


def differences(
    before: Iterable[Variable], after: Iterable[Variable], q: str = "", *, writable: bool = False
) -> tuple[Difference, ...]:
    """What differs, by name; names are compared without regard to case. Secrets are left out."""
    ours, theirs = held(before), _by_fold(held(after))
    rows: list[Difference] = []
    for name, mine in ours.items():
        found = theirs.pop(name.casefold(), None)
        other = None if found is None else found[1]
        secret = mine.secret or (other is not None and other.secret)
        if not secret and (other is None or not same(mine.value, other.value)):
            told = None if other is None else other.value
            may_write = mine.writable if other is None else other.writable
            rows.append(Difference(name, mine.value, told, may_write))
    rows += [
        Difference(name, None, other.value, other.writable)
        for name, other in theirs.values()
        if not other.secret
    ]
    return tuple(
        sorted(
            (row for row in rows if matches(row.name, q) and (row.writable or not writable)),
            key=lambda row: row.name.casefold(),
        )
    )


def matches(name: str, q: str) -> bool:
    """Whether a name has the text that is searched for."""
    return q.strip().casefold() in name.casefold()


@dataclass(frozen=True, slots=True)
class WritingPlan:
    """What is to be written, by the name the station has for it, and what is not."""

    values: dict[str, str]
    before: Mapping[str, str | None]
    left: tuple[WrittenVariable, ...]


def writing_plan(
    wanted: Iterable[Variable],
    now: Iterable[Variable],
    names: tuple[str, ...] = (),
    is_limit: Callable[[str], bool] = lambda name: False,
) -> WritingPlan:
    """What has to be written so that a station is set as `wanted`; no `names`: all of it.

    `is_limit` tells in which setting of the maker's this station is told its limits.
    Of what can't be written only that is told which was named or may be written at all.
    """
    has = _by_fold(held(now))
    asked = {name.casefold() for name in names}
    values: dict[str, str] = {}
    before: dict[str, str | None] = {}
    left: list[WrittenVariable] = []
    for name, value in held(wanted).items():
        if asked and name.casefold() not in asked:
            continue
        found = has.get(name.casefold())
        known, mine = (name, None) if found is None else found
        if mine is not None and (not value.secret and same(value.value, mine.value)):
            continue
        reason = _left(name, value, mine, is_limit(name))
        if reason is None:
            values[known] = value.value or ""
            before[known] = None if mine is None else mine.value
        elif asked or reason[0] is not Outcome.READ_ONLY:
            was = None if mine is None else mine.value
            left.append(WrittenVariable(known, was, value.value or "", *reason))
    return WritingPlan(values, before, tuple(left))


def _left(name: str, wanted: Held, mine: Held | None, is_limit: bool) -> tuple[Outcome, str] | None:
    """Why a value is not written; None: it is."""
    never = LIMITS if is_limit else never_written(name)
    if never is None and (wanted.secret or (mine is not None and mine.secret)):
        never = "it holds a secret, which is not kept"
    if not (wanted.writable if mine is None else mine.writable):
        return Outcome.READ_ONLY, "the charger doesn't let it be changed"
    if never is not None:
        return Outcome.LEFT, never
    if mine is None:
        return Outcome.MISSING, "the charger doesn't have it (any more)"
    if wanted.value is None:
        return Outcome.LEFT, "the charger didn't say what it was"
    return None


_WORDS = {
    "accepted": "taken",
    "rebootrequired": "taken; it takes effect after a restart of the charger",
    "rejected": "refused: the value doesn't fit, or the charger doesn't let it be changed",
    "notsupported": "the charger has no such setting",
    "unknowncomponent": "the charger has no such component",
    "unknownvariable": "the charger's component has no such variable",
    "notsupportedattributetype": "the variable has no such attribute",
    "unknownkey": "the charger has no such setting",
    "": "the charger gave no answer for it",
}
TAKEN = ("accepted", "rebootrequired")


def in_words(status: str) -> str:
    """A station's word for what became of a value that was to be written, for people."""
    return _WORDS.get(status.casefold(), status)


def is_taken(status: str) -> bool:
    """Whether it took the value, now or after a restart."""
    return status.casefold() in TAKEN


def outcome_of(
    name: str, before: str | None, wanted: str, status: str, after: Held | None
) -> WrittenVariable:
    """A value that was written, judged by the station's word and by what was read back; without
    the value where it is secret."""
    word = status.casefold()
    read = None if after is None else after.value
    if is_secret(name):
        before, wanted, after, read = None, "", None, None
    if not is_taken(status):
        outcome = Outcome.REFUSED if word else Outcome.UNANSWERED
    elif word == "rebootrequired":
        outcome = Outcome.AFTER_RESTART
    elif after is None or after.secret:
        return WrittenVariable(
            name, before, wanted, Outcome.UNPROVEN, "taken; it can't be read back", None
        )
    elif same(read, wanted):
        outcome = Outcome.HELD
    else:
        words = f"taken, but the charger still says {read or 'nothing'}"
        return WrittenVariable(name, before, wanted, Outcome.NOT_HELD, words, read)
    return WrittenVariable(name, before, wanted, outcome, in_words(status), read)


def _bare(name: str) -> str:
    """Letters and digits of a name, without instances and places, in lower case."""
    without = re.sub(r"\[[^\]]*\]|@[^.\[]*", "", name.casefold())
    return re.sub(r"[^a-z0-9]", "", without)


def _plain(value: str) -> str:
    return ",".join(part.strip() for part in value.casefold().split(","))


def _by_fold(values: Mapping[str, Held]) -> dict[str, tuple[str, Held]]:
    return {name.casefold(): (name, value) for name, value in values.items()}
