/**
 * Boxes and labels of the server's own source on a transparent ground, for the browser source of OBS. What is drawn is
 * chosen in the address: /overlay?bars=0&mirror=1&explain=1&hide=gender.
 */

import { OverlayConnection } from "./connection.js";
import { drawFaces, Placement } from "./draw.js";

const chosen = new URLSearchParams(location.search);

/**
 * @param {string} name
 * @param {boolean} otherwise
 */
function isOn(name, otherwise) {
  const value = chosen.get(name);
  return value === null ? otherwise : !["0", "false", "no", "off"].includes(value);
}

const answer = await fetch("/v1/info");
/** @type {import("./types.js").Info} */
const info = await answer.json();
const canvas = /** @type {HTMLCanvasElement} */ (document.getElementById("overlay"));
const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
const view = {
  bars: isOn("bars", info.view.bars),
  landmarks: isOn("landmarks", info.view.landmarks),
  explain: isOn("explain", info.view.explain),
  blur: false, // there is nothing to blur: the picture is not here
  mirror: isOn("mirror", false),
  hide: chosen.has("hide") ? chosen.getAll("hide") : info.view.hide,
};
const connection = new OverlayConnection();
connection.onResult = (result) => {
  const [width, height] = result.size;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.clearRect(0, 0, width, height);
  drawFaces(context, result.faces, new Placement(result.size, width, height, view.mirror), view, info.palette);
};
connection.onProblem = () => context.clearRect(0, 0, canvas.width, canvas.height);
