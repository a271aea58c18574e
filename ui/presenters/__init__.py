"""From the live picture to words and figures on the screen; nothing here knows Qt."""
