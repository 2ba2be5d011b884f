"""Runs the test suite once for every backend that is installed.

Examples and the rest are jobs of their own, as many at once as there are cores,
and so are some tests with what the library's core needs alone, and JAX: without
TensorFlow, KerasHub and the extras. `--only jax` runs the jobs of one backend,
`--only core` that of the core. Other arguments go to pytest, and then there is
one job a backend.
"""

import argparse
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

BACKENDS = ("tensorflow", "jax", "torch")
EXAMPLES = "tests/examples"
CORE_ALONE = ("-p", "tests.core_alone")
# What a user without extras has: each room, and no model of KerasHub.
CORE = (
    "tests/inputs/test_input_reprogrammer.py",
    "tests/models/test_trained_label_maps.py",
    "tests/outputs/test_logistic_regression.py",
    "tests/saving/test_program_file.py",
    "tests/test_optional_packages.py",
    "tests/test_recipes.py",
)
# The longest first: nothing long is left to run alone at the end. No example
# runs on JAX, where most of a short run is compilation.
JOBS = [
    ("tensorflow", f"--ignore={EXAMPLES}"),
    ("jax", f"--ignore={EXAMPLES}"),
    ("torch", EXAMPLES),
    ("torch", f"--ignore={EXAMPLES}"),
    ("tensorflow", EXAMPLES),
    ("jax", *CORE_ALONE, *CORE),
]
# As many jobs as cores are faster than jobs of many threads each.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    # Plugins of other packages take seconds to import and to rewrite.
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
}
# Most of a test on JAX is compilation: of code that runs once, none too fast.
# Many tests compile the same.
JAX_SETTINGS = {
    "XLA_FLAGS": "--xla_backend_optimization_level=0 "
    "--xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false "
    "--xla_cpu_parallel_codegen_split_count=1",
    "JAX_TRACEBACK_IN_LOCATIONS_LIMIT": "0",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


def run(job: tuple[str, ...]) -> int:
    """Runs a job and prints its output when it is done."""
    backend, *arguments = job
    name = " ".join(job)
    if importlib.util.find_spec(backend) is None:
        print(f"=== {backend} is not installed ===", flush=True)
        return 0
    print(f"=== {name}: started ===", flush=True)
    with tempfile.TemporaryDirectory() as cache:
        settings = {**JAX_SETTINGS, "JAX_COMPILATION_CACHE_DIR": cache}
        result = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=pathlib.Path(__file__).resolve().parent.parent,
            env={
                **os.environ,
                **ONE_THREAD,
                "KERAS_BACKEND": backend,
                **(settings if backend == "jax" else {}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    print(f"=== {name} ===\n{result.stdout}", flush=True)
    return result.returncode


def jobs_of(only: str | None, arguments: list[str]) -> list[tuple[str, ...]]:
    """The jobs that the command line asks for."""
    if only == "core":
        return [("jax", *CORE_ALONE, *(arguments or CORE))]
    jobs = JOBS
    if arguments:
        jobs = [(backend, *arguments) for backend in BACKENDS]
    return [job for job in jobs if only in (None, job[0])]


def main() -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--only", choices=(*BACKENDS, "core"))
    options, arguments = parser.parse_known_args()
    jobs = jobs_of(options.only, arguments)
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        codes = dict(zip(jobs, pool.map(run, jobs)))
    failed = [" ".join(job) for job, code in codes.items() if code]
    if failed:
        print(f"failed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
