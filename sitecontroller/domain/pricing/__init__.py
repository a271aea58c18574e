"""From a tariff and a session's periods to an exact bill.

`plan` readies a tariff, `local_time` finds where the site's local time matters, `walk` measures
what each price component is owed, `bill` makes money of it. Everything is exact: whole numbers
and, where something is divided, fractions; so however periods are split, the bill is the same.
"""
