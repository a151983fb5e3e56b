"""What ``python3 -m tflite_bench`` runs, and a zip file of this package too."""

import sys

from tflite_bench.cli import main


def run() -> None:
    """Run the command line and end with its status."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
