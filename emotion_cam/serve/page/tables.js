/**
 * Results as files: CSV and JSON Lines, in the format of emotion_cam/tables.py.
 *
 * @typedef {import("./types.js").Result} Result
 * @typedef {import("./types.js").Face} Face
 */

const COLUMNS = "source frame time face track x1 y1 x2 y2 task label score top".split(" ");
const LANDMARKS = ["right_eye", "left_eye", "nose", "right_mouth", "left_mouth"];

/**
 * A result as a table holds it: boxes in pixels of the original picture, times from the start of the stretch.
 *
 * @param {Result} result
 * @param {number} width of the original picture in pixels
 * @param {number} start seconds
 * @returns {Result}
 */
export function tableResult(result, width, start) {
  const scale = width / result.size[0];
  const faces = result.faces.map((face) => ({
    face: face.face,
    track: face.track,
    box: /** @type {import("./types.js").Box} */ (face.box.map((side) => Math.round(side * scale))),
    ...(face.landmarks && { landmarks: scaled(face.landmarks, scale), roll: face.roll }),
    predictions: Object.fromEntries(
      Object.entries(face.predictions).map(([task, { label, score, scores }]) => [task, { label, score, scores }]),
    ),
  }));
  const size = /** @type {[number, number]} */ (result.size.map((side) => Math.round(side * scale)));
  const time = Math.round(Math.max(0, result.time - start) * 1e6) / 1e6;
  return { source: result.source, frame: result.frame, time, faces, size };
}

/**
 * @param {Record<string, [number, number]>} landmarks
 * @param {number} scale
 * @returns {Record<string, [number, number]>}
 */
function scaled(landmarks, scale) {
  /** @param {number} side */
  const tenths = (side) => Math.round(10 * side * scale) / 10;
  return Object.fromEntries(Object.entries(landmarks).map(([name, [x, y]]) => [name, [tenths(x), tenths(y)]]));
}

/**
 * @param {Result[]} results
 * @returns {string}
 */
export function jsonLines(results) {
  return results.map(({ size: _, ...line }) => `${JSON.stringify(line)}\n`).join("");
}

/**
 * @param {Result[]} results
 * @param {boolean} landmarks whether there are columns for landmarks
 * @returns {string}
 */
export function csv(results, landmarks) {
  const places = landmarks ? ["roll", ...LANDMARKS.flatMap((name) => [`${name}_x`, `${name}_y`])] : [];
  const lines = [[...COLUMNS, ...places], ...results.flatMap((result) => [...rows(result, landmarks)])];
  const width = lines[0].length;
  return lines.map((row) => `${Array.from({ length: width }, (_, at) => cell(row[at] ?? "")).join(",")}\n`).join("");
}

/**
 * @param {Result} result
 * @param {boolean} landmarks
 * @returns {Generator<(string | number)[]>}
 */
function* rows(result, landmarks) {
  const start = [result.source, result.frame, result.time];
  if (!result.faces.length) yield start;
  for (const face of result.faces) {
    const located = [...start, face.face, face.track ?? "", ...face.box];
    const places = landmarks && face.landmarks ? [face.roll ?? "", ...LANDMARKS.flatMap((name) => face.landmarks?.[name] ?? [])] : [];
    const tasks = Object.entries(face.predictions);
    if (!tasks.length) yield [...located, "", "", "", "", ...places];
    for (const [task, prediction] of tasks) {
      for (const [label, score] of Object.entries(prediction.scores)) {
        yield [...located, task, label, score.toFixed(6), label === prediction.label ? 1 : 0, ...places];
      }
    }
  }
}

/**
 * @param {string | number} value
 * @returns {string}
 */
function cell(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
