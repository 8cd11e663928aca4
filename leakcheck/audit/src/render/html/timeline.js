// When the tasks of each spawn site lived, on the clock of their process.

const timeline = {
  /** How many rows are drawn. */
  MOST: 400,
  rows: [],
  body: el("div", { class: "timeline", role: "list", "aria-label": "Lifetimes by spawn site", id: "timeline-rows" }),
  axis: el("div", { class: "axis", "aria-hidden": "true" }),
  note: el("p", { class: "hint", id: "timeline-note" }),

  section() {
    this.rows = lifetime_rows();
    const hint = "A bar from a site's first spawn to the end of its last task; darker, each task that was left behind. Time runs from the start of each process.";
    return section("timeline", "Lifetimes", el("p", { class: "hint" }, hint), this.axis, this.body, this.note);
  },

  update() {
    const chosen = this.rows.filter((row) => matches_any(site_texts(row)));
    say_shown("timeline", chosen.length, this.rows.length);
    const shown = chosen.slice(0, this.MOST);
    const end = shown.reduce((end, row) => Math.max(end, row.to), 1);
    this.axis.replaceChildren(...[0, 0.25, 0.5, 0.75, 1].map((share) => {
      const tick = el("span", null, share === 0 ? "0" : duration(end * share));
      tick.style.left = `${share * 100}%`;
      return tick;
    }));
    this.axis.hidden = shown.length === 0;
    this.body.replaceChildren(...shown.map((row) => this.row(row, end)));
    if (shown.length === 0) this.body.append(el("p", { class: "empty" }, this.rows.length === 0 ? "No lifetimes were recorded." : "Nothing matches the filter."));
    const rest = chosen.length - shown.length;
    this.note.textContent = rest > 0 ? `${count(rest, "more row")} not drawn: filter to see them.` : "";
  },

  row(row, end) {
    const track = el("div", { class: "track" });
    const bar = (life, kind) => {
      const element = el("div", { class: `bar ${kind}` });
      element.style.left = `${(life.from_ns / end) * 100}%`;
      element.style.width = `${Math.max(0.2, (Math.max(0, life.to_ns - life.from_ns) / end) * 100)}%`;
      return element;
    };
    if (row.lived) track.append(bar(row.lived, row.left > 0 ? "some" : "none"));
    track.append(...row.lifetimes.slice(0, 50).map((life) => bar(life, "left")));
    const said = `${row.name}, ${row.test || row.program}: ${count(row.tasks, "task")}, ${number(row.left)} left behind, from ${duration(row.from)} to ${duration(row.to)}`;
    return el(
      "div",
      { class: "life", role: "listitem", title: said, "aria-label": said },
      el("div", { class: "label" }, el("span", { class: "function" }, marked(row.name)), el("span", { class: "test" }, marked(row.test || row.program))),
      track,
    );
  },
};

/** A row for each site that lived, with the lifetimes of the findings that it left. */
function lifetime_rows() {
  const key = (of) => `${of.program}\n${of.test}\n${shared_id(of.spawned)}`;
  const rows = new Map();
  for (const site of report.sites) {
    if (!site.lived) continue;
    rows.set(key(site), { ...row_of(site), tasks: site.tasks, left: site.left, lived: site.lived });
  }
  for (const finding of report.findings) {
    if (finding.lifetimes.length === 0) continue;
    const row = rows.get(key(finding)) || { ...row_of(finding), tasks: finding.count, left: finding.count, lived: null };
    rows.set(key(finding), row);
    for (const life of finding.lifetimes) row.lifetimes.push(life);
  }
  for (const row of rows.values()) {
    const lives = row.lived ? [row.lived, ...row.lifetimes] : row.lifetimes;
    row.from = lives.reduce((from, life) => Math.min(from, life.from_ns), Infinity);
    row.to = lives.reduce((to, life) => Math.max(to, life.to_ns), 0);
  }
  return [...rows.values()].sort((a, b) => (b.left > 0) - (a.left > 0) || a.from - b.from);
}

function row_of(of) {
  const place = own_place(of.spawned);
  const name = place ? short(place.function) || location_of(place) : "unknown";
  return { name: name || "unknown", program: of.program, test: of.test, spawned: of.spawned, lifetimes: [] };
}
