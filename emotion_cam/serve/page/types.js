/**
 * What the server sends, and what the parts of the page share. Types only; see emotion_cam/result.py.
 *
 * @typedef {[number, number, number, number]} Box left, top, right and bottom in pixels
 *
 * @typedef {object} ClassMap
 * @property {Box} box the area it covers
 * @property {number} rows
 * @property {number} columns
 * @property {number[]} values row by row, 0 to 255
 *
 * @typedef {object} Prediction
 * @property {string} label
 * @property {number} score
 * @property {Record<string, number>} scores
 * @property {ClassMap} [map]
 *
 * @typedef {object} Face
 * @property {number} face
 * @property {number | null} track
 * @property {Box} box
 * @property {Record<string, [number, number]>} [landmarks] eyes, nose and mouth in pixels, if the detector finds them
 * @property {number} [roll] degrees
 * @property {Record<string, Prediction>} predictions
 *
 * @typedef {object} Result
 * @property {string} source
 * @property {number} frame
 * @property {number} time seconds
 * @property {Face[]} faces
 * @property {[number, number]} size width and height of the picture that the boxes refer to
 *
 * @typedef {object} View what is drawn
 * @property {boolean} bars
 * @property {boolean} landmarks
 * @property {boolean} explain
 * @property {boolean} blur
 * @property {boolean | null} mirror null: only the browser's own webcam is mirrored
 * @property {string[]} hide tasks that are not drawn
 *
 * @typedef {object} Info
 * @property {string} version
 * @property {{name: string, key: string | null}[]} tasks
 * @property {string[]} palette a color for each label, by its index
 * @property {View} view
 * @property {{name: string, size: [number, number] | null, problem: string} | null} source
 * @property {boolean} landmarks whether the detector finds landmarks
 * @property {boolean} report whether reports can be made
 */

export {};
