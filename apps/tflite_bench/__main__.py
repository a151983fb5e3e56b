"""What ``python3 -m tflite_bench`` runs, and ``python3 WHEEL/tflite_bench`` too."""

import os
import sys

if not __package__:  # the wheel itself runs: its modules are beside this folder
    sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))


def run() -> None:
    """Run the command line and end with its status."""
    try:
        from tflite_bench.cli import main
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        sys.exit("error: NumPy is not installed.\n`sudo apt install python3-numpy` installs it.")
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
