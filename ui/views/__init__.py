"""The console's screens and the frame around them."""
