// From what a pointer drew to a digit as MNIST has them: 28 x 28 pixels, white
// on black, 20 pixels at the longer side, the center of mass in the middle.

export const SIZE = 28;
const BOX = 20;
// The middle of the pixel beside the exact middle, as in MNIST.
const CENTER = SIZE / 2 + 0.5;
const PEN_RADIUS = 1.4;

/**
 * @param {number[][][]} strokes Points [x, y] of every stroke, in any unit.
 * @returns {Uint8Array} Pixels, row by row.
 */
export function digitOf(strokes) {
  const segments = placed(strokes.flatMap(segmentsOf));
  const pixels = new Uint8Array(SIZE * SIZE);
  for (let row = 0; row < SIZE; row++) {
    for (let column = 0; column < SIZE; column++) {
      const distances = segments.map((segment) =>
        distance([column + 0.5, row + 0.5], segment),
      );
      // The edge of the pen is one pixel wide.
      const ink = PEN_RADIUS + 0.5 - Math.min(...distances);
      pixels[row * SIZE + column] = 255 * Math.min(Math.max(ink, 0), 1);
    }
  }
  return pixels;
}

function segmentsOf(stroke) {
  // A dot is a segment whose two ends are one point.
  if (stroke.length === 1) return [[stroke[0], stroke[0]]];
  return stroke.slice(1).map((point, index) => [stroke[index], point]);
}

/** The segments in the middle of the image, at the size of MNIST's digits. */
function placed(segments) {
  const extents = [0, 1].map((axis) => {
    const values = segments.flat().map((point) => point[axis]);
    return Math.max(...values) - Math.min(...values);
  });
  const scale = (BOX - 2 * PEN_RADIUS) / Math.max(...extents, 1e-6);
  const center = centerOfMass(segments);
  return segments.map((segment) =>
    segment.map((point) =>
      point.map(
        (value, axis) => CENTER + scale * (value - center[axis]),
      ),
    ),
  );
}

function centerOfMass(segments) {
  const lengths = segments.map(([[x, y], [u, v]]) => Math.hypot(u - x, v - y));
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const weights = lengths.map((length) =>
    total > 0 ? length / total : 1 / segments.length,
  );
  return [0, 1].map((axis) =>
    segments.reduce(
      (sum, [start, end], index) =>
        sum + (weights[index] * (start[axis] + end[axis])) / 2,
      0,
    ),
  );
}

function distance([x, y], [[left, top], [right, bottom]]) {
  const [across, down] = [right - left, bottom - top];
  const squared = across ** 2 + down ** 2;
  const along = squared
    ? ((x - left) * across + (y - top) * down) / squared
    : 0;
  const share = Math.min(Math.max(along, 0), 1);
  return Math.hypot(x - left - share * across, y - top - share * down);
}
