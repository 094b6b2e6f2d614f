// The figures around the picture: words beside the ship, key figures, lanes and all panels. They are
// made at every load line, and what stands there already takes their texts over: two a second cost a
// browser less than a scroll.

import { bars, byId, html, meter, named, pairs, renew, row, say } from "./dom.js";
import * as format from "./format.js";

const CAUSES_MAX = 6;

const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);

const falling = (counts) => Object.entries(counts).sort(([, one], [, other]) => other - one);

const counted = (counts) => falling(counts).map(([name, count]) => [format.words(name), count, format.count(count)]);

/** Beside the ship: what is carried, of how much, and what would stop it. */
function showLoad(line) {
  const { bottleneck, next_bottleneck: next, knee } = line;
  say(byId("freeboard"), format.share(line.headroom));
  const limit = bottleneck ? ` of ${format.rate(bottleneck.limit_per_s)}` : "; its limit shows once there is load";
  say(byId("carried"), `Carries ${format.rate(line.rate_per_s)}${limit}.`);
  say(byId("bottleneck"), bottleneck ? format.words(bottleneck.resource) : format.NONE);
  say(byId("bottleneck-law"), bottleneck?.law ?? "");
  say(byId("next"), next ? `${format.words(next.resource)}, ${format.rate(next.limit_per_s)}` : format.NONE);
  const { predicted, measured_per_s: measured } = knee;
  const mix = knee.mix && `, mix ${format.words(knee.mix)}`;
  say(byId("predicted"), format.rate(predicted?.p50));
  say(byId("predicted-range"), predicted ? `P5 ${format.rate(predicted.p5)} to P95 ${format.rate(predicted.p95)}${mix}` : "");
  byId("predicted-by").hidden = predicted !== null;
  say(byId("measured"), format.rate(measured));
  say(byId("measured-at"), measured === null ? "" : `${format.moment(knee.at_ms)}${mix}`);
  byId("measured-by").hidden = measured !== null;
}

/** In the bar at the top: whether risk is taken, whether the books balance, since when. */
function showSignals(line) {
  const signal = (id, text, bad) => {
    const item = byId(id);
    item.hidden = false;
    item.classList.toggle("bad", bad);
    say(item, bad ? `▲ ${text}` : text);
  };
  signal("gate", line.gate === null ? "Takes new risk" : `Refuses new risk: ${format.words(line.gate)}`, line.gate !== null);
  signal("books", line.conserved ? "Counts add up" : "Counts do not add up", !line.conserved);
  signal("uptime", `Up ${format.duration(Math.floor(line.uptime_s))}`, false);
}

function waitingFor(batches) {
  if (batches === null) return "";
  return batches.unposted ? `oldest ${format.duration(batches.oldest_unposted_s)}` : "nothing waits";
}

function showStrip(line) {
  const { risk, fee, marks, batches } = line;
  const slowest = line.lanes.reduce((worst, lane) => (lane.waited_p99_ms > (worst?.waited_p99_ms ?? -1) ? lane : worst), null);
  const stale = marks?.stale.length ?? 0;
  const missed = risk?.audit.misses ?? 0;
  const found = risk ? "since the start" : "";
  pairs(byId("strip"), [
    ["Slowest lane, p99", format.milliseconds(slowest?.waited_p99_ms), slowest ? format.words(slowest.name) : ""],
    ["Liquidation delay, p99", format.milliseconds(risk?.detection_ms.p99), missed ? `▲ ${format.count(missed)} missed at the audit` : found, missed > 0],
    ["Refused", format.count(sum(line.refusals)), "since the start"],
    ["Fee", fee ? format.times(fee.price / fee.floor) : format.NONE, fee ? "of its floor" : "none is charged"],
    ["Oldest mark", format.duration(marks?.oldest_age_s), stale ? `▲ ${format.count(stale)} stale` : marks ? "none is stale" : "", stale > 0],
    ["Not on L1 yet", batches ? format.bytes(batches.unposted_bytes) : format.NONE, waitingFor(batches)],
    ["Final after", format.duration(batches?.lag_s.final), batches ? "the last batch" : ""],
  ]);
}

function showLanes(lanes) {
  renew(byId("lanes"), ...lanes.map((lane) => row(
    format.words(lane.name),
    meter(lane.depth / lane.capacity),
    `${format.count(lane.depth)} of ${format.count(lane.capacity)}`,
    format.milliseconds(lane.waited_p99_ms),
    format.count(sum(lane.refused)),
  )));
}

/** The causes that are most frequent, as many as stand beside the lanes; the others on demand. */
function showRefusals(refusals) {
  const causes = counted(refusals);
  const often = causes.length > CAUSES_MAX ? CAUSES_MAX - 1 : causes.length;
  const rare = causes.slice(often);
  bars(byId("refusals"), causes.slice(0, often), "Nothing was refused.");
  say(byId("refusals-total"), `${format.count(sum(refusals))} since the start`);
  byId("refusals-rest").hidden = rare.length === 0;
  say(byId("refusals-more"), `and ${rare.length} more`);
  bars(byId("refusals-rare"), rare, "", causes[0]?.[1]);
}

function showRisk(risk) {
  pairs(byId("risk"), risk ? [
    ["Found after the mark, p50", format.milliseconds(risk.detection_ms.p50)],
    ["Found after the mark, p99", format.milliseconds(risk.detection_ms.p99)],
    ["Late by the tiers alone", format.count(risk.late)],
    ["Missed at the audit", `${format.count(risk.audit.misses)} of ${format.count(risk.audit.samples)}`, "", risk.audit.misses > 0],
    ["Work kept in each block", format.count(risk.reserve_work), "now"],
  ] : [["Risk", format.NONE]]);
  bars(byId("tiers"), risk ? counted(risk.tiers) : [], "No check was made yet.");
}

function showFee(fee) {
  pairs(byId("fee"), fee ? [
    ["Price of a work unit", `${format.count(fee.price)} µ`],
    ["Its floor", `${format.count(fee.floor)} µ`],
    ["Set by", fee.dearest === null ? format.NONE : format.words(fee.dearest)],
  ] : [["Price of a work unit", format.NONE]]);
  const table = byId("backlogs");
  if (!fee) return renew(table);
  const windows = [...new Set(Object.values(fee.backlogs).flatMap(Object.keys))].sort((one, other) => one - other);
  const head = (text, kind) => Object.assign(html("th", kind, text), { scope: "col" });
  const names = html("tr", "", head("Backlog over", ""), ...windows.map((window) => head(format.duration(Number(window)), "number")));
  const rows = Object.entries(fee.backlogs).map(([name, units]) =>
    row(format.words(name), ...windows.map((window) => format.count(units[window]))));
  renew(table, html("thead", "", names), html("tbody", "", ...rows));
}

function showBatches(batches) {
  const levels = ["sealed", "posted", "safe", "final"];
  renew(byId("steps"), ...levels.map((level) => {
    const lag = batches?.lag_s[level];
    const after = lag === undefined ? "" : `+${format.duration(lag)}`;
    return named(level, html("li", "", html("b", "", format.count(batches?.[level])), level, html("br"), after));
  }));
  pairs(byId("batches"), batches ? [
    ["Waiting for L1", format.count(batches.unposted), batches.unposted ? format.bytes(batches.unposted_bytes) : ""],
    ["Oldest of them", batches.unposted ? format.duration(batches.oldest_unposted_s) : format.NONE],
  ] : []);
}

function showMarks(marks) {
  const stale = marks?.stale ?? [];
  pairs(byId("marks"), [["Oldest", format.duration(marks?.oldest_age_s), "", stale.length > 0]]);
  renew(byId("stale"), ...stale.map((symbol) => named(symbol, html("li", "", `▲ ${symbol} is stale`))));
  const buffers = falling(marks?.buffer_ppm ?? {});
  bars(byId("buffers"), buffers.map(([symbol, ppm]) => [symbol, ppm, format.partsPerMillion(ppm)]), "None is charged.");
}

function backlogOf({ items, bytes, gas }) {
  const parts = [format.count(items)];
  if (items === 0) return parts[0];
  if (bytes !== null) parts.push(format.bytes(bytes));
  if (gas !== null) parts.push(format.gas(gas));
  return parts.join(" · ");
}

// Where the limit is known, a backlog that drains at no time stands or grows.
function drainOf({ limit_per_s: limit, backlog }) {
  return backlog.drain_s === null && limit !== null ? "not now" : format.duration(backlog.drain_s);
}

function showStages(stages) {
  renew(byId("stage-rows"), ...stages.map((stage) => row(
    format.words(stage.name),
    html("span", "", stage.runs_on),
    format.share(stage.utilization),
    format.rate(stage.limit_per_s),
    format.share(stage.headroom),
    stage.capacity === null ? format.count(stage.held) : `${format.count(stage.depth)} of ${format.count(stage.capacity)}`,
    backlogOf(stage.backlog),
    drainOf(stage),
    format.milliseconds(stage.wait_p99_ms),
    format.microseconds(stage.service_p50_us),
    format.count(sum(stage.refused)),
  )));
}

/** Show every figure of a load line. */
export function showFigures(line) {
  showLoad(line);
  showSignals(line);
  showStrip(line);
  showLanes(line.lanes);
  showRefusals(line.refusals);
  showBatches(line.batches);
  showRisk(line.risk);
  showFee(line.fee);
  showMarks(line.marks);
  showStages(line.stages);
}
