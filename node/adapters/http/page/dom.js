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

/** A row of a list of terms: [term, figure, remark, whether it is bad]. */
function pair([term, figure, remark = "", bad = false]) {
  const value = html("dd", "", figure);
  if (remark) value.append(html("small", "", ` ${remark}`));
  return html("div", bad ? "bad" : "", html("dt", "", term), value);
}

export function pairs(list, rows) {
  list.replaceChildren(...rows.map(pair));
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
  const items = rows.map(([name, size, shown]) =>
    html("li", "", html("span", "", name), html("b", "", shown), meter(most ? size / most : 0)));
  list.replaceChildren(...(items.length ? items : [html("li", "calm", calm)]));
}

/** A table row: its first cell heads it; a text is a number, set to the right, an element is not. */
export function row(head, ...cells) {
  const first = html("th", "", head);
  first.scope = "row";
  return html("tr", "", first, ...cells.map((cell) =>
    html("td", cell instanceof Node ? "" : "number", cell)));
}
