"""What runs on a Raspberry Pi itself: scripts for CPython 3.7 and NumPy alone."""
