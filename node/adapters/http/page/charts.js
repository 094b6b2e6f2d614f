// Four charts by plotly, which the node serves from its own Python package. It is fetched after the
// page stands, and where it cannot be had, every figure is there without it.

import { byId, say } from "./dom.js";
import { words } from "./format.js";

const DRAWN_EVERY_MS = 1_000;

// Plotly carries a library for maps that would write its styles into the page, were there not an
// element of this name already. No map is drawn here, and the page's policy allows no inline style.
const MAP_STYLES = "9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53";

const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false };

// The lanes have colours of their own, and dashes for whoever sees no colours.
const DASHES = ["2px,3px", "solid", "7px,3px", "14px,3px", "10px,3px,2px,3px"];

function load() {
  document.head.append(Object.assign(document.createElement("meta"), { id: MAP_STYLES }));
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/page/plotly.min.js";
    script.onload = () => resolve(globalThis.Plotly);
    script.onerror = reject;
    document.head.append(script);
  });
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return { ink: of("ink"), soft: of("soft"), rule: of("rule"), water: of("water"), wash: of("wash"), sheet: of("sheet"), lanes: of("lanes").split(/\s+/) };
}

// The history's arrays grow in place: plotly draws them anew only where the revision is another.
function layout(history, tone, axis, more = {}) {
  const common = { gridcolor: tone.rule, zeroline: false, fixedrange: true, automargin: true, ticks: "", color: tone.soft };
  return {
    datarevision: history.at.at(-1),
    margin: { l: 40, r: 10, t: 8, b: 26 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 11.5, color: tone.soft },
    hovermode: "x unified",
    hoverlabel: { bgcolor: tone.sheet, bordercolor: tone.rule, font: { color: tone.ink } },
    dragmode: false,
    legend: { orientation: "h", itemwidth: 40, x: 0, y: 1.02, yanchor: "bottom", bgcolor: "rgba(0,0,0,0)" },
    xaxis: { ...common, showgrid: false, nticks: 5, tickformat: "%H:%M:%S", hoverformat: "%H:%M:%S" },
    yaxis: { ...common, nticks: 5, tickformat: "~s", rangemode: "tozero", ...axis },
    ...more,
  };
}

const trace = (history, column, name, line, more = {}) => ({
  x: history.at, y: history.column(column), name, mode: "lines", connectgaps: false, line, ...more,
});

function rate(history, tone) {
  const { knee } = history.last;
  const level = (y, name, dash) => ({
    x: [history.at[0], history.at.at(-1)], y: [y, y], name, mode: "lines", line: { color: tone.ink, width: 1.5, dash },
  });
  const { predicted, measured_per_s: measured } = knee;
  const traces = [trace(history, "rate", "rate", { color: tone.water, width: 2.5 }, { fill: "tozeroy", fillcolor: tone.wash })];
  const known = history.column("limit").some((limit) => limit !== null);
  if (known) traces.push(trace(history, "limit", "limit", { color: tone.ink, width: 1.5 }));
  if (predicted) traces.push(level(predicted.p50, "knee predicted", "dash"));
  if (measured !== null) traces.push(level(measured, "knee measured", "dot"));
  const band = predicted && {
    type: "rect", xref: "paper", x0: 0, x1: 1, y0: predicted.p5, y1: predicted.p95, fillcolor: tone.soft, opacity: 0.16, line: { width: 0 },
  };
  return [traces, layout(history, tone, {}, { shapes: band ? [band] : [] })];
}

function delay(history, tone) {
  const traces = history.last.lanes.map(({ name }, index) => {
    const of = (choices) => choices[index % choices.length];
    const line = { color: of(tone.lanes), width: name === "liquidation" ? 3 : 2, dash: of(DASHES) };
    // A logarithm has no zero.
    const y = history.column(`lane ${name}`).map((ms) => (ms === null ? null : Math.max(ms, 0.01)));
    return trace(history, `lane ${name}`, words(name), line, { y });
  });
  return [traces, layout(history, tone, { type: "log", rangemode: "normal", dtick: 1, tickformat: "~g" })];
}

function backlog(history, tone) {
  return [[
    trace(history, "here", "in the node", { color: tone.water, width: 2.5 }, { fill: "tozeroy", fillcolor: tone.wash }),
    trace(history, "chain", "for L1", { color: tone.ink, width: 1.5, dash: "dash" }),
  ], layout(history, tone, {})];
}

function fee(history, tone) {
  if (!history.last.fee) return null;
  return [[
    trace(history, "price", "price", { color: tone.water, width: 2.5 }, { fill: "tozeroy", fillcolor: tone.wash }),
    trace(history, "floor", "floor", { color: tone.ink, width: 1.5, dash: "dash" }),
  ], layout(history, tone, {})];
}

const CHARTS = {
  "chart-rate": [rate, ""],
  "chart-delay": [delay, ""],
  "chart-backlog": [backlog, ""],
  "chart-fee": [fee, "This node charges no fee."],
};

export class Charts {
  constructor(history) {
    this.history = history;
    this.plotly = null;
    this.visible = new Set();
    this.tone = colours();
  }

  async start() {
    this.#each((chart) => say(chart, "Drawn when in sight, once there are figures."));
    try {
      this.plotly = await load();
    } catch {
      this.#each((chart) => say(chart, "The library for charts could not be loaded. All figures stand below."));
      return;
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.tone = colours();
      this.draw();
    });
    // What nobody sees is not drawn, but for what the next turn of the page would show.
    const watch = new IntersectionObserver((seen) => {
      for (const { target, isIntersecting } of seen) this.visible[isIntersecting ? "add" : "delete"](target.id);
      this.draw();
    }, { rootMargin: "100% 0px" });
    this.#each((chart) => watch.observe(chart));
    setInterval(() => this.draw(), DRAWN_EVERY_MS);
  }

  draw() {
    if (this.plotly === null || this.history.last === null || document.hidden) return;
    for (const id of this.visible) {
      const [figure, otherwise] = CHARTS[id];
      const drawn = figure(this.history, this.tone);
      const chart = byId(id);
      if (drawn === null) {
        this.plotly.purge(chart);
        say(chart, otherwise);
        continue;
      }
      if (!chart.classList.contains("js-plotly-plot")) chart.replaceChildren();
      this.plotly.react(chart, ...drawn, CONFIG);
    }
  }

  #each(act) {
    for (const id of Object.keys(CHARTS)) act(byId(id));
  }
}
