"""The texts of new site.toml files, written for the person with the screwdriver."""

TILL = """
[till.terminal]            # a card terminal that speaks ZVT: docs/card-terminal.md
url = "tcp://127.0.0.1:{terminal_port}"
preauthorize = ["visa", "mastercard"]
"""

DEMO_HEAD = """\
# A demo site: twelve simulated stations, one simulated meter. Nothing here is wired to anything.
# Every key is explained in docs/configuration.md. Currents are amperes per phase.

[site]
id = "DEMO"
name = "Parkhaus Nord"
time_zone = "Europe/Berlin"
currency = "EUR"
country = "DE"
demo = true

[ocpp]                     # where stations connect: ws://this-pc:{ocpp_port}/ocpp/STATION-ID
host = "127.0.0.1"         # a demo's stations live on this PC
port = {ocpp_port}
sample_interval_s = 10     # how often a charging station reports its currents

[api]                      # where the console and other programs connect
host = "127.0.0.1"
port = {api_port}

[planning]                 # cars that say when they leave charge when it costs least: try
enabled = true             #   sitecontroller plan
{till}
# ---------------------------------------------------------------- meters
# model: a file of sitecontroller/modbus/models
# url:   tcp://HOST:PORT, rtutcp://HOST:PORT or serial:///dev/ttyUSB0

[[meters]]
id = "{meter_id}"
name = "Grid connection"
model = "eastron-sdm630"
url = "tcp://127.0.0.1:{meter_port}"
unit_id = 1
period_s = 1

# ---------------------------------------------------------------- fuses and cables
# A tree: every circuit but the first names the one above it.
# limit_a:      the fuse, per phase
# worst_base_a: the most that everything but the stations ever draws there, per phase;
#               counted when the meter is silent

[[circuits]]
id = "main"
name = "Main fuse"
limit_a = 63
meter = "{meter_id}"
worst_base_a = {worst_base_a}

[[circuits]]
id = "north"
name = "Feeder north"
parent = "main"
limit_a = 40

[[circuits]]
id = "south"
name = "Feeder south"
parent = "main"
limit_a = 40

# ---------------------------------------------------------------- stations
# phases:        which of the site's phases the terminals L1, L2, L3 are wired to
# current_a_max: the most the EVSE draws per phase
# fallback_a:    what it may draw when nobody tells it anything: 0 or at least 6.
#                Per phase the fallbacks and worst_base_a together stay below every fuse.
"""

STATION = """
[[stations]]
id = "{station_id}"
name = "{name}"
circuit = "{circuit}"

[[stations.evses]]
bay = "{bay}"
supply = "{supply}"
phases = "{phases}"
current_a_max = {current_a}
fallback_a = {fallback_a}
"""

EMPTY_SITE = """\
# A site: fill in what the installation plan says. docs/configuration.md explains every key.
# Currents are amperes per phase. Check the file with: sitecontroller selfcheck --config site.toml

[site]
id = "SITE"                # short, for receipts and reports
name = "My car park"
time_zone = "Europe/Berlin"
currency = "EUR"
country = "DE"

[ocpp]                     # stations connect to ws://this-pc:9000/ocpp/STATION-ID
port = 9000

[api]
port = 8080

# The meter at the grid connection. Try it first:
#   sitecontroller meter read --model eastron-sdm630 --url tcp://192.168.1.50:502
[[meters]]
id = "grid"
name = "Grid connection"
model = "eastron-sdm630"
url = "tcp://192.168.1.50:502"
unit_id = 1

# The main fuse. Feeders below it are further [[circuits]] with parent = "main".
[[circuits]]
id = "main"
name = "Main fuse"
limit_a = 63               # the fuse; or one value per phase: [63, 63, 50]
meter = "grid"
worst_base_a = 30          # the most that everything but the stations ever draws, per phase

# One block for each station; take away the # signs. New stations are easiest found with
#   sitecontroller run --config site.toml --commissioning 30m
#
# [[stations]]
# id = "CP-01"             # exactly as set in the station
# name = "Left of the entrance"
# circuit = "main"
#
# [[stations.evses]]
# bay = "P1"
# supply = "AC"            # or "DC"
# phases = "L1L2L3"        # what its terminals L1, L2, L3 are wired to; "L2" for one phase
# current_a_max = 16
# fallback_a = 6           # what it may draw when nobody tells it anything: 0 or at least 6
"""
