// The page: one feed in, one picture out. What each part shows stands in its own module.

import { Charts } from "./charts.js";
import { byId, say } from "./dom.js";
import { Feed } from "./feed.js";
import { Fleet } from "./fleet.js";
import * as format from "./format.js";
import { History } from "./history.js";
import { showFigures } from "./panels.js";
import { Ship } from "./ship.js";

const LINK = { connecting: "Connecting", live: "Live", silent: "Silent", lost: "Lost", refused: "Refused" };
const NEWS_SHOWN_MS = 15_000;

const history = new History();
const charts = new Charts(history);
const fleet = new Fleet();
const ship = new Ship();
let news = 0;

function show(line) {
  const restarted = history.add(line);
  showFigures(line);
  fleet.show(line);
  ship.show(line);
  const before = line.headroom === null ? "" : `${format.share(line.headroom)} freeboard · `;
  if (document.title !== `${before}Plimsoll`) document.title = `${before}Plimsoll`;
  if (restarted) tellRestart();
}

function notice(kind, title, text, canRetry) {
  const box = byId("notice");
  box.hidden = false;
  box.dataset.kind = kind;
  say(byId("notice-title"), title);
  say(byId("notice-text"), text);
  byId("retry").hidden = !canRetry;
}

function tellRestart() {
  notice("news", "The node was restarted.", "Its counters began again at zero.", false);
  news = setTimeout(() => { byId("notice").hidden = true; }, NEWS_SHOWN_MS);
}

function stateChanged(state, detail) {
  // Between two attempts nothing has changed for the reader.
  const before = document.body.dataset.state;
  const waiting = state === "connecting" && before !== "connecting";
  if (!waiting) document.body.dataset.state = state;
  say(byId("link-text"), waiting ? `${LINK[before]}, trying again` : LINK[state]);
  clearTimeout(news);
  const since = history.last === null ? "" : ` What is shown is from ${format.timeOfDay(history.last.at_ms)}.`;
  if (state === "live") byId("notice").hidden = true;
  if (state === "live" || state === "connecting") return;
  document.title = `${LINK[state]} · Plimsoll`;
  history.gap(state !== "silent");
  if (state === "silent") {
    notice("loss", "The node says nothing.", `It is connected, but does not tell its load.${since}`, false);
  } else if (state === "refused") {
    notice("loss", "The node does not tell its load.", `It says: ${format.words(detail)}. This page asks again by itself.${since}`, true);
  } else {
    notice("loss", "The node is lost.", `This page goes on by itself when it is back.${since}`, true);
  }
}

const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const feed = new Feed(`${scheme}//${location.host}/ws`, show, stateChanged);
byId("retry").addEventListener("click", () => feed.now());
feed.start();
charts.start();
