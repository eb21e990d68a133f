"""Starts the Python side of Flow's child protocol. Python 3.8 or newer; the
standard library only; what a plain call does not need is imported when it is
needed, because every worker waits for this to load."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    sys.path.insert(0, HERE)
    from flow_runtime.main import main as run
    sys.path.remove(HERE)
    run()


if __name__ == "__main__":
    main()
