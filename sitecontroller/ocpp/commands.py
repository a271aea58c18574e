"""What we have to say to one station, in order of urgency (stub of names)."""

from enum import IntEnum


class Priority(IntEnum):
    """Which waiting command goes first; lower is sooner."""

    SAFETY = 0
    STOP = 1
    ATTENDANT = 2
    HOUSEKEEPING = 3
