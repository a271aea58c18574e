"""The edge towards stations: OCPP over WebSocket, from the handshake to domain values and back."""
