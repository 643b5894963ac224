/**
 * Draws faces on a canvas: boxes, labels, bars, class maps and blur, as emotion_cam/drawing does.
 *
 * @typedef {import("./types.js").Box} Box
 * @typedef {import("./types.js").Face} Face
 * @typedef {import("./types.js").Prediction} Prediction
 * @typedef {import("./types.js").View} View
 * @typedef {CanvasRenderingContext2D} Context
 */

const DARK = "#181818";
const GRAY = "#404040";
const FONT = "system-ui, sans-serif";
const UNSURE = "unsure";

/** Where a picture is drawn, and how its pixels become those of the canvas. */
export class Placement {
  /**
   * @param {[number, number]} size width and height of the picture that boxes refer to
   * @param {number} width of the canvas
   * @param {number} height of the canvas
   * @param {boolean} mirror
   * @param {number} least height of text in pixels
   */
  constructor(size, width, height, mirror, least = 0) {
    this.least = Number.isFinite(least) ? least : 0;
    this.width = width;
    this.height = height;
    this.mirror = mirror;
    this.scaleX = width / size[0];
    this.scaleY = height / size[1];
  }

  /**
   * A box of the picture on the canvas.
   *
   * @param {Box} box
   * @returns {Box}
   */
  box([x1, y1, x2, y2]) {
    const [left, right] = [x1 * this.scaleX, x2 * this.scaleX];
    const [top, bottom] = [y1 * this.scaleY, y2 * this.scaleY];
    return this.mirror ? [this.width - right, top, this.width - left, bottom] : [left, top, right, bottom];
  }
}

/**
 * Draw a picture over the whole canvas.
 *
 * @param {Context} context
 * @param {CanvasImageSource} picture
 * @param {boolean} mirror
 */
export function drawPicture(context, picture, mirror) {
  const { width, height } = context.canvas;
  context.save();
  if (mirror) {
    context.translate(width, 0);
    context.scale(-1, 1);
  }
  context.drawImage(picture, 0, 0, width, height);
  context.restore();
}

/**
 * Draw faces over a picture, or over nothing.
 *
 * @param {Context} context
 * @param {Face[]} faces
 * @param {Placement} placement
 * @param {View} view
 * @param {string[]} palette
 */
export function drawFaces(context, faces, placement, view, palette) {
  const placed = faces.map((face) => ({
    face,
    box: placement.box(face.box),
    predictions: Object.entries(face.predictions)
      .filter(([task]) => !view.hide.includes(task))
      .map(([, prediction]) => prediction),
  }));
  if (view.blur) for (const { box } of placed) blurFace(context, box);
  if (view.explain) for (const { predictions } of placed) drawExplanation(context, predictions, placement);
  for (const { box, predictions } of placed) {
    const colored = predictions.find((prediction) => isMulticlass(prediction) && prediction.label !== UNSURE);
    drawOutline(context, box, colored ? plateColor(colored, palette) : "#ffffff", placement);
  }
  if (view.landmarks) for (const { face, box } of placed) drawLandmarks(context, face, box, placement);
  for (const { face, box, predictions } of placed) {
    if (view.bars) for (const one of predictions.filter(isMulticlass)) drawBars(context, one, box, placement, palette);
    drawLabels(context, face, predictions, box, placement, palette);
  }
}

/** @param {Prediction} prediction */
export function isMulticlass(prediction) {
  return Object.keys(prediction.scores).length > 2;
}

/**
 * The index of the label with the highest score.
 *
 * @param {Prediction} prediction
 */
export function topIndex(prediction) {
  const scores = Object.values(prediction.scores);
  return scores.indexOf(Math.max(...scores));
}

/**
 * @param {Prediction} prediction
 * @param {string[]} palette
 */
function plateColor(prediction, palette) {
  if (prediction.label === UNSURE) return GRAY;
  return isMulticlass(prediction) ? palette[topIndex(prediction) % palette.length] : DARK;
}

/**
 * Dark or white text, by the luma of what is behind it (ITU-R BT.601).
 *
 * @param {string} plate as in #d55e00
 */
function textColorOn(plate) {
  const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(plate.slice(at, at + 2), 16));
  return 0.114 * blue + 0.587 * green + 0.299 * red > 100 ? DARK : "#ffffff";
}

/**
 * The height of a row of text in pixels.
 *
 * @param {Box} box
 * @param {Placement} placement
 */
function rowHeight(box, placement) {
  const side = Math.min(placement.width, placement.height);
  const height = Math.min(Math.max((box[3] - box[1]) / 8, 10, side / 44), Math.max(10, side / 30));
  return Math.round(Math.max(height, Math.min(placement.least, side / 15)));
}

/**
 * @param {Context} context
 * @param {Box} box
 * @param {string} color
 * @param {Placement} placement
 */
function drawOutline(context, [x1, y1, x2, y2], color, placement) {
  const thickness = Math.max(2, Math.round(rowHeight([x1, y1, x2, y2], placement) / 8));
  context.strokeStyle = DARK;
  context.lineWidth = thickness + 2;
  context.strokeRect(x1, y1, x2 - x1, y2 - y1);
  context.strokeStyle = color;
  context.lineWidth = thickness;
  context.strokeRect(x1, y1, x2 - x1, y2 - y1);
}

/**
 * A white point with a dark ring at each landmark.
 *
 * @param {Context} context
 * @param {Face} face
 * @param {Box} box
 * @param {Placement} placement
 */
function drawLandmarks(context, face, box, placement) {
  const radius = Math.max(1, Math.floor(rowHeight(box, placement) / 6));
  for (const [x, y] of Object.values(face.landmarks ?? {})) {
    const [left, top] = placement.box([x, y, x, y]);
    for (const [color, size] of /** @type {[string, number][]} */ ([[DARK, radius + 1.5], ["#ffffff", radius + 0.5]])) {
      context.fillStyle = color;
      context.beginPath();
      context.arc(left, top, size, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

/**
 * @param {Context} context
 * @param {Face} face
 * @param {Prediction[]} predictions
 * @param {Box} box
 * @param {Placement} placement
 * @param {string[]} palette
 */
function drawLabels(context, face, predictions, box, placement, palette) {
  const row = rowHeight(box, placement);
  const height = Math.round(1.5 * row);
  const chips = predictions.map((prediction) => {
    const share = prediction.label === UNSURE ? "" : ` ${Math.round(100 * prediction.score)}%`;
    return { text: prediction.label.slice(0, 20) + share, plate: plateColor(prediction, palette) };
  });
  if (face.track !== null) chips.push({ text: `#${face.track}`, plate: GRAY });
  context.font = `600 ${row}px ${FONT}`;
  context.textBaseline = "middle";
  const widths = chips.map(({ text }) => Math.ceil(context.measureText(text).width) + row);
  const total = widths.reduce((sum, width) => sum + width, 0);
  let x = Math.max(0, Math.min(box[0], placement.width - total));
  const y = box[1] >= height ? box[1] - height : Math.min(box[3], placement.height - height);
  chips.forEach(({ text, plate }, at) => {
    context.fillStyle = plate;
    context.fillRect(x, y, widths[at], height);
    context.fillStyle = textColorOn(plate);
    context.fillText(text, x + row / 2, y + height / 2);
    x += widths[at];
  });
}

/**
 * A row for each label: its name, and a bar as long as its score.
 *
 * @param {Context} context
 * @param {Prediction} prediction
 * @param {Box} box
 * @param {Placement} placement
 * @param {string[]} palette
 */
function drawBars(context, prediction, box, placement, palette) {
  const row = rowHeight(box, placement);
  const border = row / 2;
  const length = 4 * row;
  const names = Object.keys(prediction.scores);
  const top = topIndex(prediction);
  context.textBaseline = "middle";
  context.font = `600 ${row * 0.85}px ${FONT}`;
  const nameWidth = Math.max(...names.map((name) => context.measureText(name.slice(0, 10)).width));
  const width = nameWidth + length + 3 * border;
  const height = row * names.length + 2 * border;
  const fitsRight = box[2] + border + width <= placement.width;
  const wanted = fitsRight ? box[2] + border : box[0] - border - width;
  const x = Math.max(0, Math.min(wanted, placement.width - width));
  const y = Math.max(0, Math.min(box[1], placement.height - height));
  context.globalAlpha = 0.85;
  context.fillStyle = DARK;
  context.fillRect(x, y, width, height);
  context.globalAlpha = 1;
  Object.values(prediction.scores).forEach((score, at) => {
    const middle = y + border + row * (at + 0.5);
    context.font = `${at === top ? 600 : 400} ${row * 0.85}px ${FONT}`;
    context.fillStyle = at === top ? "#ffffff" : "#cdcdcd";
    context.fillText(names[at].slice(0, 10), x + border, middle);
    const left = x + 2 * border + nameWidth;
    context.fillStyle = GRAY;
    context.fillRect(left, middle - 0.3 * row, length, 0.6 * row);
    context.fillStyle = palette[at % palette.length];
    context.fillRect(left, middle - 0.3 * row, length * score, 0.6 * row);
  });
}

// Class maps

const MAP_SIDE = 48;
const MAP_OPACITY = 0.6;
/** Matplotlib's viridis at nine places. */
const VIRIDIS = [
  [68, 1, 84],
  [71, 44, 122],
  [59, 81, 139],
  [44, 113, 142],
  [33, 144, 141],
  [39, 173, 129],
  [92, 200, 99],
  [170, 220, 50],
  [253, 231, 37],
];

/**
 * Draw the class map of the first prediction with more than two labels, or else of the first one.
 *
 * @param {Context} context
 * @param {Prediction[]} predictions
 * @param {Placement} placement
 */
function drawExplanation(context, predictions, placement) {
  const map = (predictions.find(isMulticlass) ?? predictions[0])?.map;
  if (!map) return;
  const canvas = new OffscreenCanvas(MAP_SIDE, MAP_SIDE);
  const small = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = small.createImageData(MAP_SIDE, MAP_SIDE);
  for (let y = 0; y < MAP_SIDE; y++) {
    for (let x = 0; x < MAP_SIDE; x++) {
      const from = placement.mirror ? MAP_SIDE - 1 - x : x;
      const value = bicubic(map, ((from + 0.5) / MAP_SIDE) * map.columns - 0.5, ((y + 0.5) / MAP_SIDE) * map.rows - 0.5);
      const strength = Math.min(1, Math.max(0, value / 255));
      const place = strength * (VIRIDIS.length - 1);
      const low = VIRIDIS[Math.floor(place)];
      const high = VIRIDIS[Math.ceil(place)];
      const at = 4 * (y * MAP_SIDE + x);
      for (let part = 0; part < 3; part++) {
        image.data[at + part] = low[part] + (place % 1) * (high[part] - low[part]);
      }
      image.data[at + 3] = 255 * MAP_OPACITY * strength;
    }
  }
  small.putImageData(image, 0, 0);
  const [x1, y1, x2, y2] = placement.box(map.box);
  context.drawImage(canvas, x1, y1, x2 - x1, y2 - y1);
}

/**
 * The value of a map between its cells; beyond its edge, the edge goes on. Source: Keys 1981, with a = -0.75 as OpenCV.
 *
 * @param {import("./types.js").ClassMap} map
 * @param {number} x in cells
 * @param {number} y in cells
 */
function bicubic(map, x, y) {
  /** @param {number} distance */
  const weight = (distance) => {
    const d = Math.abs(distance);
    if (d <= 1) return 1.25 * d ** 3 - 2.25 * d ** 2 + 1;
    return d < 2 ? -0.75 * (d ** 3 - 5 * d ** 2 + 8 * d - 4) : 0;
  };
  let sum = 0;
  for (let j = Math.floor(y) - 1; j <= Math.floor(y) + 2; j++) {
    for (let i = Math.floor(x) - 1; i <= Math.floor(x) + 2; i++) {
      const row = Math.min(map.rows - 1, Math.max(0, j));
      const column = Math.min(map.columns - 1, Math.max(0, i));
      sum += map.values[row * map.columns + column] * weight(x - i) * weight(y - j);
    }
  }
  return sum;
}

// Blur

const BLUR_SIDE = 24;

/**
 * Blur a face in place, so that it cannot be undone: the algorithm of emotion_cam/drawing/blur.py, which says why.
 *
 * @param {Context} context
 * @param {Box} box
 */
export function blurFace(context, box) {
  const side = Math.max(box[2] - box[0], box[3] - box[1]);
  const area = clipped(padded(box, 0.25), context.canvas);
  if (area[2] <= area[0] || area[3] <= area[1]) return;
  const used = clipped(padded(area, 0.35), context.canvas);
  const scale = Math.min(1, BLUR_SIDE / side);
  const width = Math.max(1, Math.round((used[2] - used[0]) * scale));
  const height = Math.max(1, Math.round((used[3] - used[1]) * scale));
  const small = reduced(context.canvas, used, width, height);
  const smallContext = /** @type {OffscreenCanvasRenderingContext2D} */ (small.getContext("2d"));
  const image = smallContext.getImageData(0, 0, width, height);
  gaussian(image, (scale * side) / 6);
  smallContext.putImageData(image, 0, 0);
  const [zoomX, zoomY] = [width / (used[2] - used[0]), height / (used[3] - used[1])];
  context.imageSmoothingEnabled = true;
  context.drawImage(
    small,
    (area[0] - used[0]) * zoomX,
    (area[1] - used[1]) * zoomY,
    (area[2] - area[0]) * zoomX,
    (area[3] - area[1]) * zoomY,
    area[0],
    area[1],
    area[2] - area[0],
    area[3] - area[1],
  );
}

/**
 * @param {Box} box
 * @param {number} margin as a share of its sides
 * @returns {Box}
 */
function padded([x1, y1, x2, y2], margin) {
  const [dx, dy] = [(x2 - x1) * margin, (y2 - y1) * margin];
  return [x1 - dx, y1 - dy, x2 + dx, y2 + dy];
}

/**
 * @param {Box} box
 * @param {{width: number, height: number}} canvas
 * @returns {Box}
 */
function clipped([x1, y1, x2, y2], { width, height }) {
  /** @type {(value: number, most: number) => number} */
  const inside = (value, most) => Math.round(Math.min(Math.max(value, 0), most));
  return [inside(x1, width), inside(y1, height), inside(x2, width), inside(y2, height)];
}

/**
 * A part of a canvas at a smaller size, in halves, so that every pixel counts.
 *
 * @param {HTMLCanvasElement} source
 * @param {Box} area
 * @param {number} width
 * @param {number} height
 * @returns {OffscreenCanvas}
 */
function reduced(source, [x1, y1, x2, y2], width, height) {
  /** @type {CanvasImageSource} */
  let from = source;
  let [x, y, w, h] = [x1, y1, x2 - x1, y2 - y1];
  for (;;) {
    const nextWidth = Math.max(width, Math.ceil(w / 2));
    const nextHeight = Math.max(height, Math.ceil(h / 2));
    const next = new OffscreenCanvas(nextWidth, nextHeight);
    const isLast = nextWidth === width && nextHeight === height;
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
      next.getContext("2d", { willReadFrequently: isLast })
    );
    context.drawImage(from, x, y, w, h, 0, 0, nextWidth, nextHeight);
    if (isLast) return next;
    [from, x, y, w, h] = [next, 0, 0, nextWidth, nextHeight];
  }
}

/**
 * A Gaussian blur in place, rounded to whole numbers; the picture is reflected at its edges.
 *
 * @param {ImageData} image
 * @param {number} sigma in pixels
 */
function gaussian(image, sigma) {
  const { width, height, data } = image;
  const reach = Math.max(1, Math.ceil(3 * sigma));
  const weights = Array.from({ length: 2 * reach + 1 }, (_, at) => Math.exp(-((at - reach) ** 2) / (2 * sigma ** 2)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const kernel = weights.map((weight) => weight / sum);
  const values = Float32Array.from(data);
  const between = new Float32Array(values.length);
  pass(values, between, kernel, width, height, 4, 4 * width);
  pass(between, values, kernel, height, width, 4 * width, 4);
  for (let at = 0; at < data.length; at++) data[at] = at % 4 === 3 ? 255 : Math.round(values[at]);
}

/**
 * Blur along one direction.
 *
 * @param {Float32Array} from
 * @param {Float32Array} to
 * @param {number[]} kernel
 * @param {number} length of a line in pixels
 * @param {number} lines
 * @param {number} step between the pixels of a line
 * @param {number} stride between lines
 */
function pass(from, to, kernel, length, lines, step, stride) {
  const reach = (kernel.length - 1) / 2;
  for (let line = 0; line < lines; line++) {
    for (let at = 0; at < length; at++) {
      for (let part = 0; part < 3; part++) {
        let sum = 0;
        for (let k = -reach; k <= reach; k++) {
          sum += kernel[k + reach] * from[line * stride + reflected(at + k, length) * step + part];
        }
        to[line * stride + at * step + part] = sum;
      }
    }
  }
}

/**
 * @param {number} at
 * @param {number} length
 */
function reflected(at, length) {
  const period = 2 * length;
  const place = ((at % period) + period) % period;
  return place < length ? place : period - 1 - place;
}
