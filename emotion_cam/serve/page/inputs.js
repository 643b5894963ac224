/**
 * Where the page's pictures come from: a webcam, a video file, a picture, or the server's own source.
 */

const LONGEST_SIDE = 640;
const LONGEST_PICTURE_SIDE = 2560;

/**
 * A picture as a JPEG file of the size that recognition needs.
 *
 * @param {CanvasImageSource} source
 * @param {number} width in pixels
 * @param {number} height in pixels
 * @param {HTMLCanvasElement} canvas is drawn on
 * @param {number} longest side of the file in pixels
 * @returns {Promise<Blob | null>}
 */
export function jpegOf(source, width, height, canvas, longest = LONGEST_SIDE) {
  const scale = Math.min(1, longest / Math.max(width, height));
  const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
  context.drawImage(source, 0, 0, w, h);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
}

/**
 * Ask for a webcam.
 *
 * @param {string | null} device the one to use, or null for any
 * @returns {Promise<MediaStream>}
 */
export async function openWebcam(device) {
  if (!navigator.mediaDevices) {
    throw new Error("Browsers give a page the webcam only over https or on localhost; the documentation says how.");
  }
  const video = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: device ? { ...video, deviceId: { exact: device } } : video,
    });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    if (device && (name === "OverconstrainedError" || name === "NotFoundError")) return openWebcam(null);
    throw new Error(
      {
        NotAllowedError: "The browser may not use the webcam: allow it for this page, then try again.",
        NotFoundError: "There is no webcam here.",
        NotReadableError: "The webcam cannot be read: is another program using it?",
      }[name] ?? `The webcam cannot be opened: ${error instanceof Error ? error.message : error}`,
    );
  }
}

/**
 * The webcams, with names once one may be used.
 *
 * @returns {Promise<MediaDeviceInfo[]>}
 */
export async function webcams() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.filter(({ kind, deviceId }) => kind === "videoinput" && deviceId);
}

/**
 * Recognize a picture by a request.
 *
 * @param {ImageBitmap} picture
 * @returns {Promise<import("./types.js").Result>}
 */
export async function recognizePicture(picture) {
  const file = await pictureFile(picture);
  return (await posted("/v1/recognize?detail=true", file)).json();
}

/**
 * The report of a picture, as a page.
 *
 * @param {ImageBitmap} picture
 * @param {string} name
 * @returns {Promise<string>}
 */
export async function pictureReport(picture, name) {
  const form = new FormData();
  form.append("picture", await pictureFile(picture), name);
  return (await posted("/v1/report", form)).text();
}

/** @param {ImageBitmap} picture */
async function pictureFile(picture) {
  const canvas = document.createElement("canvas");
  const file = await jpegOf(picture, picture.width, picture.height, canvas, LONGEST_PICTURE_SIDE);
  if (!file) throw new Error("The picture cannot be read.");
  return file;
}

/**
 * @param {string} path
 * @param {Blob | FormData} body
 */
async function posted(path, body) {
  const answer = await fetch(path, { method: "POST", body });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Error(problem.detail ?? `The server answered ${answer.status}.`);
  }
  return answer;
}
