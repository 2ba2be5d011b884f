// The page of the demo: a pad to draw on, and what the network makes of it.

import { load } from "./reader.js";
import { digitOf, SIZE } from "./strokes.js";

const NUM_CLASSES_SHOWN = 3;
const PEN_WIDTH = 22;

const demo = document.querySelector(".digit-demo");
const find = (name) => demo.querySelector(`[data-part="${name}"]`);
const pad = find("pad");
const [start, status, sample, clear] = ["start", "status", "sample", "clear"]
  .map(find);

let reader;
let strokes = [];
let pixels = new Uint8Array(SIZE * SIZE);
let nextSample = 0;
let isReading = false;
let isOutdated = false;

start.addEventListener("click", async () => {
  start.disabled = true;
  const progress = find("progress");
  progress.hidden = false;
  try {
    reader = await load((share) => (progress.value = share));
    await showPattern();
  } catch (error) {
    status.textContent = `The network did not load (${error.message}).`;
    start.disabled = false;
    return;
  } finally {
    progress.hidden = true;
  }
  start.hidden = true;
  sample.disabled = clear.disabled = false;
  demo.dataset.state = "ready";
  sample.focus({ preventScroll: true });
  status.textContent = "Draw a digit, or try a sample.";
});

// === Drawing ===

pad.addEventListener("pointerdown", (event) => {
  if (!reader || !event.isPrimary) return;
  event.preventDefault();
  pad.setPointerCapture(event.pointerId);
  if (demo.dataset.state === "sample") erase();
  strokes.push([pointOf(event)]);
  drawStrokes();
});

pad.addEventListener("pointermove", (event) => {
  if (!pad.hasPointerCapture(event.pointerId)) return;
  const events = event.getCoalescedEvents?.() ?? [];
  strokes.at(-1).push(...(events.length ? events : [event]).map(pointOf));
  drawStrokes();
});

clear.addEventListener("click", () => {
  erase();
  status.textContent = "Draw a digit, or try a sample.";
});

sample.addEventListener("click", () => {
  erase();
  pixels = reader.sample(nextSample);
  nextSample = (nextSample + 1) % reader.details.labels.length;
  paint(pad, pixels, SIZE);
  demo.dataset.state = "sample";
  update();
});

function pointOf(event) {
  const box = pad.getBoundingClientRect();
  return [
    ((event.clientX - box.left) * pad.width) / box.width,
    ((event.clientY - box.top) * pad.height) / box.height,
  ];
}

function erase() {
  strokes = [];
  demo.dataset.state = "ready";
  pad.getContext("2d").clearRect(0, 0, pad.width, pad.height);
}

function drawStrokes() {
  const context = pad.getContext("2d");
  context.clearRect(0, 0, pad.width, pad.height);
  Object.assign(context, { lineWidth: PEN_WIDTH, strokeStyle: "white" });
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  for (const [first, ...others] of strokes) {
    context.moveTo(...first);
    for (const point of [first, ...others]) context.lineTo(...point);
  }
  context.stroke();
  pixels = digitOf(strokes);
  update();
}

// === What the network makes of it ===

/** Reads what is drawn; while it does, only the newest drawing waits. */
async function update() {
  isOutdated = true;
  if (isReading) return;
  isReading = true;
  while (isOutdated) {
    isOutdated = false;
    show(await reader.read(pixels));
    // Lets the browser draw.
    await new Promise(requestAnimationFrame);
  }
  isReading = false;
}

function show({ plain, canvas, logits, scores }) {
  const [size] = reader.details.canvas;
  paint(find("digit"), pixels, SIZE);
  paint(find("plain-canvas"), colors(plain.canvas), size);
  paint(find("canvas"), colors(canvas), size);
  showClasses(find("plain-classes"), plain.logits);
  showClasses(find("classes"), logits);
  const shares = softmax(scores);
  const digits = Array.from(shares, (share, digit) => [`${digit}`, share]);
  showBars(find("scores"), digits);
  const best = shares.indexOf(Math.max(...shares));
  demo.dataset.digit = best;
  const text = `It reads ${best} (${percent(shares[best])}).`;
  // Screen readers repeat what is set anew.
  if (status.textContent !== text) status.textContent = text;
}

/** The pattern: what the input end adds to an empty image, around gray. */
async function showPattern() {
  const [size] = reader.details.canvas;
  const { plain, canvas } = await reader.read(new Uint8Array(SIZE * SIZE));
  const empty = colors(plain.canvas);
  const added = colors(canvas).map((value, index) => value - empty[index]);
  const reach = added.reduce((most, value) => Math.max(most, Math.abs(value)));
  const shown = added.map((value) => 127.5 * (1 + value / reach));
  paint(find("pattern"), shown, size);
}

function showClasses(list, logits) {
  const names = reader.details.source_names;
  const named = Array.from(softmax(logits), (share, id) => [names[id], share]);
  named.sort(([, one], [, other]) => other - one);
  showBars(list, named.slice(0, NUM_CLASSES_SHOWN));
}

function showBars(list, rows) {
  const best = Math.max(...rows.map(([, share]) => share));
  list.replaceChildren(
    ...rows.map(([name, share]) => {
      const item = document.createElement("li");
      item.textContent = `${name} `;
      item.style.setProperty("--share", share);
      item.classList.toggle("best", share === best);
      const value = document.createElement("span");
      value.textContent = percent(share);
      item.append(value);
      return item;
    }),
  );
}

function percent(share) {
  return `${Math.round(100 * share)}%`;
}

function softmax(logits) {
  const most = Math.max(...logits);
  const exponentials = Array.from(logits, (value) => Math.exp(value - most));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}

// === Pictures ===

/** A canvas in the network's own scaling, as colors from 0 to 255. */
function colors(canvas) {
  const { gain, bias } = reader.details;
  return canvas.map((value, index) => {
    const channel = index % gain.length;
    return (255 * (value - bias[channel])) / gain[channel];
  });
}

/** Paints values from 0 to 255, gray or in color, over all of a canvas. */
function paint(canvas, values, size) {
  const image = new ImageData(size, size);
  const channels = values.length / size ** 2;
  for (let pixel = 0; pixel < size ** 2; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      const index = pixel * channels + (channel % channels);
      image.data[4 * pixel + channel] = values[index];
    }
    image.data[4 * pixel + 3] = 255;
  }
  const exact = new OffscreenCanvas(size, size);
  exact.getContext("2d").putImageData(image, 0, 0);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(exact, 0, 0, canvas.width, canvas.height);
}
