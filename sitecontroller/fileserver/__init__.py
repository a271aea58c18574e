"""The door through which stations fetch firmware and bring logs: HTTP and FTP on the LAN."""
