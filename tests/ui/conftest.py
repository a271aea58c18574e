"""Console tests draw off screen unless the caller names another Qt platform."""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
