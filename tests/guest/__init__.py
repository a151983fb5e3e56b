"""What runs on a Pi: CPython 3.7, NumPy and the wheels under test only, and no subprocess.

The folder is copied there whole, and a module of it is run: ``python3 -m guest.leaks REPORT``.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
