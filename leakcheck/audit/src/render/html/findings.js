// The findings: those that are spawned at one place and wait alike are one card, whose body is made when it is opened. Each test that
// leaves one behind has its own stack, and so each has an id of its own.

/** How many cards are added at a time. */
const CHUNK = 100;
const ORDER = ["leaked", "blocked", "third-party", "unsure", "accepted"];

/** A number for an object that alike findings share. */
const shared_id = (() => {
  let last = 0;
  const id = once(() => (last += 1));
  return (of) => (of === null ? 0 : id(of));
})();

const groups = (() => {
  const groups = new Map();
  for (const [index, finding] of report.findings.entries()) {
    const place = own_place(finding.spawned);
    // Where it is not known what it waits for, the place alone says too little: it may be a helper that spawns anything.
    const looks = finding.awaits && place ? [place.function, location_of(place), shared_id(finding.awaits)] : [finding.id];
    const tracked = finding.tracked ? [finding.tracked.group, finding.tracked.name] : [];
    const told = [finding.accepted, finding.root, ...tracked, ...finding.why];
    const key = finding.id ? [class_of(finding), finding.kind, finding.program, ...looks, ...told].join("\n") : index;
    const group = groups.get(key);
    if (group) {
      group.count += finding.count;
      group.findings.push(finding);
    } else {
      groups.set(key, { class: class_of(finding), count: finding.count, findings: [finding] });
    }
  }
  const sorted = [...groups.values()];
  const rank = (group) => (fails(group.findings[0]) ? 0 : 10) + ORDER.indexOf(group.class);
  return sorted.sort((a, b) => rank(a) - rank(b));
})();

/** What the filter looks for in a group; what is shared with others is in texts of its own. */
function group_texts(group) {
  const [finding] = group.findings;
  group.own ??= [
    finding.verdict, finding.accepted || "", finding.kind, finding.program, subject_of(finding), finding.why.join(" "),
    ...group.findings.flatMap((other) => [other.id, other.how, other.test || ""]),
  ].join(" ").toLowerCase();
  const stacks = new Set(group.findings.map((other) => other.spawned));
  return [group.own, [...stacks].map(stack_text).join(" "), finding.awaits ? awaits_text(finding.awaits) : ""];
}

/** The classes that are shown. */
const classes = new Set(ORDER);

const findings = {
  list: el("div", { class: "cards", id: "findings-list" }),
  more: el("button", { type: "button", class: "more", hidden: true, onclick: () => findings.add() }),
  chosen: [],
  added: 0,

  section() {
    const hint = "What is spawned at one place and waits alike is shown once for all tests. Open one for its stacks.";
    return section("findings", "Findings", el("p", { class: "hint" }, hint), this.list, this.more);
  },

  update() {
    this.chosen = groups.filter((group) => classes.has(group.class) && matches_any(group_texts(group)));
    this.added = 0;
    this.list.replaceChildren();
    say_shown("findings", this.chosen.length, groups.length);
    if (this.chosen.length === 0) {
      this.list.append(el("p", { class: "empty" }, groups.length === 0 ? "Nothing was left behind." : "Nothing matches the filter."));
    }
    this.add();
  },

  add() {
    const next = this.chosen.slice(this.added, this.added + CHUNK);
    this.list.append(...next.map(card));
    this.added += next.length;
    const rest = this.chosen.length - this.added;
    this.more.hidden = rest === 0;
    this.more.textContent = `Show ${number(Math.min(rest, CHUNK))} more of ${number(rest)}`;
  },
};

function card(group) {
  const [finding] = group.findings;
  const place = own_place(finding.spawned);
  const tests = [...new Set(group.findings.map((other) => other.test || "outside of any test"))];
  const body = el("div", { class: "body" });
  const whose = finding.origin.dependency;
  const element = el(
    "details",
    { class: `card ${group.class}` },
    el(
      "summary",
      null,
      el("span", { class: `badge ${group.class}` }, group.class),
      el("span", { class: "number" }, things(finding.kind, group.count)),
      el(
        "span",
        { class: "subject" },
        marked(subject_of(finding)),
        whose ? el("span", { class: "whose" }, `${whose.name} ${whose.version}`) : null,
      ),
      el("span", { class: "where" }, place ? marked(location_of(place)) : ""),
      el("span", { class: "test" }, marked(tests[0]), tests.length > 1 ? ` and ${count(tests.length - 1, "other test")}` : null),
      finding.why.length > 0 ? el("span", { class: "why" }, marked(finding.why[0])) : null,
    ),
    body,
  );
  element.addEventListener("toggle", () => {
    if (element.open && body.childElementCount === 0) body.append(...card_body(finding, group, tests));
  });
  return element;
}

function part(title, ...content) {
  return el("div", { class: "part" }, el("h3", null, title), ...content);
}

function card_body(finding, group, tests) {
  const parts = [];
  if (finding.accepted !== null) parts.push(part("Accepted", el("p", null, finding.accepted)));
  const why = [...new Set(group.findings.map((other) => other.how)), ...finding.why].filter(Boolean);
  if (why.length > 0) parts.push(part("Why it was left", el("ul", { class: "plain" }, why.map((line) => el("li", null, marked(line))))));
  if (finding.root !== null) parts.push(part("Root", root_link(finding.root)));
  const waiting = finding.awaits
    ? el("ul", { class: "tree" }, chain(finding.awaits))
    : el("p", { class: "empty" }, finding.awaits_unknown === null ? "Not a future, or not observed." : `Unknown: ${finding.awaits_unknown}`);
  parts.push(
    el(
      "div",
      { class: "columns" },
      part("Where it waited", waiting),
      part("Spawned by", finding.spawned.length > 0 ? spawn_stack(finding.spawned) : el("p", { class: "empty" }, "Unknown.")),
    ),
  );
  if (finding.tracked) parts.push(part("Tracked by leakcheck", tracked_list(finding.tracked)));
  parts.push(part(`In ${finding.program}`, test_list(group, tests)));
  if (finding.id && !has_several(group)) parts.push(id_of(finding));
  return parts;
}

function root_link(id) {
  const root = report.findings.find((finding) => finding.id === id);
  const name = root ? subject_of(root) : id;
  return el("p", null, "It waits for ", el("button", { type: "button", class: "link", onclick: () => set_filter(id) }, name), ": mend that one.");
}

/** A chain of awaits as list items: one below the other, and a nested list where it branches. */
function chain(root) {
  const items = [];
  let awaits = root;
  for (;;) {
    const branches = awaits.awaits.length;
    const name = awaits.future || "a future of unknown type";
    const state = awaits.state === "suspended" && awaits.at ? "" : awaits.state;
    const item = el(
      "li",
      null,
      el("span", { class: branches > 1 ? "function branching" : "function" }, marked(branches > 1 ? `${name} of ${branches} branches` : name)),
      awaits.at ? el("span", { class: "where" }, marked(location_of(awaits.at))) : null,
      state ? el("span", { class: "state" }, marked(state)) : null,
    );
    items.push(item);
    if (branches === 1) {
      [awaits] = awaits.awaits;
      continue;
    }
    if (branches > 1) item.append(el("ul", { class: "branches" }, awaits.awaits.map((branch) => el("li", null, el("ul", null, chain(branch))))));
    return items;
  }
}

/** The calls, the innermost first; runs of dependencies' calls folded. */
function spawn_stack(stack) {
  const items = [];
  for (let at = 0; at < stack.length; ) {
    let end = at;
    while (at > 0 && end < stack.length && dependency_of(stack[end])) end += 1;
    if (end - at > 1) {
      const run = stack.slice(at, end);
      const of = [...new Set(run.map(dependency_of))].sort().join(", ");
      const summary = el("summary", null, `${count(run.length, "call")} in ${of}`);
      items.push(el("li", null, el("details", { class: "folded" }, summary, el("ol", null, run.map((place) => place_row(place))))));
      at = end;
    } else {
      items.push(place_row(stack[at]));
      at += 1;
    }
  }
  return el("ol", { class: "stack" }, items);
}

function tracked_list(tracked) {
  const rows = [
    ["group", tracked.group],
    ["name", tracked.name],
    ["spawned by", tracked.parent],
    ["alive", tracked.alive_ms === null ? null : duration(tracked.alive_ms * 1e6)],
    ["polled", tracked.polls === null ? null : count(tracked.polls, "time")],
    ["help", tracked.help],
  ].filter(([, value]) => value);
  const list = el("dl", null, rows.map(([name, value]) => [el("dt", null, name), el("dd", null, marked(value))]));
  const waits = tracked.waiting.length > 0 ? el("ol", { class: "stack" }, tracked.waiting.map((place) => place_row(place))) : null;
  return el("div", null, list, waits);
}

const id_of = (finding) => el("p", { class: "id" }, "id ", el("code", null, finding.id));

/** Whether its findings are not all of one stack. */
const has_several = (group) => group.findings.some((other) => other.id !== group.findings[0].id);

/** The tests; where each has a stack of its own, that and its id are below it. */
function test_list(group, tests) {
  const MOST = 200;
  const of = new Map();
  for (const finding of group.findings) {
    const test = finding.test || "outside of any test";
    of.set(test, [...(of.get(test) || []), finding]);
  }
  const several = has_several(group);
  const items = tests.slice(0, MOST).map((test) => {
    const own = of.get(test);
    const left = own.reduce((sum, finding) => sum + finding.count, 0);
    const line = [el("span", { class: "function" }, marked(test)), ` ${number(left)}`];
    if (!several) return el("li", null, line);
    const stacks = own.map((finding) => [spawn_stack(finding.spawned), finding.id ? id_of(finding) : null]);
    return el("li", null, el("details", { class: "folded" }, el("summary", null, line), stacks));
  });
  if (tests.length > MOST) items.push(el("li", { class: "empty" }, `and ${number(tests.length - MOST)} more`));
  return el("ul", { class: "plain" }, items);
}
