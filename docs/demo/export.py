"""Builds the static files of the demo.

    python docs/demo/export.py --output output/demo

The frozen network and the two ends of its program become ONNX files of their
own; the network's weights are stored as float16. ONNX Runtime Web is fetched
from npm and stands beside them, so that a page loads from its own host alone.
"""

import argparse
import gzip
import hashlib
import io
import json
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

import keras
import keras_hub
import numpy as np
import onnx
import train

import keras_reprogram
from keras_reprogram.exporting import export_model

RUNTIME = "onnxruntime-web"
RUNTIME_VERSION = "1.30.0"
RUNTIME_SHA256 = (
    "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
)
RUNTIME_SCRIPT = "ort.wasm.bundle.min.mjs"
RUNTIME_BINARY = "ort-wasm-simd-threaded.wasm"
SCRIPTS = ("demo.js", "demo.css", "reader.js", "strokes.js")
SAMPLES_PER_DIGIT = 2
# Smaller arrays, such as shapes, keep their dtype.
SMALLEST_HALVED = 1000


def build(output: pathlib.Path) -> None:
    """Writes the folder with the demo.

    Args:
        output: Path. The folder, which is emptied.
    """
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    for script in SCRIPTS:
        shutil.copy(train.HERE / script, output)
    add_runtime(output)
    model = keras_reprogram.ReprogrammedModel.load_program(
        train.PROGRAM, source=train.load_classifier()
    )
    export_parts(model, output)
    images, labels = samples()
    (output / "samples.bin").write_bytes(images.tobytes())
    fetched = ["runtime.bin", "samples.bin", *map(str, output.glob("*.onnx"))]
    scaling = model.input_reprogrammer.scaling
    details = {
        "labels": labels.tolist(),
        "source_names": source_names(),
        "canvas": list(train.CANVAS),
        # From the network's scaling back to colors from 0 to 1.
        "gain": channels(scaling.gain),
        "bias": channels(scaling.bias),
        "bytes": sum((output / name).stat().st_size for name in fetched),
    }
    (output / "details.json").write_text(json.dumps(details))


def export_parts(model: keras.Model, output: pathlib.Path) -> None:
    """Exports the network, the two ends, and an input end without pattern."""
    placed = train.reprogrammed(model.source, pattern=None)
    digit = keras.Input(model.input_reprogrammer.sample_shape, dtype="uint8")
    canvas = keras.Input(train.CANVAS)
    logits = keras.Input((1000,))
    parts = {
        "placement": (digit, placed.input_reprogrammer(digit)),
        "input_end": (digit, model.input_reprogrammer(digit)),
        "network": (canvas, model.source(canvas)),
        "output_end": (logits, model.label_mapper(logits)),
    }
    for name, (inputs, outputs) in parts.items():
        path = output / f"{name}.onnx"
        part = keras.Model(inputs, outputs)
        export_model(part, part.export, None, str(path), "onnx", verbose=False)
        if name == "network":
            onnx.save(with_half_weights(onnx.load(path)), path)


def with_half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Stores weights as float16; the runtime computes in float32."""
    graph = model.graph
    casts = []
    for initializer in graph.initializer:
        array = onnx.numpy_helper.to_array(initializer)
        if array.dtype != np.float32 or array.size < SMALLEST_HALVED:
            continue
        name, half_name = initializer.name, f"{initializer.name}_half"
        initializer.CopyFrom(
            onnx.numpy_helper.from_array(array.astype("float16"), half_name)
        )
        casts.append(
            onnx.helper.make_node(
                "Cast", [half_name], [name], to=onnx.TensorProto.FLOAT
            )
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model


def add_runtime(output: pathlib.Path) -> None:
    """Adds the runtime's script, and its WebAssembly compressed.

    Compressed under a name that says nothing of it, because some servers
    compress WebAssembly and others do not.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"{RUNTIME}@{RUNTIME_VERSION}"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE)
        (archive,) = pathlib.Path(folder).glob("*.tgz")
        content = archive.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != RUNTIME_SHA256:
        raise ValueError(
            f"{RUNTIME} {RUNTIME_VERSION} must have the SHA-256 "
            f"{RUNTIME_SHA256}. Received: {found}"
        )
    with tarfile.open(fileobj=io.BytesIO(content)) as files:
        script = files.extractfile(f"package/dist/{RUNTIME_SCRIPT}").read()
        binary = files.extractfile(f"package/dist/{RUNTIME_BINARY}").read()
    (output / RUNTIME_SCRIPT).write_bytes(script)
    (output / "runtime.bin").write_bytes(gzip.compress(binary, 9, mtime=0))


def samples() -> tuple[np.ndarray, np.ndarray]:
    """Test digits for visitors who do not draw, each digit as often."""
    _, _, (images, labels) = train.digits()
    chosen = [
        np.flatnonzero(labels == digit)[turn]
        for turn in range(SAMPLES_PER_DIGIT)
        for digit in (3, 7, 0, 5, 8, 2, 6, 1, 9, 4)
    ]
    return images[chosen], labels[chosen]


def source_names() -> list[str]:
    return [
        keras_hub.utils.imagenet_id_to_name(index).replace("_", " ")
        for index in range(1000)
    ]


def channels(factor: np.ndarray) -> list[float]:
    """A factor of each channel."""
    return np.broadcast_to(np.ravel(factor), train.CANVAS[-1:]).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("output/demo")
    )
    build(parser.parse_args().output)


if __name__ == "__main__":
    main()
