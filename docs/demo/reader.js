// The frozen network and the two ends of its program, in ONNX Runtime Web.

const PACKED_RUNTIME = "runtime.bin";

let loading;

/**
 * Fetches and starts everything, once.
 *
 * @param {(share: number) => void} onProgress Gets the share that has arrived.
 */
export function load(onProgress = () => {}) {
  loading ??= loaded(onProgress).catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function loaded(onProgress) {
  const details = await (await fetched("details.json")).json();
  let received = 0;
  const count = (bytes) => {
    received += bytes;
    onProgress(received / details.bytes);
  };
  const files = ["placement", "input_end", "network", "output_end"];
  const [ort, runtime, samples, ...models] = await Promise.all([
    import("./ort.wasm.bundle.min.mjs"),
    bytesOf(PACKED_RUNTIME, count, true),
    bytesOf("samples.bin", count),
    ...files.map((name) => bytesOf(`${name}.onnx`, count)),
  ]);
  // More threads need headers that static hosts do not send.
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = runtime.buffer;
  const sessions = [];
  for (const model of models) {
    sessions.push(await ort.InferenceSession.create(model));
  }
  return new Reader(ort, details, samples, ...sessions);
}

async function fetched(name) {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  return response;
}

async function bytesOf(name, count, isPacked = false) {
  const counted = new TransformStream({
    transform(chunk, controller) {
      count(chunk.length);
      controller.enqueue(chunk);
    },
  });
  let stream = (await fetched(name)).body.pipeThrough(counted);
  if (isPacked) stream = stream.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

class Reader {
  constructor(ort, details, samples, placement, inputEnd, network, outputEnd) {
    Object.assign(this, { ort, details, samples });
    Object.assign(this, { placement, inputEnd, network, outputEnd });
  }

  /** A held-out digit of MNIST, 28 x 28 pixels. */
  sample(index) {
    const size = this.samples.length / this.details.labels.length;
    return this.samples.slice(index * size, (index + 1) * size);
  }

  /**
   * What the network makes of a digit, without the program and with it.
   *
   * @param {Uint8Array} pixels 28 x 28 pixels, from 0 to 255.
   */
  async read(pixels) {
    const digit = new this.ort.Tensor("uint8", pixels, [1, 28, 28, 1]);
    const plainCanvas = await run(this.placement, digit);
    const plainLogits = await run(this.network, plainCanvas);
    const canvas = await run(this.inputEnd, digit);
    const logits = await run(this.network, canvas);
    const scores = await run(this.outputEnd, logits);
    return {
      plain: { canvas: plainCanvas.data, logits: plainLogits.data },
      canvas: canvas.data,
      logits: logits.data,
      scores: scores.data,
    };
  }
}

/** The one output of a model with one input. */
async function run(session, input) {
  const outputs = await session.run({ [session.inputNames[0]]: input });
  return outputs[session.outputNames[0]];
}
