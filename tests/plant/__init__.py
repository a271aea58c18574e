"""Load management against a plant made by seed, judged by physics: `python -m tests.plant`."""
