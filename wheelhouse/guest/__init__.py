"""What runs on the devices themselves: scripts for CPython 3.7 and NumPy alone."""
