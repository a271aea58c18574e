"""What one check of `selfcheck` found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check; `remedy` only where it is not well."""

    name: str
    well: bool
    detail: str
    remedy: str = ""
