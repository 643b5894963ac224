/**
 * The page: puts pictures, results and buttons together.
 *
 * @typedef {import("./types.js").Info} Info
 * @typedef {import("./types.js").Result} Result
 * @typedef {import("./types.js").View} View
 * @typedef {"none" | "webcam" | "video" | "picture" | "source"} Mode
 */

import { FrameConnection, SourceConnection } from "./connection.js";
import { drawFaces, drawPicture, Placement } from "./draw.js";
import { jpegOf, openWebcam, pictureReport, recognizePicture, webcams } from "./inputs.js";
import { fileName, Recorder, Stretch } from "./recorder.js";
import { csv, jsonLines, tableResult } from "./tables.js";
import { Shares, Timeline } from "./timeline.js";

const CAMERA = "emotion-cam webcam";
const KEPT_FILES = 5;
/** The least height of text on the picture as it is shown, in CSS pixels: on a phone it is shown much reduced. */
const LEAST_TEXT = 11;
/** Answers for a second of a video file: where a machine is too slow for them, the file is played more slowly. */
const ANSWERS_A_SECOND = 15;

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
function element(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`The page has no ${id}.`);
  return found;
}

/**
 * @param {number} count
 * @param {string} noun
 */
function counted(count, noun) {
  const rounded = count.toFixed(0);
  return rounded === "1" ? `1 ${noun}` : `${rounded} ${noun}s`;
}

/** Counts what happened in the last two seconds. */
class Rate {
  constructor() {
    /** @type {number[]} */
    this.times = [];
  }

  count() {
    this.times.push(performance.now());
  }

  get value() {
    const since = performance.now() - 2000;
    while (this.times.length && this.times[0] < since) this.times.shift();
    return this.times.length / 2;
  }
}

class App {
  /** @param {Info} info */
  constructor(info) {
    this.info = info;
    this.canvas = element("canvas", HTMLCanvasElement);
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { alpha: false }));
    this.stage = element("stage", HTMLElement);
    this.video = document.createElement("video");
    Object.assign(this.video, { muted: true, playsInline: true });
    this.small = document.createElement("canvas");
    this.timeline = new Timeline(element("lanes", HTMLElement), info.palette);
    this.shares = new Shares(element("shares", HTMLElement), info.palette);
    /** @type {View} */
    this.view = { ...info.view, hide: [...info.view.hide] };
    /** @type {Mode} */
    this.mode = "none";
    /** @type {FrameConnection | null} */
    this.frames = null;
    /** @type {SourceConnection | null} */
    this.source = null;
    /** @type {MediaStream | null} */
    this.stream = null;
    /** @type {ImageBitmap | null} a picture, or the latest one of the server's source */
    this.still = null;
    /** @type {Result | null} the newest result */
    this.result = null;
    /** @type {{captured: number, sent: number, time: number, held: HTMLCanvasElement | null, stretch: Stretch | null} | null} */
    this.pending = null; // the frame that is under way
    /** When the newest picture of the webcam or video was shown. */
    this.shownAt = 0;
    /** @type {HTMLCanvasElement | null} the blurred frame that is shown, before its blurring */
    this.held = null;
    /** @type {HTMLCanvasElement[]} canvases to hold frames in */
    this.unused = [];
    /** @type {Recorder | null} */
    this.recorder = null;
    this.recordsReport = false;
    /** @type {Stretch | null} the results of a video */
    this.stretch = null;
    this.paused = false;
    this.number = 0;
    this.started = 0;
    this.latency = 0;
    /** @type {number[]} how old the boxes were when pictures were shown, in milliseconds */
    this.ages = [];
    this.shownCapture = 0;
    this.shown = new Rate();
    this.answered = new Rate();
    this.title = "";
    /** @type {Map<string, HTMLButtonElement>} */
    this.buttons = new Map();
    this.generation = 0;
    this.build();
  }

  // The parts of the page

  build() {
    /** @typedef {[string, string, string, () => void, boolean]} Tool key, name, action, what it does, whether it is a switch */
    /** @type {Tool} */
    const points = ["l", "Landmarks", "show or hide eyes, nose and mouth as points", () => this.switch("landmarks"), true];
    /** @type {Tool[]} */
    const tools = [
      ["a", "Bars", "show or hide the bars", () => this.switch("bars"), true],
      ...(this.info.landmarks ? [points] : []),
      ["e", "Explain", "show or hide the regions that support the label", () => this.switch("explain"), true],
      ["b", "Blur", "blur faces", () => this.switch("blur"), true],
      ["m", "Mirror", "mirror", () => this.flip(), true],
      ...this.info.tasks.map(({ name, key }) => {
        /** @type {Tool} */
        const tool = [key ?? "", name, `show or hide ${name}`, () => this.hide(name), true];
        return tool;
      }),
      ["s", "Snapshot", "save a picture", () => this.snapshot(), false],
      ["r", "Record", "start or stop recording", () => this.record(), true],
      ["f", "Full screen", "full screen", () => this.fullScreen(), false],
      ["h", "Help", "show this list", () => this.help(), false],
    ];
    const bar = element("tools", HTMLElement);
    const list = element("keys", HTMLElement);
    /** @type {Map<string, () => void>} */
    const actions = new Map([[" ", () => this.pause()]]);
    for (const [key, name, action, press, isSwitch] of tools) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(name[0].toUpperCase() + name.slice(1));
      if (key) {
        const hint = document.createElement("kbd");
        hint.textContent = key;
        hint.setAttribute("aria-hidden", "true");
        button.append(hint);
        button.setAttribute("aria-keyshortcuts", key);
        actions.set(key, press);
      }
      button.title = action;
      if (isSwitch) button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", press);
      this.buttons.set(name, button);
      bar.append(button);
    }
    for (const [key, action] of [["space", "pause or go on"], ...tools.map((tool) => [tool[0], tool[2]])]) {
      const [term, text] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = key;
      text.textContent = action;
      list.append(term, text);
    }
    document.addEventListener("keydown", (event) => this.keyPressed(event, actions));
    this.buildInputs();
    this.buildPlayback();
    this.showSwitches();
    element("version", HTMLElement).textContent = `Version ${this.info.version}`;
    const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
    for (const place of document.querySelectorAll(".privacy")) {
      place.textContent = isHere
        ? "Pictures go to this machine's own process only. Nothing is kept."
        : `Pictures go to the program on ${location.hostname} only. Nothing is kept.`;
    }
    setInterval(() => this.showRates(), 500);
  }

  buildInputs() {
    const file = element("file", HTMLInputElement);
    element("use-webcam", HTMLButtonElement).addEventListener("click", () => this.useWebcam());
    element("use-file", HTMLButtonElement).addEventListener("click", () => file.click());
    element("again", HTMLButtonElement).addEventListener("click", () => {
      this.stop();
      element("use-webcam", HTMLButtonElement).focus();
    });
    file.addEventListener("change", () => {
      if (file.files?.[0]) this.useFile(file.files[0]);
      file.value = "";
    });
    const source = element("use-source", HTMLButtonElement);
    if (this.info.source) {
      source.hidden = false;
      source.textContent = `Watch ${this.info.source.name}`;
      source.addEventListener("click", () => this.useSource());
    }
    const select = element("webcams", HTMLSelectElement);
    select.addEventListener("change", () => {
      remember(select.value);
      if (this.mode === "webcam") this.useWebcam();
    });
    this.listWebcams();
    navigator.mediaDevices?.addEventListener("devicechange", () => this.listWebcams());
    for (const name of ["dragenter", "dragover"]) {
      document.addEventListener(name, (event) => {
        event.preventDefault();
        this.stage.classList.add("dropping");
      });
    }
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) this.stage.classList.remove("dropping");
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      this.stage.classList.remove("dropping");
      const dropped = event.dataTransfer?.files[0];
      if (dropped) this.useFile(dropped);
    });
  }

  buildPlayback() {
    const position = element("position", HTMLInputElement);
    element("play", HTMLButtonElement).addEventListener("click", () => this.pause());
    position.addEventListener("input", () => {
      this.restartVideo();
      this.video.currentTime = Number(position.value);
    });
    this.video.addEventListener("timeupdate", () => this.showPosition());
    for (const name of ["play", "pause"]) this.video.addEventListener(name, () => this.showPosition());
    this.video.addEventListener("seeked", () => {
      if (this.video.paused) this.grab();
    });
    this.video.addEventListener("ended", () => this.videoEnded());
    this.video.addEventListener("error", () => {
      if (this.mode !== "video") return;
      this.stop();
      this.problem("The browser cannot play this video; emotion-cam --video reads more formats.");
    });
  }

  async listWebcams() {
    const select = element("webcams", HTMLSelectElement);
    const found = await webcams();
    const first = select.options[0];
    const options = found.map(({ deviceId, label }, at) => new Option(label || `Webcam ${at + 1}`, deviceId));
    select.replaceChildren(first, ...options);
    select.value = found.some(({ deviceId }) => deviceId === remembered()) ? (remembered() ?? "") : "";
  }

  /** @param {string} message */
  problem(message) {
    element("problem", HTMLElement).textContent = message;
  }

  showRates() {
    const live = this.mode === "webcam" || this.mode === "video" || this.mode === "source";
    const parts = live ? [`${counted(this.shown.value, "picture")} a second`] : [];
    if (live && this.frames) {
      parts.push(`${counted(this.answered.value, "answer")} a second`, `round trip ${this.latency.toFixed(0)} ms`);
      const ages = [...this.ages].sort((a, b) => a - b);
      if (ages.length) parts.push(`boxes ${ages[Math.floor(ages.length / 2)].toFixed(0)} ms old`);
    }
    const place = element("rates", HTMLElement);
    place.textContent = parts.join(" · ");
    Object.assign(place.dataset, { shown: this.shown.value, answers: this.answered.value, latency: this.latency });
    if (this.result && this.mode !== "none") {
      const faces = this.result.faces.map(({ predictions }) =>
        Object.entries(predictions)
          .filter(([task]) => !this.view.hide.includes(task))
          .map(([, { label }]) => label)
          .join(", "),
      );
      this.canvas.setAttribute("aria-label", faces.length ? `${counted(faces.length, "face")}: ${faces.join("; ")}` : "No face");
    }
  }

  showPosition() {
    const { currentTime, duration, paused } = this.video;
    element("playback", HTMLElement).hidden = this.mode !== "video";
    element("play", HTMLButtonElement).textContent = paused ? "Play" : "Pause";
    const position = element("position", HTMLInputElement);
    position.max = String(Number.isFinite(duration) ? duration : 1);
    position.value = String(currentTime);
    const length = Number.isFinite(duration) ? duration : 0;
    element("time", HTMLElement).textContent = `${currentTime.toFixed(1)} of ${length.toFixed(1)} s`;
  }

  showSwitches() {
    const pressed = {
      Bars: this.view.bars,
      Landmarks: this.view.landmarks,
      Explain: this.view.explain,
      Blur: this.view.blur,
      Mirror: this.mirrors,
      Record: this.recorder !== null,
      ...Object.fromEntries(this.info.tasks.map(({ name }) => [name, !this.view.hide.includes(name)])),
    };
    for (const [name, on] of Object.entries(pressed)) this.buttons.get(name)?.setAttribute("aria-pressed", String(on));
    element("recording", HTMLElement).hidden = this.recorder === null;
  }

  /** Whether the picture is shown flipped left to right. */
  get mirrors() {
    const { mirror } = this.view;
    if (this.mode === "source") return (mirror ?? false) !== (this.info.view.mirror ?? false); // the server did its part
    return mirror ?? (this.mode === "webcam" || this.mode === "none");
  }

  // Inputs

  /** Leave what is shown. */
  stop() {
    const connection = this.frames ?? this.source;
    if (connection) connection.onProblem = () => {};
    const saved = this.recorder ? this.record() : Promise.resolve(); // its report still comes
    saved.then(() => connection?.close());
    this.generation += 1;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.mode = "none";
    this.video.pause();
    this.video.playbackRate = 1;
    if (this.video.src) URL.revokeObjectURL(this.video.src);
    this.video.removeAttribute("src");
    this.video.srcObject = null;
    this.still?.close();
    Object.assign(this, { frames: null, source: null, stream: null, still: null, result: null, pending: null });
    Object.assign(this, { held: null, stretch: null, paused: false, number: 0, ages: [], latency: 0, title: "" });
    this.timeline.clear();
    this.shares.clear();
    this.clearCanvas();
    this.problem("");
    this.canvas.setAttribute("aria-label", "No picture yet");
    element("welcome", HTMLElement).hidden = false;
    element("again", HTMLElement).hidden = true;
    element("playback", HTMLElement).hidden = true;
    this.showSwitches();
  }

  /** @param {Mode} mode */
  begin(mode) {
    this.stop();
    this.mode = mode;
    element("welcome", HTMLElement).hidden = true;
    element("again", HTMLElement).hidden = false;
    this.showSwitches();
    return this.generation;
  }

  async useWebcam() {
    const generation = this.begin("webcam");
    try {
      const stream = await openWebcam(remembered());
      if (generation !== this.generation) {
        for (const track of stream.getTracks()) track.stop();
        return;
      }
      this.stream = stream;
    } catch (error) {
      this.stop();
      this.problem(error instanceof Error ? error.message : String(error));
      return;
    }
    const [track] = this.stream.getVideoTracks();
    remember(track.getSettings().deviceId ?? "");
    track.addEventListener("ended", () => {
      if (generation !== this.generation) return;
      this.stop();
      this.problem("The webcam is gone: was it unplugged?");
    });
    this.listWebcams();
    this.title = "webcam";
    this.video.srcObject = this.stream;
    this.openFrames();
    this.started = performance.now();
    await this.play(generation);
  }

  /**
   * Play the video, and follow its frames.
   *
   * @param {number} generation
   */
  async play(generation) {
    try {
      await this.video.play();
    } catch {
      return; // something else was chosen meanwhile, or the element's error says why
    }
    if (generation === this.generation) this.followVideo(generation);
  }

  /** @param {File} file */
  async useFile(file) {
    if (file.type.startsWith("video/") || /\.(mp4|m4v|mkv|mov|webm|ogv)$/i.test(file.name)) await this.useVideo(file);
    else await this.usePicture(file);
  }

  /** @param {File} file */
  async useVideo(file) {
    const generation = this.begin("video");
    this.title = file.name;
    this.video.src = URL.createObjectURL(file);
    const connection = this.openFrames();
    connection.onOpened = () => this.restartVideo();
    this.restartVideo();
    await this.play(generation);
  }

  /** Forget the results of a video: it starts over, or goes on elsewhere. */
  restartVideo() {
    if (this.mode !== "video") return;
    this.stretch = new Stretch(0);
    this.timeline.clear();
    this.shares.clear();
    this.frames?.command({ source: this.title, ...(this.info.report ? { report: "start" } : {}) });
  }

  async videoEnded() {
    const [stretch, frames, title] = [this.stretch, this.frames, this.title];
    if (this.mode !== "video" || !stretch?.results.length) return;
    const name = title.replace(/\.\w+$/, "") || "video";
    const files = this.tables(stretch.results, name);
    if (this.info.report && frames) {
      const { page, error } = await frames.report();
      if (page) files.push([`${name}.html`, "Report", new Blob([page], { type: "text/html" })]);
      if (error) this.problem(error);
    }
    this.offer(title, files);
    this.stretch = null;
  }

  /** @param {File} file */
  async usePicture(file) {
    const generation = this.begin("picture");
    this.title = file.name;
    try {
      const picture = await createImageBitmap(file).catch(() => {
        throw new Error(`${file.name} is no picture that this browser can show.`);
      });
      if (generation !== this.generation) return;
      this.still = picture;
      this.setSize(picture.width, picture.height);
      if (!this.view.blur) drawPicture(this.context, picture, this.mirrors);
      const result = { ...(await recognizePicture(picture)), source: file.name };
      if (generation !== this.generation) return;
      this.result = result;
      this.shares.add(result, this.view.hide);
      this.shares.draw(this.view.hide);
      this.repaint();
      const name = file.name.replace(/\.\w+$/, "") || "picture";
      const files = this.tables([tableResult(result, picture.width, 0)], name);
      if (this.info.report && !this.view.blur) {
        files.push([`${name}.html`, "Report", new Blob([await pictureReport(picture, file.name)], { type: "text/html" })]);
      }
      if (generation === this.generation) this.offer(file.name, files);
    } catch (error) {
      if (generation !== this.generation) return;
      this.stop();
      this.problem(error instanceof Error ? error.message : String(error));
    }
  }

  useSource() {
    const generation = this.begin("source");
    this.title = this.info.source?.name ?? "";
    const source = new SourceConnection({ blur: this.view.blur });
    this.source = source;
    source.onProblem = (message) => this.problem(message);
    source.onResult = async (result, picture) => {
      if (this.paused) return;
      const bitmap = await createImageBitmap(picture);
      if (generation !== this.generation) return;
      this.still?.close();
      this.still = bitmap;
      this.setSize(bitmap.width, bitmap.height);
      this.take(result, result.size[0]);
      this.repaint();
      this.shown.count();
    };
    const check = setInterval(async () => {
      if (generation !== this.generation) clearInterval(check);
      else if (this.shown.value === 0 && !this.paused && source.isOpen) {
        const problem = (await serverInfo()).source?.problem;
        if (generation === this.generation) this.problem(problem || "The source sends no pictures.");
      } else if (source.isOpen) this.problem("");
    }, 3000);
  }

  // Frames of a webcam or video

  openFrames() {
    const frames = new FrameConnection({ blur: this.view.blur, explain: this.view.explain, source: this.title });
    frames.onProblem = (message) => this.problem(message);
    frames.onResult = (result) => this.answer(result);
    this.frames = frames;
    return frames;
  }

  /** @param {number} generation */
  followVideo(generation) {
    const next = () => {
      if (generation !== this.generation) return;
      this.onFrame();
      this.whenNext(next);
    };
    this.whenNext(next);
  }

  /** @param {() => void} next is called with the next frame of the video */
  whenNext(next) {
    if ("requestVideoFrameCallback" in this.video) this.video.requestVideoFrameCallback(next);
    else requestAnimationFrame(next);
  }

  onFrame() {
    this.shownAt = performance.now();
    this.setSize(this.video.videoWidth, this.video.videoHeight);
    this.grab();
    if (!this.view.blur) {
      this.repaint();
      this.shown.count();
      this.countAge();
    }
  }

  countAge() {
    if (!this.result) return;
    this.ages.push(performance.now() - this.shownCapture);
    if (this.ages.length > 300) this.ages.shift();
  }

  /** Send the frame that is shown now, if none is under way. A blurred frame is held, and shown with its answer. */
  async grab() {
    const { frames, video } = this;
    if (!frames?.isReady || !video.videoWidth) return;
    const [captured, sent] = [this.shownAt, performance.now()];
    const time = this.mode === "video" ? video.currentTime : Math.max(0, captured - this.started) / 1000;
    this.number += 1;
    const number = this.number;
    frames.inFlight = number;
    const held = this.view.blur ? this.hold(video) : null;
    this.pending = { captured, sent, time, held, stretch: this.stretch };
    const file = await jpegOf(video, video.videoWidth, video.videoHeight, this.small);
    const picture = await file?.arrayBuffer();
    if (frames.inFlight !== number) return;
    if (picture) frames.send(number, time, picture);
    else frames.inFlight = null;
  }

  /** @param {HTMLVideoElement} video */
  hold(video) {
    const canvas = this.unused.pop() ?? document.createElement("canvas");
    Object.assign(canvas, { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d", { alpha: false })?.drawImage(video, 0, 0);
    return canvas;
  }

  /** @param {Result} result of the frame that was under way */
  answer(result) {
    const pending = this.pending;
    this.pending = null;
    if (!pending) return;
    const now = performance.now();
    this.latency = this.latency ? 0.9 * this.latency + 0.1 * (now - pending.sent) : now - pending.sent;
    this.answered.count();
    if (this.mode === "video") {
      this.video.playbackRate = Math.min(1, Math.max(0.1, 1000 / this.latency / ANSWERS_A_SECOND));
    }
    this.shownCapture = pending.captured;
    if (this.view.blur) {
      if (!pending.held) {
        if (this.video.paused) this.grab();
        return; // it was taken before faces were blurred
      }
      if (this.held) this.unused.push(this.held);
      this.held = pending.held;
    }
    if (!this.stretch || pending.stretch === this.stretch) this.take(result, this.video.videoWidth);
    if (this.view.blur) {
      this.repaint();
      this.shown.count();
      this.countAge();
    } else if (this.video.paused) this.repaint();
    const isNewer = this.shownAt > pending.captured; // a picture came meanwhile, and the next one may be far
    if (isNewer || (this.video.paused && this.mode === "video" && pending.time !== this.video.currentTime)) this.grab();
  }

  /**
   * @param {Result} result
   * @param {number} width of the original picture in pixels
   */
  take(result, width) {
    this.result = result;
    this.timeline.add(result, this.view.hide);
    this.shares.add(result, this.view.hide);
    this.recorder?.stretch.add(result, width);
    if (this.mode === "video" && !this.video.ended) this.stretch?.add(result, width);
  }

  // Drawing

  /**
   * @param {number} width
   * @param {number} height
   */
  setSize(width, height) {
    if (width && height && (this.canvas.width !== width || this.canvas.height !== height)) {
      Object.assign(this.canvas, { width, height });
      this.clearCanvas();
    }
  }

  clearCanvas() {
    this.context.fillStyle = "#0b0d0c";
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  /** Draw the picture and its faces. Faces that are to be blurred are never drawn without. */
  repaint() {
    const { view, result, mode } = this;
    if (mode === "none") return;
    const isStream = mode === "webcam" || mode === "video";
    const picture = isStream ? (view.blur ? this.held : this.video) : this.still;
    if (!picture || (view.blur && !result)) {
      this.clearCanvas();
      return;
    }
    drawPicture(this.context, picture, this.mirrors);
    if (result) {
      const { canvas } = this;
      const least = LEAST_TEXT * Math.max(canvas.width / canvas.clientWidth, canvas.height / canvas.clientHeight);
      const placement = new Placement(result.size, canvas.width, canvas.height, this.mirrors, least);
      drawFaces(this.context, result.faces, placement, view, this.info.palette);
    }
  }

  // What the buttons and keys do

  /**
   * @param {KeyboardEvent} event
   * @param {Map<string, () => void>} actions
   */
  keyPressed(event, actions) {
    const target = event.target;
    const isField = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
    const isButton = target instanceof HTMLButtonElement || target instanceof HTMLAnchorElement;
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isField) return;
    if (event.key === " " && isButton) return; // it presses the button
    if (element("help", HTMLDialogElement).open && event.key !== "h") return;
    const action = actions.get(event.key.toLowerCase());
    if (action) {
      event.preventDefault();
      action();
    }
  }

  /** @param {"bars" | "landmarks" | "explain" | "blur"} name */
  switch(name) {
    this.view[name] = !this.view[name];
    if (name === "explain") this.frames?.command({ explain: this.view.explain });
    if (name === "blur") {
      (this.frames ?? this.source)?.command({ blur: this.view.blur });
      if (this.frames) Object.assign(this, { result: null, held: null });
      if (this.frames && this.pending) this.pending.held = null;
    }
    this.showSwitches();
    this.repaint();
    if (this.video.paused && this.mode === "video") this.grab();
  }

  flip() {
    const wanted = !this.mirrors;
    const server = this.mode === "source" && (this.info.view.mirror ?? false);
    this.view.mirror = wanted !== server;
    this.showSwitches();
    this.repaint();
  }

  /** @param {string} task */
  hide(task) {
    const { hide } = this.view;
    this.view.hide = hide.includes(task) ? hide.filter((other) => other !== task) : [...hide, task];
    this.timeline.clear();
    this.shares.draw(this.view.hide);
    this.showSwitches();
    this.repaint();
  }

  pause() {
    if (this.mode === "source") {
      this.paused = !this.paused;
      this.source?.command({ paused: this.paused });
    } else if (this.mode === "webcam" || this.mode === "video") {
      if (!this.video.paused) this.video.pause();
      else {
        if (this.video.ended) this.restartVideo();
        this.video.play().catch(() => {}); // something else was chosen meanwhile
      }
    }
  }

  async snapshot() {
    if (this.mode === "none") return;
    const picture = await new Promise((/** @type {(blob: Blob | null) => void} */ resolve) => {
      this.canvas.toBlob(resolve, "image/png");
    });
    if (picture) download(`${fileName()}.png`, picture);
  }

  async record() {
    if (!this.recorder) {
      if (this.mode === "none" || this.mode === "picture") {
        this.problem("Only what moves is recorded; s saves a picture.");
        return;
      }
      this.recorder = new Recorder(this.canvas);
      this.recordsReport = this.info.report && this.mode !== "video"; // of a video there is one at its end
      if (this.recordsReport) (this.frames ?? this.source)?.command({ report: "start" });
      this.showSwitches();
      this.repaint();
      return;
    }
    const { recorder } = this;
    const connection = this.recordsReport ? (this.frames ?? this.source) : null;
    this.recorder = null;
    this.showSwitches();
    const name = fileName();
    const [video, report] = await Promise.all([recorder.stop(), connection?.report()]);
    const { page, error } = report ?? {};
    /** @type {[string, string, Blob][]} */
    const files = [[`${name}.${recorder.suffix}`, "Video", video], ...this.tables(recorder.stretch.results, name)];
    if (page) files.push([`${name}.html`, "Report", new Blob([page], { type: "text/html" })]);
    else if (error) this.problem(error);
    this.offer(name, files);
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.stage.requestFullscreen?.();
  }

  help() {
    const dialog = element("help", HTMLDialogElement);
    if (dialog.open) dialog.close();
    else dialog.showModal();
  }

  /**
   * @param {Result[]} results
   * @param {string} name
   * @returns {[string, string, Blob][]}
   */
  tables(results, name) {
    return [
      [`${name}.csv`, "CSV", new Blob([csv(results, this.info.landmarks)], { type: "text/csv" })],
      [`${name}.jsonl`, "JSON Lines", new Blob([jsonLines(results)], { type: "application/jsonl" })],
    ];
  }

  /**
   * Offer files for download.
   *
   * @param {string} title
   * @param {[string, string, Blob][]} files name, kind, content
   */
  offer(title, files) {
    const list = element("file-list", HTMLElement);
    const [item, heading, links] = [document.createElement("li"), document.createElement("p"), document.createElement("div")];
    heading.textContent = title;
    for (const [name, kind, content] of files) {
      const link = document.createElement("a");
      Object.assign(link, { className: "file", download: name, href: URL.createObjectURL(content), textContent: kind });
      link.setAttribute("aria-label", `${kind}: ${name}`);
      links.append(link);
    }
    item.append(heading, links);
    list.prepend(item);
    for (const old of [...list.children].slice(KEPT_FILES)) {
      for (const link of old.querySelectorAll("a")) URL.revokeObjectURL(link.href);
      old.remove();
    }
    element("files", HTMLElement).hidden = false;
  }
}

/**
 * @param {string} name
 * @param {Blob} content
 */
function download(name, content) {
  const link = document.createElement("a");
  Object.assign(link, { download: name, href: URL.createObjectURL(content) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** @param {string} device */
function remember(device) {
  try {
    localStorage.setItem(CAMERA, device);
  } catch {
    // private browsing: the choice is not remembered
  }
}

/** @returns {string | null} */
function remembered() {
  try {
    return localStorage.getItem(CAMERA) || null;
  } catch {
    return null;
  }
}

/** @returns {Promise<Info>} */
async function serverInfo() {
  const answer = await fetch("/v1/info");
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

/** Whether the webcam may be used without asking. */
async function mayUseWebcam() {
  try {
    const permission = await navigator.permissions.query({ name: /** @type {PermissionName} */ ("camera") });
    return permission.state === "granted";
  } catch {
    return false;
  }
}

async function main() {
  const app = new App(await serverInfo());
  if (app.info.source) app.useSource();
  else if ((await mayUseWebcam()) && app.mode === "none" && app.generation === 0) app.useWebcam();
}

main().catch((error) => {
  element("problem", HTMLElement).textContent = error.message;
});
