"""Before and beside the runs: the plan, its checks, cost and power; the state of the machine."""
