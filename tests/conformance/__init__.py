"""Which tests prove which OCPP messages and conformance cases; `docs/ocpp-conformance.md`."""
