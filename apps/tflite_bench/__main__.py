"""What ``python3 -m tflite_bench`` runs, and a zip file of this package too."""

import sys


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
