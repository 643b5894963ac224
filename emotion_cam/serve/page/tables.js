/**
 * Results as files: CSV and JSON Lines, in the format of emotion_cam/tables.py.
 *
 * @typedef {import("./types.js").Result} Result
 * @typedef {import("./types.js").Face} Face
 */

const COLUMNS = "source frame time face track x1 y1 x2 y2 task label score top".split(" ");

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
    predictions: Object.fromEntries(
      Object.entries(face.predictions).map(([task, { label, score, scores }]) => [task, { label, score, scores }]),
    ),
  }));
  const size = /** @type {[number, number]} */ (result.size.map((side) => Math.round(side * scale)));
  const time = Math.round(Math.max(0, result.time - start) * 1e6) / 1e6;
  return { source: result.source, frame: result.frame, time, faces, size };
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
 * @returns {string}
 */
export function csv(results) {
  const lines = [COLUMNS, ...results.flatMap((result) => [...rows(result)])];
  return lines.map((row) => `${COLUMNS.map((_, at) => cell(row[at] ?? "")).join(",")}\n`).join("");
}

/**
 * @param {Result} result
 * @returns {Generator<(string | number)[]>}
 */
function* rows(result) {
  const start = [result.source, result.frame, result.time];
  if (!result.faces.length) yield start;
  for (const face of result.faces) {
    const located = [...start, face.face, face.track ?? "", ...face.box];
    const tasks = Object.entries(face.predictions);
    if (!tasks.length) yield located;
    for (const [task, prediction] of tasks) {
      for (const [label, score] of Object.entries(prediction.scores)) {
        yield [...located, task, label, score.toFixed(6), label === prediction.label ? 1 : 0];
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
