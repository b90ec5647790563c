"""The study: its plan, checks, cost and power, and the state of the machine."""
