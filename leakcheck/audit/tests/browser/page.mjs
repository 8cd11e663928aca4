// The HTML report in a real browser:   node page.mjs DIRECTORY
// Run it where `npm ci` installed its packages. DIRECTORY holds rich.html, clean.html, unjudged.html and many.html, as tests/render/browser.rs renders them, and rich.json; screenshots
// are written there. CHROMIUM names the browser. Fails with the first thing that is not as it should be.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

// From where it is run, which is where its packages were installed.
const { chromium } = createRequire(path.join(process.cwd(), "package.json"))("playwright-core");

const directory = process.argv[2];
const report = JSON.parse(await readFile(path.join(directory, "rich.json"), "utf8"));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});

/** Opens a page, runs the check, and fails on whatever the page did that it must not: errors, dialogs, requests. */
async function on(name, check, { width = 1280, scheme = "light", script = true } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme, javaScriptEnabled: script, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const wrong = [];
  const url = pathToFileURL(path.join(directory, name)).href;
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && wrong.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => wrong.push(`error: ${error.message}`));
  page.on("request", (request) => request.url() !== url && wrong.push(`request: ${request.url()}`));
  page.on("dialog", (dialog) => {
    wrong.push(`dialog: ${dialog.message()}`);
    return dialog.dismiss();
  });
  try {
    await page.goto(url);
    await check(page);
    assert.deepEqual(wrong, []);
  } finally {
    await context.close();
  }
}

const shown = (page, part) => page.locator(`#${part}-shown`).textContent();

/** Types into the filter, and waits until the page has followed. */
async function filter(page, text) {
  await page.fill("#filter", text);
  await page.waitForFunction((text) => document.documentElement.dataset.filter === text, text);
}

/** The ratio of contrast of an element's text, by WCAG 2.2: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio */
const contrast = (element) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let behind = element;
  while (rgba(getComputedStyle(behind).backgroundColor)[3] < 255 && behind.parentElement) behind = behind.parentElement;
  const [a, b] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map((colour) => luminance(rgba(colour)));
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
};

async function look(page, name) {
  await page.screenshot({ path: path.join(directory, `${name}.png`), fullPage: true });
}

const checks = {
  async "the header has the verdict and the sums"() {
    await on("rich.html", async (page) => {
      assert.equal(await page.title(), "leak-audit: leaked");
      assert.equal(await page.locator("h1").textContent(), "Leaked");
      const failing = report.findings.filter((finding) => finding.accepted === null && ["leaked", "blocked"].includes(finding.verdict));
      const sum = failing.reduce((sum, finding) => sum + finding.count, 0);
      assert.equal(await page.locator(".tile dd").first().textContent(), String(sum));
      assert.equal(await page.locator(".notice").count(), 3);
    });
  },

  async "a finding opens with its stack and its tree of awaits"() {
    await on("rich.html", async (page) => {
      const card = page.locator("details.card").first();
      assert.match(await card.locator("summary").first().textContent(), /leaked5 tasksshop::server::Listener::run.*2 other tests.*no branch of this select!/);
      await card.locator("summary").first().click();
      await card.locator(".stack > li").first().waitFor({ state: "attached" });
      assert.equal(await card.locator(".stack > li").count(), 3);
      assert.equal(await card.locator(".branching").textContent(), "select! of 2 branches");
      assert.equal(await card.locator(".branches > li").count(), 2);
      assert.match(await card.locator(".branches > li").nth(0).textContent(), /src\/connection\.rs:69.*read_bufwaits until the socket can be read/);
      const third = page.locator("details.card.third-party");
      await third.locator("summary").first().click();
      assert.equal(await third.locator(".folded > summary").textContent(), "2 calls in hyper-util 0.1.9, reqwest 0.12.9");
      for (const card of await page.locator("details.card").all()) {
        if ((await card.getAttribute("open")) === null) await card.locator("summary").first().click();
      }
      assert.equal(await page.locator("details.card:not([open])").count(), 0);
      assert.doesNotMatch(await page.locator("main").textContent(), /undefined|\[object|NaN/);
    });
  },

  async "the filter filters everything, and says how much"() {
    await on("rich.html", async (page) => {
      const before = await shown(page, "findings");
      assert.equal(await shown(page, "flame"), String(report.sites.length));
      await filter(page, "HYPER-UTIL announced");
      assert.equal(await shown(page, "findings"), `1 of ${before}`);
      assert.equal(await page.locator("details.card").count(), 1);
      assert.equal(await shown(page, "flame"), `1 of ${report.sites.length}`);
      assert.match(await shown(page, "timeline"), /^1 of /);
      assert.match(await shown(page, "tests"), /^0 of /);
      assert.ok((await page.locator("details.card mark").count()) > 0);
      assert.ok((await page.locator(".frame.hit").count()) > 0);
      await filter(page, "no such thing");
      assert.equal(await page.locator("#findings-list").textContent(), "Nothing matches the filter.");
      assert.equal(await page.locator("#flame-graph").textContent(), "No spawn matches.");
      await filter(page, "");
      assert.equal(await shown(page, "findings"), before);
      await page.locator("#tests .link", { hasText: "tests::keys_expire" }).click();
      assert.equal(await page.inputValue("#filter"), "tests::keys_expire");
      assert.match(await shown(page, "tests"), /^1 of /);
    });
  },

  async "a verdict is turned off and on"() {
    await on("rich.html", async (page) => {
      const all = await page.locator("details.card").count();
      const leaked = await page.locator("details.card.leaked").count();
      const chip = page.locator("[data-class=leaked]");
      await chip.click();
      assert.equal(await chip.getAttribute("aria-pressed"), "false");
      assert.equal(await page.locator("details.card").count(), all - leaked);
      await chip.click();
      assert.equal(await page.locator("details.card").count(), all);
    });
  },

  async "the flame graph zooms by mouse and by keyboard"() {
    await on("rich.html", async (page) => {
      const tasks = report.sites.reduce((sum, site) => sum + site.tasks, 0);
      const left = report.sites.reduce((sum, site) => sum + site.left, 0);
      const root = page.locator(".frame").first();
      const detail = page.locator("#flame-detail");
      const width = async (frame) => Math.round((await frame.boundingBox()).width);
      assert.equal(await root.getAttribute("aria-label"), `all spawns: ${tasks} tasks (100.0 %), ${left} left behind`);
      const serve = page.locator(".frame", { hasText: "shop::serve" }).first();
      assert.ok((await width(serve)) < (await width(root)) / 2);
      const all = await page.locator(".frame").count();
      await serve.click();
      assert.equal(await page.locator(".frame.zoomed").textContent(), "shop::serve");
      assert.equal(await width(page.locator(".frame.zoomed")), await width(root));
      assert.ok((await page.locator(".frame").count()) < all);
      assert.match(await detail.textContent(), /^shop::serve, src\/lib\.rs:40: \d+ tasks/);
      await page.locator("#flame-reset").click();
      assert.equal(await page.locator(".frame").count(), all);
      await page.locator("[data-measure=left]").click();
      assert.equal(await root.getAttribute("aria-label"), `all spawns: ${left} left behind (100.0 %)`);
      assert.equal(await page.locator(".frame", { hasText: "Pool::grow" }).count(), 0);

      await page.locator("[data-measure=tasks]").click();
      await root.focus();
      await page.keyboard.press("ArrowDown");
      assert.match(await detail.textContent(), /^shop: /);
      await page.keyboard.press("ArrowRight");
      assert.match(await detail.textContent(), /^orders: /);
      await page.keyboard.press("Enter");
      assert.equal(await page.locator(".frame.zoomed").textContent(), "orders");
      assert.equal(await page.evaluate(() => document.activeElement.textContent), "orders");
      await page.keyboard.press("Escape");
      assert.equal(await page.locator(".frame.zoomed").textContent(), "all spawns");
    });
  },

  async "the timeline has a bar for each lifetime"() {
    await on("rich.html", async (page) => {
      const lives = report.findings.reduce((sum, finding) => sum + finding.lifetimes.length, 0);
      assert.equal(await page.locator(".track .bar.left").count(), lives);
      const sites = report.sites.filter((site) => site.lived !== null).length;
      assert.equal(await page.locator(".track .bar.some, .track .bar.none").count(), sites);
    });
  },

  async "every control has a name and every text a contrast of 4.5 to 1"() {
    for (const scheme of ["light", "dark"]) {
      await on("rich.html", async (page) => {
        await page.locator("details.card > summary").first().click();
        for (const control of await page.locator("button:visible, input, [role=treeitem]").all()) {
          const name = await control.evaluate((element) => element.getAttribute("aria-label") || element.textContent.trim());
          assert.ok(name, await control.evaluate((element) => element.outerHTML));
        }
        const texts = [
          "h1", ".said", ".tile dd", ".tile dt", ".chip", ".links a", ".notice h2", ".notice li", ".hint", ".badge", ".card .test",
          ".card .where", ".state", ".frame", ".life .test", "td", "th", ".tools button", ".link",
        ];
        for (const selector of texts) {
          const elements = await page.locator(selector).all();
          assert.ok(elements.length > 0, selector);
          for (const element of elements) {
            const ratio = await element.evaluate(contrast);
            assert.ok(ratio >= 4.5, `${scheme} ${selector} ${await element.textContent()}: ${ratio.toFixed(2)}`);
          }
        }
      }, { scheme });
    }
  },

  async "a clean report and one that could not be judged say so"() {
    await on("clean.html", async (page) => {
      assert.equal(await page.locator("h1").textContent(), "Clean");
      assert.equal(await page.locator("#findings-list").textContent(), "Nothing was left behind.");
      await look(page, "clean");
    });
    await on("unjudged.html", async (page) => {
      assert.equal(await page.locator("h1").textContent(), "Cannot judge");
      assert.equal(await page.locator(".notice li").count(), 2);
    });
  },

  async "a hundred thousand findings are added by and by, and can be filtered"() {
    await on("many.html", async (page) => {
      const cards = page.locator("details.card");
      assert.equal(await cards.count(), 100);
      // Those that are spawned at one place and wait alike are one card, where each test has its stack and its id.
      assert.equal(await shown(page, "findings"), "33,338");
      await cards.nth(1).locator("summary").first().click();
      // A card is filled after it has been opened, and counts are taken at once.
      await page.locator(".card[open] .id").first().waitFor({ state: "attached" });
      const ids = await page.locator(".card[open] .id code").allTextContents();
      assert.ok(ids.length > 1 && new Set(ids).size === ids.length, `${ids}`);
      assert.equal(await page.locator(".card[open] .folded .id").count(), ids.length);
      await page.locator("#findings .more").click();
      await page.waitForFunction(() => document.querySelectorAll("details.card").length >= 200);
      await filter(page, "tests::keys_expire_77");
      assert.match(await shown(page, "findings"), /^[\d,]+ of 33,338$/);
      assert.ok((await cards.count()) <= 200);
      await cards.first().locator("summary").first().click();
      await page.locator(".card[open] .stack").first().waitFor({ state: "attached" });
    });
  },

  async "nothing is wider than a narrow screen"() {
    await on("rich.html", async (page) => {
      for (const summary of await page.locator("details.card > summary").all()) await summary.click();
      const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(content <= screen, `${content} of ${screen}`);
      await look(page, "narrow");
    }, { width: 390 });
  },

  async "without scripts it is the text for people"() {
    await on("rich.html", async (page) => {
      assert.match(await page.locator("noscript").textContent(), /leaked: 3 tasks outlived test tests::closes_every_connection/);
    }, { script: false });
  },

  async "light and dark"() {
    for (const scheme of ["light", "dark"]) {
      await on("rich.html", async (page) => {
        const dark = () => page.evaluate(() => getComputedStyle(document.documentElement).colorScheme);
        assert.equal(await dark(), scheme);
        await page.locator("#theme").click();
        assert.equal(await dark(), scheme === "light" ? "dark" : "light");
        await page.locator("#theme").click();
        await page.locator("details.card > summary").first().click();
        await look(page, scheme);
      }, { scheme });
    }
  },

  async "these checks see a page that is broken, asks for something, or runs what a report holds"() {
    const rich = await readFile(path.join(directory, "rich.html"), "utf8");
    const planted = {
      "its script is not the policy's": rich.replace("const report = (", "const  report = ("),
      "it asks for an image": rich.replace("<noscript>", '<img src="http://127.0.0.1:9/a.png" alt=""><noscript>'),
      "its policy is gone and it runs a script": rich.replace("Content-Security-Policy", "x").replace("<noscript>", "<script>alert(1)</script><noscript>"),
    };
    for (const [what, html] of Object.entries(planted)) {
      assert.notEqual(html, rich, what);
      await writeFile(path.join(directory, "planted.html"), html);
      await assert.rejects(on("planted.html", (page) => page.waitForLoadState("load")), assert.AssertionError, what);
    }
  },
};

let failed = 0;
try {
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      console.log(`ok      ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}\n${error.stack}`);
    }
  }
} finally {
  await browser.close();
}
console.log(`browser: ${Object.keys(checks).length - failed} of ${Object.keys(checks).length} checks passed`);
process.exitCode = failed > 0 ? 1 : 0;
