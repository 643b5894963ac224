/**
 * What the faces showed: the last minute of each, and the share of each label so far.
 *
 * @typedef {import("./types.js").Result} Result
 * @typedef {import("./types.js").Prediction} Prediction
 */

import { isMulticlass, topIndex } from "./draw.js";

const SECONDS = 60;
const LANES = 4;
const LANE_HEIGHT = 64;
/** Seconds that a face must have been seen for, so that a mistake of the detector gets no lane. */
const LEAST_SECONDS = 0.5;
const FADED = 0.25;

/**
 * @typedef {{time: number, scores: number[], top: number}} Point a moment of a face; `top` is -1 where it is unsure
 */

/** The scores of each face over the last minute, as areas that add up to 1. */
export class Timeline {
  /**
   * @param {HTMLElement} list where the lanes are shown
   * @param {string[]} palette
   */
  constructor(list, palette) {
    this.list = list;
    this.palette = palette;
    /** @type {Map<string, {labels: string[], points: Point[], canvas: HTMLCanvasElement, title: HTMLElement, item: HTMLElement}>} */
    this.lanes = new Map();
    this.now = 0;
    this.drawn = 0;
  }

  clear() {
    this.lanes.clear();
    this.list.replaceChildren();
  }

  /**
   * @param {Result} result
   * @param {string[]} hide
   */
  add(result, hide) {
    if (result.time < this.now - 1) this.clear();
    this.now = result.time;
    for (const face of result.faces) {
      const entry = Object.entries(face.predictions).find(([task, one]) => isMulticlass(one) && !hide.includes(task));
      if (!entry) continue;
      const [task, prediction] = entry;
      const lane = this.lane(`${task} ${face.track ?? face.face + 1}`, `Face ${face.track ?? face.face + 1}`, prediction);
      const top = prediction.label in prediction.scores ? topIndex(prediction) : -1;
      lane.points.push({ time: result.time, scores: Object.values(prediction.scores), top });
    }
    for (const [key, { points, item }] of this.lanes) {
      while (points.length && points[0].time < this.now - SECONDS) points.shift();
      if (!points.length) {
        item.remove();
        this.lanes.delete(key);
      }
    }
    if (performance.now() - this.drawn > 100) this.draw();
  }

  /**
   * @param {string} key
   * @param {string} name
   * @param {Prediction} prediction
   */
  lane(key, name, prediction) {
    let lane = this.lanes.get(key);
    if (!lane) {
      const item = document.createElement("li");
      const title = document.createElement("span");
      title.textContent = name;
      const canvas = document.createElement("canvas");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${name} in the last minute`);
      item.append(title, canvas);
      lane = { labels: Object.keys(prediction.scores), points: [], canvas, title, item };
      this.lanes.set(key, lane);
      this.list.append(item);
    }
    return lane;
  }

  draw() {
    this.drawn = performance.now();
    const lasting = [...this.lanes.values()].filter(({ points }) => lastTime(points) - points[0].time >= LEAST_SECONDS);
    const recent = lasting.sort((a, b) => lastTime(b.points) - lastTime(a.points)).slice(0, LANES);
    for (const lane of this.lanes.values()) {
      lane.item.hidden = !recent.includes(lane);
      if (!lane.item.hidden) this.drawLane(lane);
    }
  }

  /** @param {{labels: string[], points: Point[], canvas: HTMLCanvasElement}} lane */
  drawLane({ labels, points, canvas }) {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round((canvas.clientWidth || 300) * ratio);
    const height = Math.round(LANE_HEIGHT * ratio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.clearRect(0, 0, width, height);
    const seconds = new Map();
    points.forEach((point, at) => {
      const next = points[at + 1]?.time ?? this.now;
      const until = Math.min(next, point.time + 1); // a gap stays a gap
      const left = width * (1 - (this.now - point.time) / SECONDS);
      const right = Math.max(left + 1, width * (1 - (this.now - until) / SECONDS));
      let y = height;
      point.scores.forEach((score, label) => {
        context.globalAlpha = point.top === -1 ? FADED : 1;
        context.fillStyle = this.palette[label % this.palette.length];
        context.fillRect(left, y - score * height, right - left + 0.5, score * height);
        y -= score * height;
      });
      const name = point.top === -1 ? "unsure" : labels[point.top];
      seconds.set(name, (seconds.get(name) ?? 0) + until - point.time);
    });
    context.globalAlpha = 1;
    const most = [...seconds].sort((a, b) => b[1] - a[1]).slice(0, 2);
    const text = most.map(([name, time]) => `${name} ${Math.round(time)} seconds`).join(", ");
    canvas.setAttribute("aria-label", `The last minute: ${text || "nothing yet"}`);
  }
}

/** @param {Point[]} points */
function lastTime(points) {
  return points[points.length - 1]?.time ?? -1;
}

/** The share of each label so far, over all faces and frames, for each task. */
export class Shares {
  /**
   * @param {HTMLElement} place
   * @param {string[]} palette
   */
  constructor(place, palette) {
    this.place = place;
    this.palette = palette;
    /** @type {Map<string, {labels: string[], counts: number[], bars: HTMLElement[], texts: HTMLElement[], box: HTMLElement}>} */
    this.tasks = new Map();
    this.drawn = 0;
  }

  clear() {
    this.tasks.clear();
    this.place.replaceChildren();
  }

  /**
   * @param {Result} result
   * @param {string[]} hide
   */
  add(result, hide) {
    for (const face of result.faces) {
      for (const [task, prediction] of Object.entries(face.predictions)) {
        const counted = this.task(task, prediction);
        counted.counts[prediction.label in prediction.scores ? topIndex(prediction) : counted.labels.length - 1] += 1;
      }
    }
    if (performance.now() - this.drawn > 250) this.draw(hide);
  }

  /**
   * @param {string} name
   * @param {Prediction} prediction
   */
  task(name, prediction) {
    let task = this.tasks.get(name);
    if (!task) {
      const labels = [...Object.keys(prediction.scores), "unsure"];
      const box = document.createElement("section");
      const heading = document.createElement("h3");
      heading.textContent = name;
      const list = document.createElement("ul");
      list.className = "shares";
      const bars = [];
      const texts = [];
      for (const [at, label] of labels.entries()) {
        const item = document.createElement("li");
        const [title, track, bar, text] = ["span", "span", "span", "span"].map((kind) => document.createElement(kind));
        title.textContent = label;
        track.className = "track";
        title.className = "label";
        item.style.setProperty("--color", at < labels.length - 1 ? this.palette[at % this.palette.length] : "#888888");
        bar.style.width = "0";
        track.append(bar);
        text.className = "number";
        item.append(title, track, text);
        list.append(item);
        bars.push(bar);
        texts.push(text);
      }
      box.append(heading, list);
      this.place.append(box);
      task = { labels, counts: labels.map(() => 0), bars, texts, box };
      this.tasks.set(name, task);
    }
    return task;
  }

  /** @param {string[]} hide */
  draw(hide) {
    this.drawn = performance.now();
    for (const [name, { counts, bars, texts, box }] of this.tasks) {
      box.hidden = hide.includes(name);
      const total = counts.reduce((sum, count) => sum + count, 0);
      counts.forEach((count, at) => {
        const share = Math.round((100 * count) / Math.max(1, total));
        bars[at].style.width = `${share}%`;
        texts[at].textContent = `${share}%`;
      });
    }
  }
}
