"""What ``python3 -m tflite_examples`` runs."""

import sys


def run() -> None:
    """Run the command line and end with its status."""
    try:
        from tflite_examples.cli import main
    except ModuleNotFoundError as error:
        packages = {"numpy": "python3-numpy", "PIL": "python3-pil"}
        if error.name not in packages:
            raise
        package = packages[error.name]
        sys.exit(f"error: {error.name} is not installed. `sudo apt install {package}` installs it.")
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
