// The tests, the suspects, and the baseline's entries that must go.

/** A table whose rows are filtered, and added by and by. */
function table_part(id, title, heads, rows, make) {
  const body = el("tbody");
  const more = el("button", { type: "button", class: "more", hidden: true, onclick: () => add() });
  let chosen = [];
  let added = 0;
  const add = () => {
    const next = chosen.slice(added, added + CHUNK);
    body.append(...next.map(make));
    added += next.length;
    const rest = chosen.length - added;
    more.hidden = rest === 0;
    more.textContent = `Show ${number(Math.min(rest, CHUNK))} more of ${number(rest)}`;
  };
  return {
    section() {
      const head = el("tr", null, heads.map(([text, kind]) => el("th", { scope: "col", class: kind }, text)));
      return section(id, title, el("div", { class: "scroll" }, el("table", null, el("thead", null, head), body)), more);
    },
    update() {
      chosen = rows.filter((row) => matches(row.haystack));
      added = 0;
      body.replaceChildren();
      say_shown(id, chosen.length, rows.length);
      if (chosen.length === 0) body.append(el("tr", null, el("td", { colspan: String(heads.length), class: "empty" }, "Nothing matches.")));
      add();
    },
  };
}

const tests_table = (() => {
  const rows = report.programs.flatMap((program) =>
    program.tests.map((test) => ({ program, test, haystack: `${program.name} ${program.package || ""} ${test.name} ${test.outcome}`.toLowerCase() })),
  );
  rows.sort((a, b) => b.test.left - a.test.left || b.test.tasks - a.test.tasks);
  const most = rows.reduce((most, row) => Math.max(most, row.test.tasks), 1);
  const heads = [["Test", ""], ["Program", ""], ["Outcome", ""], ["Tasks", "right"], ["Left", "right"], ["", "wide"]];
  return table_part("tests", "Tests", heads, rows, ({ program, test }) => {
    const left = el("span", { class: "part-left" });
    const ended = el("span", { class: "part-ended" });
    left.style.width = `${(test.left / most) * 100}%`;
    ended.style.width = `${(Math.max(0, test.tasks - test.left) / most) * 100}%`;
    return el(
      "tr",
      null,
      el("td", { class: "name" }, el("button", { type: "button", class: "link", title: "Show this test alone", onclick: () => set_filter(test.name) }, marked(test.name))),
      el("td", null, marked(program.name)),
      el("td", { class: `outcome ${test.outcome}` }, test.outcome === "ignored" ? "not run" : test.outcome),
      el("td", { class: "right" }, number(test.tasks)),
      el("td", { class: test.left > 0 ? "right bad" : "right" }, number(test.left)),
      el("td", { class: "wide" }, el("div", { class: "share", role: "img", "aria-label": `${number(test.left)} of ${count(test.tasks, "task")} left` }, left, ended)),
    );
  });
})();

const suspects_table = (() => {
  const rows = report.suspects.map((suspect) => ({
    suspect,
    haystack: [suspect.rule, stack_text([suspect.at]), suspect.why, suspect.fix, ...suspect.confirmed_by].join(" ").toLowerCase(),
  }));
  rows.sort((a, b) => (a.suspect.silenced !== null) - (b.suspect.silenced !== null) || b.suspect.confirmed_by.length - a.suspect.confirmed_by.length);
  return table_part("suspects", "Suspected by the source", [["Where", ""], ["Rule", ""], ["Why, and what to do", ""], ["Seen", ""]], rows, ({ suspect }) => {
    const seen = suspect.confirmed_by.length > 0
      ? ["confirmed by ", ...suspect.confirmed_by.flatMap((id, index) => [index > 0 ? ", " : "", el("button", { type: "button", class: "link", onclick: () => set_filter(id) }, id.slice(0, 8))])]
      : [{ true: "reached, and left nothing behind there", false: "no test reached it", null: "" }[String(suspect.reached)]];
    return el(
      "tr",
      { class: suspect.silenced === null ? null : "silenced" },
      el("td", { class: "name" }, el("ul", { class: "plain" }, place_row(suspect.at))),
      el("td", null, el("code", null, marked(suspect.rule))),
      el("td", null, marked(suspect.why), suspect.fix ? el("div", { class: "fix" }, marked(suspect.fix)) : null),
      el("td", null, suspect.silenced === null ? seen : `silenced: ${suspect.silenced}`),
    );
  });
})();
