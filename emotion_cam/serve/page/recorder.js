/**
 * Records what the canvas shows, and the results of the same stretch.
 *
 * @typedef {import("./types.js").Result} Result
 */

import { tableResult } from "./tables.js";

const KINDS = ["video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm", "video/mp4"];

/** The results of a stretch, as tables hold them. */
export class Stretch {
  /** @param {number | null} start the time that is 0 in the tables, in seconds; null for that of the first result */
  constructor(start = null) {
    /** @type {Result[]} */
    this.results = [];
    this.start = start;
  }

  /**
   * @param {Result} result
   * @param {number} width of the original picture in pixels
   */
  add(result, width) {
    const last = this.results[this.results.length - 1]?.time ?? 0;
    // A file of the server starts over at its end; the stretch goes on.
    if (this.start === null || result.time < this.start + last) this.start = result.time - last;
    this.results.push(tableResult(result, width, this.start));
  }
}

/** A recording of a canvas. */
export class Recorder {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    const kind = KINDS.find((one) => MediaRecorder.isTypeSupported(one)) ?? "";
    this.stretch = new Stretch();
    /** @type {Blob[]} */
    this.parts = [];
    this.recorder = new MediaRecorder(canvas.captureStream(30), kind ? { mimeType: kind } : {});
    this.recorder.ondataavailable = ({ data }) => {
      if (data.size) this.parts.push(data);
    };
    this.recorder.start(1000);
  }

  /** The suffix of the video's file. */
  get suffix() {
    return this.recorder.mimeType.includes("mp4") ? "mp4" : "webm";
  }

  /** @returns {Promise<Blob>} the video */
  stop() {
    return new Promise((resolve) => {
      this.recorder.onstop = () => {
        for (const track of this.recorder.stream.getTracks()) track.stop();
        resolve(new Blob(this.parts, { type: this.recorder.mimeType.split(";")[0] }));
      };
      this.recorder.stop();
    });
  }
}

/** A name for a file, with the time: emotion-cam-20260101-120000. */
export function fileName() {
  const now = new Date();
  /** @param {number} value */
  const two = (value) => String(value).padStart(2, "0");
  const day = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  return `emotion-cam-${day}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
}
