"""Runs the test suite once for every backend that is installed."""

import importlib.util
import os
import pathlib
import subprocess
import sys

BACKENDS = ("tensorflow", "jax", "torch")


def main() -> int:
    root = pathlib.Path(__file__).resolve().parent.parent
    failed = []
    for backend in BACKENDS:
        if importlib.util.find_spec(backend) is None:
            print(f"=== {backend} is not installed ===", flush=True)
            continue
        print(f"=== {backend} ===", flush=True)
        environment = {
            **os.environ,
            "KERAS_BACKEND": backend,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "",
        }
        command = [sys.executable, "-m", "pytest", *sys.argv[1:]]
        if subprocess.run(command, cwd=root, env=environment).returncode:
            failed.append(backend)
    if failed:
        print(f"failed on: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
