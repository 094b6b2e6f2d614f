// Making and filling elements. Whatever comes from the node goes in as text, never as markup, and
// styles are set through the object model, which the page's policy allows.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** An element with a class, and children that are elements or text. */
export function html(tag, name = "", ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children);
  return element;
}

/** An SVG element with attributes and children. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Set a text; an element that already says so is left alone. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Give an element the name by which `renew` knows it again. */
export function named(name, element) {
  element.dataset.name = name;
  return element;
}

/** Show `fresh` in `list`. What is there already under the same name stays, and says and looks as the
 *  fresh one does: a selection survives, and so does the place of whoever has it read to them. */
export function renew(list, ...fresh) {
  const nameOf = (element) => element.dataset.name ?? element.localName;
  const there = new Map([...list.children].map((element) => [nameOf(element), element]));
  const shown = fresh.map((element) => {
    const kept = there.get(nameOf(element));
    if (kept) adopt(kept, element);
    return kept ?? element;
  });
  const same = shown.length === list.children.length && shown.every((element, at) => element === list.children[at]);
  if (!same) list.replaceChildren(...shown);
}

function adopt(kept, fresh) {
  if (kept.nodeType === Node.TEXT_NODE) {
    if (kept.data !== fresh.data) kept.data = fresh.data;
    return;
  }
  if (kept.className !== fresh.className) kept.className = fresh.className;
  if (kept.style.transform !== fresh.style.transform) kept.style.transform = fresh.style.transform;
  const [before, now] = [[...kept.childNodes], [...fresh.childNodes]];
  const alike = before.length === now.length && before.every((node, at) => node.nodeName === now[at].nodeName);
  if (alike) before.forEach((node, at) => adopt(node, now[at]));
  else kept.replaceChildren(...now);
}

/** A row of a list of terms: [term, figure, remark, whether it is bad]. */
function pair([term, figure, remark = "", bad = false]) {
  const value = html("dd", "", figure);
  if (remark) value.append(html("small", "", ` ${remark}`));
  return named(term, html("div", bad ? "bad" : "", html("dt", "", term), value));
}

export function pairs(list, rows) {
  renew(list, ...rows.map(pair));
}

/** A bar that is `part` of its width; what it shows also stands beside it as a number. */
export function meter(part) {
  const fill = html("i");
  fill.style.transform = `scaleX(${Math.max(0, Math.min(1, part || 0))})`;
  const bar = html("div", "meter", fill);
  bar.setAttribute("aria-hidden", "true");
  return bar;
}

/** A list of [name, number, shown], each with its bar, which is full at `most`; `calm` is said where
 *  there is nothing. */
export function bars(list, rows, calm, most = Math.max(...rows.map(([, size]) => size), 0)) {
  const items = rows.map(([name, size, shown]) => {
    const label = Object.assign(html("span", "", name), { title: name });
    return named(name, html("li", "", label, html("b", "", shown), meter(most ? size / most : 0)));
  });
  renew(list, ...(items.length ? items : [html("li", "calm", calm)]));
}

/** A table row: its first cell heads it; a text is a number, set to the right, an element is not. */
export function row(head, ...cells) {
  const first = html("th", "", head);
  first.scope = "row";
  return named(head, html("tr", "", first, ...cells.map((cell) =>
    html("td", cell instanceof Node ? "" : "number", cell))));
}
