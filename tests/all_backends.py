"""Runs the test suite once for every backend that is installed, two at once."""

import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

BACKENDS = ("tensorflow", "jax", "torch")
# Most of a test on JAX is compilation: of code that runs once, none too fast.
# Many tests compile the same.
JAX_SETTINGS = {
    "XLA_FLAGS": "--xla_backend_optimization_level=0 "
    "--xla_llvm_disable_expensive_passes=true",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


def run(backend: str) -> int:
    """Runs the suite on one backend and prints its output when it is done."""
    if importlib.util.find_spec(backend) is None:
        print(f"=== {backend} is not installed ===", flush=True)
        return 0
    print(f"=== {backend}: started ===", flush=True)
    with tempfile.TemporaryDirectory() as cache:
        settings = {**JAX_SETTINGS, "JAX_COMPILATION_CACHE_DIR": cache}
        result = subprocess.run(
            [sys.executable, "-m", "pytest", *sys.argv[1:]],
            cwd=pathlib.Path(__file__).resolve().parent.parent,
            env={
                **os.environ,
                "KERAS_BACKEND": backend,
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "CUDA_VISIBLE_DEVICES": "",
                **(settings if backend == "jax" else {}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    print(f"=== {backend} ===\n{result.stdout}", flush=True)
    return result.returncode


def main() -> int:
    with ThreadPoolExecutor(max_workers=2) as pool:
        codes = dict(zip(BACKENDS, pool.map(run, BACKENDS)))
    failed = [backend for backend, code in codes.items() if code]
    if failed:
        print(f"failed on: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
