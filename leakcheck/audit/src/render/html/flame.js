// All spawn stacks, folded: the outermost call at the top, the spawn at the bottom, as wide as the tasks that were spawned below.

const flame = {
  /** What a frame's width counts: `tasks` or `left`. */
  measure: "tasks",
  /** The share of the width that a frame needs for its name. */
  NAMED: 0.022,
  root: null,
  zoomed: null,
  focused: null,
  elements: new Map(),
  graph: el("div", { class: "flame", role: "tree", "aria-label": "Flame graph of spawn stacks", id: "flame-graph" }),
  detail: el("p", { class: "detail", id: "flame-detail", "aria-live": "polite" }),
  note: el("p", { class: "hint", id: "flame-note" }),

  section() {
    const button = (measure, text) =>
      el("button", { type: "button", "aria-pressed": String(this.measure === measure), "data-measure": measure, onclick: (event) => this.choose(measure, event) }, text);
    const reset = el("button", { type: "button", id: "flame-reset", onclick: () => this.zoom(this.root) }, "Reset zoom");
    const keys = "Click a call to zoom in. With the keyboard: arrows move, Enter zooms, Escape zooms out.";
    this.graph.addEventListener("keydown", (event) => this.key(event));
    return section(
      "flame", "Spawn stacks",
      el("p", { class: "hint" }, keys),
      el("div", { class: "tools", role: "group", "aria-label": "What the width counts" }, button("tasks", "All tasks"), button("left", "Left behind"), reset),
      el("p", { class: "legend" },
        el("span", { class: "swatch left" }), "tasks left behind: the redder, the more of them", el("span", { class: "swatch own" }), "own code", el("span", { class: "swatch dependency" }), "dependency"),
      this.graph, this.detail, this.note,
    );
  },

  choose(measure, event) {
    this.measure = measure;
    for (const button of event.target.parentElement.querySelectorAll("[data-measure]")) {
      button.setAttribute("aria-pressed", String(button.dataset.measure === measure));
    }
    this.update();
  },

  /** Folds the sites that match the filter. */
  update() {
    const chosen = report.sites.filter((site) => matches_any(site_texts(site)));
    say_shown("flame", chosen.length, report.sites.length);
    this.root = frame(null, { function: "all spawns", file: null, line: null });
    for (const site of chosen) {
      const value = site[this.measure];
      if (value === 0) continue;
      const calls = [{ function: site.program, file: null, line: null }, ...[...site.spawned].reverse()];
      let at = this.root;
      at.value += value;
      at.left += site.left;
      at.tasks += site.tasks;
      for (const place of calls) {
        const key = `${place.function}\n${place.file}\n${place.line}`;
        let next = at.children.get(key);
        if (!next) at.children.set(key, (next = frame(at, place)));
        next.value += value;
        next.left += site.left;
        next.tasks += site.tasks;
        at = next;
      }
    }
    this.zoom(this.root);
  },

  zoom(to) {
    this.zoomed = to;
    this.focused = to;
    this.draw();
  },

  draw() {
    const ROW = 24;
    // Narrower than this share of the width nothing can be seen or hit.
    const LEAST = 0.0012;
    this.elements.clear();
    const drawn = [];
    let deepest = 0;
    let hidden = 0;
    const put = (node, left, width, depth) => {
      if (width < LEAST) {
        hidden += 1;
        return;
      }
      deepest = Math.max(deepest, depth);
      drawn.push(this.element(node, left, width, depth, ROW));
      let at = left;
      const children = [...node.children.values()].sort((a, b) => b.value - a.value);
      for (const child of children) {
        const share = width * (child.value / node.value);
        todo.push([child, at, share, depth + 1]);
        at += share;
      }
    };
    const todo = [];
    const above = [];
    for (let node = this.zoomed.parent; node; node = node.parent) above.unshift(node);
    if (this.zoomed.value > 0) {
      above.forEach((node, depth) => drawn.push(this.element(node, 0, 1, depth, ROW)));
      put(this.zoomed, 0, 1, above.length);
      while (todo.length > 0) put(...todo.shift());
    }
    this.graph.style.height = `${(deepest + 1) * ROW}px`;
    this.graph.replaceChildren(...drawn);
    this.note.textContent = hidden > 0 ? `${count(hidden, "call")} too narrow to be drawn, and what is below: zoom in.` : "";
    if (drawn.length === 0) this.graph.append(el("p", { class: "empty" }, "No spawn matches."));
    this.describe(this.zoomed);
  },

  element(node, left, width, depth, row) {
    const dependency = dependency_of(node.place);
    const kind = node.left > 0 ? "left" : dependency ? "dependency" : "own";
    const name = short(node.place.function) || location_of(node.place) || "?";
    const is_hit = terms.length > 0 && terms.some((term) => `${node.place.function} ${location_of(node.place)}`.toLowerCase().includes(term));
    const element = el(
      "div",
      {
        class: `frame ${kind}${is_hit ? " hit" : ""}${node === this.zoomed ? " zoomed" : ""}`,
        role: "treeitem",
        tabindex: node === this.focused ? "0" : "-1",
        "aria-level": String(depth + 1),
        "aria-label": this.said(node),
        title: this.said(node),
        onclick: () => this.zoom(node),
        onmouseenter: () => this.describe(node),
        onfocus: () => this.describe(node),
      },
      // A letter or two of a name say nothing, and many of them side by side are noise.
      width < this.NAMED ? null : name,
    );
    element.style.left = `${left * 100}%`;
    element.style.width = `${width * 100}%`;
    element.style.top = `${depth * row}px`;
    if (node.left > 0) element.style.setProperty("--share", `${100 * Math.min(1, node.left / node.tasks)}%`);
    this.elements.set(node, element);
    return element;
  },

  said(node) {
    const share = this.root.value > 0 ? ` (${((100 * node.value) / this.root.value).toFixed(1)} %)` : "";
    const what = this.measure === "left" ? `${number(node.value)} left behind${share}` : `${count(node.value, "task")}${share}, ${number(node.left)} left behind`;
    const where = location_of(node.place);
    return `${node.place.function || "?"}${where ? `, ${where}` : ""}: ${what}`;
  },

  describe(node) {
    this.detail.textContent = this.said(node);
  },

  key(event) {
    const at = this.focused;
    const beside = (step) => {
      const all = at.parent ? [...at.parent.children.values()].sort((a, b) => b.value - a.value) : [];
      return all[all.indexOf(at) + step];
    };
    const below = () => [...at.children.values()].sort((a, b) => b.value - a.value)[0];
    const moves = { ArrowUp: () => at.parent, ArrowDown: below, ArrowLeft: () => beside(-1), ArrowRight: () => beside(1), Home: () => this.root };
    if (event.key === "Enter" || event.key === " ") {
      this.zoom(at);
    } else if (event.key === "Escape") {
      this.zoom(this.zoomed.parent || this.root);
    } else if (moves[event.key]) {
      const next = moves[event.key]();
      if (next && this.elements.has(next)) {
        this.elements.get(at)?.setAttribute("tabindex", "-1");
        this.focused = next;
        this.elements.get(next).setAttribute("tabindex", "0");
      }
    } else {
      return;
    }
    event.preventDefault();
    this.elements.get(this.focused)?.focus();
  },
};

function frame(parent, place) {
  return { parent, place, value: 0, left: 0, tasks: 0, children: new Map() };
}

/** What the filter looks for in a site. */
function site_texts(site) {
  site.own ??= `${site.program} ${site.test || ""}`.toLowerCase();
  return [site.own, stack_text(site.spawned)];
}
