// The page: header, the bar with the filter, and the parts.

const CONCLUSIONS = {
  clean: ["good", "Clean", report.findings.length === 0 ? "No task outlived its test." : "What was left behind does not count: it is third-party, unsure or accepted."],
  leaked: ["bad", "Leaked", "Tasks or threads outlived their tests."],
  panicked: ["bad", "Panicked", "A task panicked, and nobody awaited it."],
  cannot_judge: ["warn", "Cannot judge", "No leak that counts was seen, but one may have been missed."],
  baseline_outdated: ["warn", "Baseline outdated", "Entries of the baseline no longer occur."],
};

/** What could not be judged, each program's reason among it. */
function unjudged() {
  const programs = report.programs.filter((program) => program.unobserved !== null).map((program) => `${program.name}: ${program.unobserved}`);
  return [...new Set([...report.unjudged, ...programs])];
}

function header() {
  const [tone, title, said] = CONCLUSIONS[report.conclusion] || ["warn", report.conclusion, ""];
  const sums = new Map(ORDER.map((name) => [name, 0]));
  for (const group of groups) sums.set(group.class, sums.get(group.class) + group.count);
  const { totals } = report;
  const tile = (value, name, kind) => el("div", { class: `tile ${kind || ""}` }, el("dd", null, value), el("dt", null, name));
  const shards = report.shards.length > 0 ? `shards ${report.shards.map((shard) => `${shard.index}/${shard.count}`).join(", ")}` : null;
  const about = [report.command && el("code", null, report.command), shards, report.version && `leak-audit ${report.version}`].filter(Boolean);
  return el(
    "header",
    { class: `top ${tone}` },
    el(
      "div",
      { class: "verdict" },
      el("div", null, el("p", { class: "product" }, "leak-audit"), el("h1", { id: "verdict" }, title), el("p", { class: "said" }, said)),
      el("button", { type: "button", id: "theme", onclick: turn_theme }, "Dark or light"),
    ),
    el(
      "dl",
      { class: "tiles" },
      tile(number(sums.get("leaked") + sums.get("blocked")), "left behind", sums.get("leaked") + sums.get("blocked") > 0 ? "bad" : tone === "good" ? "good" : ""),
      tile(number(sums.get("third-party")), "third-party", sums.get("third-party") > 0 ? "warn" : ""),
      tile(number(totals.tasks), totals.threads > 0 ? `tasks, and ${count(totals.threads, "thread")}` : "tasks seen"),
      // Of a command nobody said which tests it has run.
      totals.tests === 0 && report.programs.length > 0 ? null : tile(number(totals.tests), totals.failed > 0 ? `tests, ${number(totals.failed)} failed` : "tests", totals.failed > 0 ? "warn" : ""),
      tile(number(report.programs.length), report.programs.length === 1 ? "program" : "programs"),
      tile(duration(totals.took_ms * 1e6), "taken"),
    ),
    el("p", { class: "about" }, about.flatMap((part, index) => (index > 0 ? [" · ", part] : [part]))),
  );
}

function notices() {
  const boxes = [];
  const reasons = unjudged();
  if (reasons.length > 0) boxes.push(notice("warn", "Could not be judged", reasons));
  if (report.panics.length > 0) boxes.push(notice("warn", "Panicked, and nobody awaited it", report.panics));
  if (report.notes.length > 0) boxes.push(notice("warn", "To know", report.notes));
  const ended = report.programs.filter((program) => program.ended !== null).map((program) => `${program.name}: ${program.ended}`);
  if (ended.length > 0) boxes.push(notice("warn", "Ended badly", ended));
  const gone = report.baseline ? report.baseline.gone : [];
  if (gone.length > 0) boxes.push(notice("warn", `No longer occurs: remove it from ${report.baseline.path}`, gone.map((entry) => `${entry.id} ${entry.about}`)));
  return boxes.length > 0 ? el("div", { class: "notices" }, boxes) : null;
}

function notice(tone, title, lines) {
  const MOST = 20;
  const rest = lines.length - MOST;
  return el(
    "aside",
    { class: `notice ${tone}` },
    el("h2", null, title),
    el("ul", null, lines.slice(0, MOST).map((line) => el("li", null, line)), rest > 0 ? el("li", null, `and ${number(rest)} more`) : null),
  );
}

const filter = el("input", {
  type: "search", id: "filter", placeholder: "Filter: test, function, file, reason, id …", autocomplete: "off", spellcheck: "false",
  "aria-label": "Filter everything", oninput: () => later(),
});

function toolbar(parts) {
  const counts = new Map(ORDER.map((name) => [name, groups.filter((group) => group.class === name).length]));
  const chips = ORDER.filter((name) => counts.get(name) > 0).map((name) =>
    el("button", { type: "button", class: `chip ${name}`, "aria-pressed": "true", "data-class": name, onclick: (event) => turn_class(name, event.currentTarget) }, name, el("span", null, number(counts.get(name)))),
  );
  const links = parts.map(([id, title]) => el("a", { href: `#${id}` }, title));
  return el(
    "nav",
    { class: "bar", "aria-label": "Filter and sections" },
    filter,
    el("div", { class: "chips", role: "group", "aria-label": "Verdicts that are shown" }, chips),
    el("div", { class: "links" }, links),
  );
}

function turn_class(name, chip) {
  if (!classes.delete(name)) classes.add(name);
  chip.setAttribute("aria-pressed", String(classes.has(name)));
  findings.update();
}

function turn_theme() {
  const root = document.documentElement;
  const is_dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = is_dark ? "light" : "dark";
}

function set_filter(text) {
  filter.value = text;
  update();
  document.getElementById("findings").scrollIntoView();
}

let waiting = 0;
/** Filters once the hand rests: a large report takes a moment. */
function later() {
  clearTimeout(waiting);
  waiting = setTimeout(update, report.findings.length + report.sites.length > 2000 ? 200 : 0);
}

let parts = [];
function update() {
  clearTimeout(waiting);
  terms = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const part of parts) part.update();
  document.documentElement.dataset.filter = filter.value;
}

function start() {
  parts = [findings, flame, timeline, tests_table];
  const titles = [["findings", "Findings"], ["flame", "Spawn stacks"], ["timeline", "Lifetimes"], ["tests", "Tests"]];
  if (report.suspects.length > 0) {
    parts.push(suspects_table);
    titles.push(["suspects", "Suspects"]);
  }
  const page = document.getElementById("page");
  page.append(header(), toolbar(titles), el("main", null, notices(), parts.map((part) => part.section())));
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== filter) {
      event.preventDefault();
      filter.focus();
    }
  });
  update();
  // Cards are added as one scrolls to the end of them.
  new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting) && !findings.more.hidden && findings.added < findings.chosen.length) findings.add();
  }, { rootMargin: "200px" }).observe(findings.more);
}

start();
