// The pipeline: one hull for each stage. The water is the load on what the stage runs on, the cargo
// its own part of that, and one line runs through all of their marks: stages that share the event
// loop lie equally deep, however little each of them carries. Elements are made once, then moved.

import { byId, html, say, svg } from "./dom.js";
import * as format from "./format.js";

const KEEL = 92;
const LINE = 38;
const DEEPEST = 1.4;
const NEAR = 0.85;

// Lanes have a panel of their own, and mailboxes between stages do no work: they are no ships.
const isShip = ({ name }) => !name.startsWith("lane_") && name !== "batch_inlet" && name !== "batch_outbox";

// Where a resource is not named for the stage, or for the place, that it limits.
const LIMITED = { replica: "batcher", l1: "settlement", l1_gas: "settlement", l1_bytes: "settlement", l1_in_flight: "settlement" };

const PLACES = { loop: "loop", pool: "pool", thread: "thread", process: "process", l1: "L1" };

/** The share of its limit that a stage carries; how busy it is, where its limit is not known. */
export function loadOf(stage) {
  return stage.headroom === null ? stage.utilization : 1 - stage.headroom;
}

function stateOf(load, limit) {
  if (limit === 0) return ["over", "▲ takes nothing now"];
  if (load === null) return ["", "no load yet"];
  if (load > 1) return ["over", "▲ over its line"];
  return load >= NEAR ? ["near", "near its line"] : ["", ""];
}

const heightOf = (share) => KEEL - (KEEL - LINE) * Math.max(0, Math.min(DEEPEST, share ?? 0));

class Hull {
  constructor(stage) {
    const clip = `hold-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2)}`;
    const shape = "M17 12 20 72Q21 92 40 92H60Q79 92 80 72L83 12Q50 17 17 12Z";
    this.hold = svg("rect", { class: "hold", x: 0, y: 0, width: 100, height: 100 });
    this.tide = svg("g", { class: "tide" },
      svg("path", { class: "deep", d: "M3 0q11.75-4 23.5 0t23.5 0 23.5 0 23.5 0V110H3z" }),
      svg("path", { class: "surface", d: "M3 0q11.75-4 23.5 0t23.5 0 23.5 0 23.5 0" }));
    const drawing = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "xMidYMid meet", "aria-hidden": "true" },
      svg("clipPath", { id: clip }, svg("path", { d: shape })),
      svg("clipPath", { id: `${clip}-frame` }, svg("rect", { x: 0, y: 0, width: 100, height: 100 })),
      svg("path", { class: "hull", d: shape }),
      svg("g", { "clip-path": `url(#${clip})` }, this.hold),
      svg("g", { "clip-path": `url(#${clip}-frame)` }, this.tide),
      svg("path", { class: "reach", d: `M-60 ${LINE}H160` }),
      svg("g", { class: "mark" }, svg("circle", { cx: 50, cy: LINE, r: 8.5 }), svg("path", { d: `M33 ${LINE}h34` })));
    this.load = html("p", "load");
    this.state = html("p", "state");
    this.place = PLACES[stage.runs_on] ?? stage.runs_on;
    this.element = html("li", "stage", drawing, html("h3", "", format.words(stage.name)), this.load, this.state);
  }

  show(stage, first) {
    const load = loadOf(stage);
    this.tide.style.transform = `translateY(${heightOf(load)}px)`;
    // A stage that waits for a disk or a chain is busier than it is loaded: a group takes no longer.
    this.hold.style.transform = `translateY(${heightOf(Math.min(load ?? 0, stage.utilization ?? 0))}px)`;
    const [kind, words] = stateOf(load, stage.limit_per_s);
    this.element.className = ["stage", kind, first ? "first" : ""].join(" ").trim();
    say(this.load, format.share(load));
    const rank = first ? " Fills first." : "";
    const busy = `${format.share(stage.utilization)} busy`;
    say(this.state, words || `${this.place}, ${busy}`);
    this.element.setAttribute("aria-label",
      `${format.words(stage.name)}, on the ${this.place}: ${format.share(load)} of its line, ${busy}.${rank} ${words}`);
  }
}

export class Fleet {
  constructor() {
    this.hulls = new Map();
  }

  show(line) {
    const ships = line.stages.filter(isShip);
    const names = ships.map((stage) => stage.name);
    if (names.join("\n") !== [...this.hulls.keys()].join("\n")) {
      this.hulls = new Map(ships.map((stage) => [stage.name, new Hull(stage)]));
      byId("fleet").replaceChildren(...[...this.hulls.values()].map((hull) => hull.element));
    }
    const resource = line.bottleneck?.resource;
    const limited = LIMITED[resource] ?? resource;
    for (const stage of ships) {
      this.hulls.get(stage.name).show(stage, limited === stage.name || limited === stage.runs_on);
    }
  }
}
