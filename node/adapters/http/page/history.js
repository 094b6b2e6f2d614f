// What the page has heard over the last minutes, column by column, as charts take it.

const KEPT_MS = 5 * 60 * 1_000;

// Two lines of one run agree on when it began, but for how exactly each of them was dated.
const INEXACT_MS = 1_000;

const beganAt = (line) => line.at_ms - line.uptime_s * 1_000;

const waiting = (stages, onChain) => stages
  .filter((stage) => (stage.runs_on === "l1") === onChain)
  .reduce((total, stage) => total + stage.backlog.items, 0);

export class History {
  constructor() {
    this.at = [];
    this.columns = new Map();
    this.last = null;
    this.broken = false;
    this.lost = false;
  }

  /** Take a load line in, and return whether the node began anew since the last; one that is older
   *  than the last begins a new history. */
  add(line) {
    if (this.last !== null && line.at_ms < this.last.at_ms) {
      this.at = [];
      this.columns = new Map();
    }
    // A machine that slept dates its lines as oddly as a new node, but hung up on nobody.
    const restarted = this.lost && this.last !== null && beganAt(line) > beganAt(this.last) + INEXACT_MS;
    this.broken = this.lost = false;
    this.#push(line.at_ms, new Map([
      ["rate", line.rate_per_s],
      ["limit", line.bottleneck?.limit_per_s ?? null],
      ["here", waiting(line.stages, false)],
      ["chain", waiting(line.stages, true)],
      ["price", line.fee?.price ?? null],
      ["floor", line.fee?.floor ?? null],
      ...line.lanes.map((lane) => [`lane ${lane.name}`, lane.waited_p99_ms]),
    ]));
    this.last = line;
    return restarted;
  }

  /** Nothing was heard: lines in charts break here instead of crossing a time nobody knows. Only a
   *  node that was `lost` may be another run when it is back. */
  gap(lost) {
    if (this.last !== null && !this.broken) this.#push(this.last.at_ms + 1, new Map());
    this.broken = true;
    this.lost ||= lost;
  }

  column(name) {
    return this.columns.get(name) ?? [];
  }

  #push(at, values) {
    this.at.push(new Date(at));
    for (const name of values.keys()) {
      if (!this.columns.has(name)) this.columns.set(name, Array(this.at.length - 1).fill(null));
    }
    for (const [name, column] of this.columns) column.push(values.get(name) ?? null);
    const oldest = at - KEPT_MS;
    while (this.at[0] < oldest) {
      this.at.shift();
      for (const column of this.columns.values()) column.shift();
    }
  }
}
