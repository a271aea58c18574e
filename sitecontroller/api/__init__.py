"""The local HTTP and WebSocket API of the controller."""
