"""Arrays to intervals, tests, power and fits. Knows no run, no file and no study."""
