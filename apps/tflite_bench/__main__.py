"""What ``python3 -m tflite_bench`` runs, and a zip file of this package too."""

import sys

from tflite_bench.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
