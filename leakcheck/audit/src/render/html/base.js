"use strict";
// What the page's parts share. Nothing here makes HTML of text: every string of the report becomes a text node.

/** The report, whose stacks and chains of awaits are shared objects where they are alike. */
const report = (() => {
  const element = document.getElementById("report");
  const { conclusion, report, shared, findings, sites } = JSON.parse(element.textContent);
  const whole = (row) => {
    row.spawned = shared[row.spawned];
    if (typeof row.awaits === "number") row.awaits = shared[row.awaits];
    return row;
  };
  element.remove();
  return Object.assign(report, { conclusion, findings: findings.map(whole), sites: sites.map(whole) });
})();

/** An element with attributes and children; `on…` attributes are listeners. Children may be null. */
function el(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== "") element.append(child);
  }
  return element;
}

const number = (value) => value.toLocaleString("en");
const count = (value, one, many) => `${number(value)} ${value === 1 ? one : many || one + "s"}`;

/** `src/a.rs:8`; empty where there is no file. A dependency's file begins where cargo unpacked it: `hyper-1.4.1/src/lib.rs:8`. */
function location_of(place) {
  if (!place || !place.file) return "";
  const unpacked = /(?:\/registry\/src\/[^/]+|\/git\/checkouts|\/lib\/rustlib\/src\/rust)\/(.+)/.exec(place.file.replaceAll("\\", "/"));
  const file = unpacked ? unpacked[1] : place.file;
  return place.line === null ? file : `${file}:${place.line}`;
}

/** The dependency whose file this is, by where cargo unpacks them; null where it is none. */
function dependency_of(place) {
  if (!place.file) return null;
  const file = place.file.replaceAll("\\", "/");
  let found = /\/registry\/src\/[^/]+\/(.+?)-(\d[^/]*)\//.exec(file);
  if (found) return `${found[1]} ${found[2]}`;
  found = /\/git\/checkouts\/([^/]+?)(?:-[^/-]*)?\/([^/]+)\//.exec(file);
  if (found) return `${found[1]} ${found[2]}`;
  return /^\/rustc\/|\/lib\/rustlib\/src\/rust\//.test(file) ? "std" : null;
}

/** A path without what is before its last two segments, unless these are in brackets. */
function short(path) {
  const plain = /^[\w:{}#.!]+$/.test(path);
  const segments = path.split("::");
  return plain && segments.length > 2 ? segments.slice(-2).join("::") : path;
}

function duration(nanoseconds) {
  if (nanoseconds < 1e6) return `${(nanoseconds / 1e3).toFixed(0)} µs`;
  if (nanoseconds < 1e9) return `${(nanoseconds / 1e6).toFixed(nanoseconds < 1e7 ? 1 : 0)} ms`;
  if (nanoseconds < 6e10) return `${(nanoseconds / 1e9).toFixed(2)} s`;
  return `${Math.floor(nanoseconds / 6e10)} min ${Math.round((nanoseconds % 6e10) / 1e9)} s`;
}

const KINDS = { task: "task", blocking: "blocking task", thread: "thread" };
const things = (kind, value) => count(value, KINDS[kind] || kind);

/** What a finding is shown as: its verdict, or that it is accepted. */
const class_of = (finding) => (finding.accepted === null ? finding.verdict : "accepted");

function fails(finding) {
  if (finding.accepted !== null) return false;
  return ["leaked", "blocked"].includes(finding.verdict) || (finding.verdict === "third-party" && report.deny_third_party);
}

/** Where the workspace's own code led to the spawn; the innermost call where none is its own. */
const own_place = (stack) => stack.find((place) => place.file && !dependency_of(place)) || stack[0];

function subject_of(finding) {
  const tracked = finding.tracked && [finding.tracked.group, finding.tracked.name].filter(Boolean).join(" › ");
  const place = own_place(finding.spawned);
  return tracked || (finding.awaits && finding.awaits.future) || (place && place.function) || "spawned by an unknown function";
}

/** The terms of the filter box. Everything that is shown matches all of them. */
let terms = [];
const matches = (haystack) => terms.every((term) => haystack.includes(term));

/** What a function made of an object, made once. */
const once = (make) => {
  const known = new WeakMap();
  return (of) => {
    if (!known.has(of)) known.set(of, make(of));
    return known.get(of);
  };
};

const stack_text = once((stack) => stack.map((place) => `${place.function} ${location_of(place)}`).join(" ").toLowerCase());
const awaits_text = once((root) => {
  const parts = [];
  for (const todo = [root]; todo.length > 0; ) {
    const awaits = todo.pop();
    parts.push(awaits.future, awaits.state, location_of(awaits.at));
    todo.push(...awaits.awaits);
  }
  return parts.join(" ").toLowerCase();
});

/** Whether every term of the filter is in one of the texts. */
const matches_any = (texts) => terms.every((term) => texts.some((text) => text.includes(term)));

/** Text in which the filter's terms are marked. */
function marked(text) {
  const found = terms.filter((term) => text.toLowerCase().includes(term));
  if (found.length === 0) return [text];
  const lower = text.toLowerCase();
  // A letter whose small form is longer would shift what follows.
  if (lower.length !== text.length) return [text];
  const parts = [];
  let at = 0;
  while (at < text.length) {
    let next = -1;
    let length = 0;
    for (const term of found) {
      const index = lower.indexOf(term, at);
      if (index >= 0 && (next < 0 || index < next || (index === next && term.length > length))) {
        next = index;
        length = term.length;
      }
    }
    if (next < 0) break;
    parts.push(text.slice(at, next), el("mark", null, text.slice(next, next + length)));
    at = next + length;
  }
  parts.push(text.slice(at));
  return parts;
}

/** A place as code, with its function. */
function place_row(place, extra) {
  const where = location_of(place);
  return el(
    "li",
    { class: "place" },
    el("span", { class: "function" }, marked(place.function || "?")),
    where ? el("span", { class: "where" }, marked(where)) : null,
    extra || null,
  );
}

/** A section of the page with its heading and the number of what it shows. */
function section(id, title, ...content) {
  const shown = el("span", { class: "shown", id: `${id}-shown` });
  return el(
    "section",
    { id, "aria-labelledby": `${id}-title` },
    el("h2", { id: `${id}-title` }, title, " ", shown),
    ...content,
  );
}

function say_shown(id, shown, all) {
  const element = document.getElementById(`${id}-shown`);
  element.textContent = shown === all ? number(all) : `${number(shown)} of ${number(all)}`;
}
