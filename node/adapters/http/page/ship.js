// The ship: how deep it lies is the rate as a share of the limit, and its mark is that limit.

import { byId, say, svg } from "./dom.js";
import * as format from "./format.js";

const KEEL = 262;
const LINE = 132;
const DEEPEST = 1.28; // Past that the deck is under water, and the text says by how much.
const DECK = 1.2; // Past that the words of a knee would reach over the hull's edge.
const ABOVE = 76; // There the words stand on the sheet, over the cargo.

const heightOf = (share) => KEEL - (KEEL - LINE) * Math.max(0, Math.min(DEEPEST, share));

/** Mark a knee at its share of the limit; one past the deck is told above it, `aside` by so much. */
function markKnee(which, share, aside) {
  const mark = byId(`knee-${which}`);
  mark.toggleAttribute("hidden", share === null);
  if (share === null) return;
  const above = share > DECK;
  mark.classList.toggle("above", above);
  mark.setAttribute("transform", above ? `translate(${aside} ${ABOVE})` : `translate(0 ${heightOf(share)})`);
  say(mark.lastElementChild, above ? `knee ${which} ${format.times(share)} ↑` : `knee ${which}`);
}

export class Ship {
  constructor() {
    const tenths = [2, 4, 6, 8].flatMap((tenth) => [
      svg("text", { x: 146, y: heightOf(tenth / 10) + 4 }, `${tenth}0`),
      svg("text", { x: 672, y: heightOf(tenth / 10) + 4, "text-anchor": "end" }, `${tenth}0`),
    ]);
    byId("draft").replaceChildren(...tenths);
  }

  show(line) {
    const limit = line.bottleneck?.limit_per_s ?? null;
    const load = line.headroom === null ? null : 1 - line.headroom;
    this.#float(load, line.rate_per_s);
    byId("line-tag").toggleAttribute("hidden", limit === null);
    say(byId("line-text"), format.rate(limit));
    this.#ladder(line.knee, limit);
    const told = load === null ? "not known yet" : `${format.share(load)} of what it may be`;
    say(byId("ship-title"), `A ship whose depth in the water is the node's load: ${told}`);
  }

  #float(load, rate) {
    const surface = heightOf(load ?? 0);
    byId("sea").style.transform = `translateY(${surface}px)`;
    byId("load-tag").setAttribute("transform", `translate(0 ${surface})`);
    byId("load-tag").toggleAttribute("hidden", load === null);
    say(byId("load-text"), format.rate(rate));
    byId("load").classList.toggle("over", load !== null && load > 1);
  }

  #ladder({ predicted, measured_per_s: measured }, limit) {
    // A share of nothing has no place on the ladder.
    const shareOf = (knee) => (knee > 0 && limit > 0 ? knee / limit : null);
    const middle = shareOf(predicted?.p50);
    markKnee("predicted", middle, -46);
    markKnee("measured", shareOf(measured), 96);
    const band = byId("knee-band");
    const shown = middle !== null && middle <= DECK;
    band.toggleAttribute("hidden", !shown);
    if (!shown) return;
    const [top, bottom] = [predicted.p95, predicted.p5].map((knee) => heightOf(knee / limit));
    band.setAttribute("y", String(top));
    band.setAttribute("height", String(Math.max(1, bottom - top)));
  }
}
