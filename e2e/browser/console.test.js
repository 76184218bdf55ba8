// The console in a real browser: signed in by a code and by a key, every page on sound and on broken data, every action, by keyboard
// alone, for screen readers, at the size of a phone, and without a request to anywhere else.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startBrowser } from "./browser.js";
import { Data } from "./data.js";
import { startService } from "./service.js";

const AXE = await readFile(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
/** A folder where pictures are put; none are made where it is not named. */
const PICTURES = process.env.PICTURES;

let service, browser, page, data, origin;
const made = {};
/** What the page complained of, and whom else it asked. */
const complaints = [], elsewhere = [];

function watch(page) {
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // A refused request is shown by the browser too; the tests that cause one say so.
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(origin)) elsewhere.push(request.url());
  });
}

before(async () => {
  service = await startService();
  origin = service.variables.FULCRUM_URL;
  data = new Data(service.variables);
  made.strange = await data.strange();
  made.suspect = await data.suspect();
  made.untrained = await data.untrained();
  made.failed = await data.failed();
  made.completed = await data.completed();
  made.thousand = await data.thousand();
  made.contexts = await data.manyContexts();
  made.landing = await data.landingPage();
  browser = await startBrowser();
  page = await browser.context.newPage();
  watch(page);
  page.setDefaultTimeout(15_000);
  await page.setViewportSize({ width: 1280, height: 900 });
});

after(async () => {
  await browser?.close();
  await service?.stop();
});

/** Goes to a page of the console and waits until nothing is loading. */
async function open(hash, on = page) {
  await on.goto("about:blank");
  await on.goto(`${origin}/console${hash}`);
  await on.waitForSelector("h1");
  await on.waitForFunction(() => document.querySelector(".loading") === null);
}

const heading = (name) => page.getByRole("heading", { name, exact: true }).first();

function quiet() {
  const seen = complaints.splice(0);
  assert.deepEqual(seen, [], "the page complains");
  assert.deepEqual(elsewhere.splice(0), [], "the page asks somebody else");
}

/** Without violations by axe, in light and dark, and no wider than the window. */
async function holdsUp(what) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.evaluate(AXE);
    const found = await page.evaluate(async () => {
      const { violations } = await globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] });
      return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.target.join(" ")} ${node.failureSummary}`).join("; ")}`);
    });
    assert.deepEqual(found, [], `${what}, ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 360, height: 740 });
  const over = await page.evaluate(() => {
    const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".table-scroll, pre, .sr, .small"));
    return { scroll: document.documentElement.scrollWidth, width: innerWidth, wide: wide.slice(0, 3).map((e) => e.outerHTML.slice(0, 120)) };
  });
  assert.ok(over.scroll <= over.width, `${what} at 360 px: ${JSON.stringify(over)}`);
  await page.setViewportSize({ width: 1280, height: 900 });
}

async function picture(name, options = {}) {
  if (PICTURES === undefined) return;
  await mkdir(PICTURES, { recursive: true });
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: join(PICTURES, `${name}.png`), animations: "disabled", ...options });
}

test("the printed link signs in once, and nothing of it stays in the address", async () => {
  assert.match(service.link ?? "", /^http:\/\/127\.0\.0\.1:\d+\/console#code=[\w-]{43}$/);
  await page.goto(service.link);
  await heading("Optimizations").waitFor();
  assert.equal(await page.evaluate(() => location.href), `${origin}/console`);
  const stored = await page.evaluate(() => [sessionStorage.getItem("fulcrum.token"), localStorage.length, document.cookie]);
  assert.deepEqual(stored, [service.variables.FULCRUM_API_KEY, 0, ""]);
  quiet();
  const again = await browser.context.newPage();
  await again.goto(service.link);
  await again.getByText("this link has been used").waitFor();
  await again.close();
});

test("codes that are none are refused, and only the service's own pages may try", async () => {
  const post = (body, headers = {}) => fetch(`${origin}/console/session`, { method: "POST", headers: { "content-type": "application/json", ...headers }, body });
  for (const [body, status] of [['{"code": "guess"}', 401], ["{}", 400], ["", 400], [`{"code": "${"x".repeat(2000)}"}`, 413]]) {
    const answer = await post(body);
    assert.equal(answer.status, status, body.slice(0, 40));
    assert.equal(answer.headers.get("cache-control"), "no-store");
    assert.ok((await answer.json()).error.message);
  }
  assert.equal((await post('{"code": "guess"}', { origin: "https://attacker.example" })).status, 400);
  assert.equal((await fetch(`${origin}/console/session`)).status, 404);
});

test("files may be kept for ever, the page is asked for anew, and scripts come from here alone", async () => {
  const answer = await fetch(`${origin}/console`);
  const html = await answer.text();
  assert.equal(answer.headers.get("cache-control"), "no-cache");
  const policy = answer.headers.get("content-security-policy");
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|data:|\*/);
  assert.doesNotMatch(html, /<script(?![^>]* src=)|<style| style=| on\w+=/);
  const files = [...html.matchAll(/"(\/console\/[\w-]+\.\w+)"/g)].map((match) => match[1]);
  assert.ok(files.length >= 3, html);
  for (const file of files) {
    const got = await fetch(origin + file);
    assert.equal(got.status, 200, file);
    assert.equal(got.headers.get("cache-control"), "public, max-age=31536000, immutable");
    assert.equal(got.headers.get("x-content-type-options"), "nosniff");
  }
  assert.equal((await fetch(`${origin}/console/index.html`)).status, 404);
});

test("a wrong key is refused in words, a right one signs in, and signing out forgets it", async () => {
  await open("#/");
  await page.getByRole("button", { name: "Sign out" }).click();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await page.getByLabel("API key or token").fill(`flk_${"A".repeat(43)}`);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  complaints.length = 0;
  await holdsUp("sign in");
  await page.getByLabel("API key or token").fill(service.variables.FULCRUM_API_KEY);
  await page.getByRole("button", { name: "Sign in" }).click();
  await heading("Optimizations").waitFor();
});

test("the list shows every state", async () => {
  await open("#/");
  await page.getByRole("row", { name: /Landing page/ }).getByText(/^\+\d/).first().waitFor();
  for (const name of [/Ten contexts/, /Checkout button/, /Footer links/]) await page.getByRole("row", { name }).getByText(/sound|suspect/).waitFor();
  const row = async (name) => (await page.getByRole("row", { name }).first().innerText()).replace(/\s+/g, " ");
  assert.match(await row(/Landing page/), /live 30,000 \+[\d.]+ % .*… .*sound/);
  assert.match(await row(/Checkout button/), /suspect/);
  assert.match(await row(/Pricing page/), /untrained.*not trained/);
  assert.match(await row(/Newsletter form/), /failed/);
  assert.match(await row(/Footer links/), /completed.*no holdout/);
  await holdsUp("the list");
  quiet();
  await picture("console-list-light");
});

test("the landing page tells what was measured first", async () => {
  const started = Date.now();
  await page.goto("about:blank");
  await page.goto(`${origin}/console#/optimizations/${made.landing.id}`);
  await page.waitForSelector("#lift svg[role=img]");
  const took = Date.now() - started;
  const results = await data.call("GET", `/optimizations/${made.landing.id}/results`);
  assert.equal(await page.locator(".sentence").innerText(), results.findings.sentence);
  assert.match(results.findings.sentence, /^(The optimization lifts signup|No detectable change of signup)/);
  assert.equal(await page.locator(".verdict-title").innerText().then((t) => t.replace(/^\W+/, "")), results.findings.verdict.title);
  for (const section of ["Measured lift over time", "What was shown", "Variants", "By context", "Factor effects", "Interactions", "Guardrails", "Are the data what we think?", "Versions", "What another policy would have earned"]) {
    await heading(section).waitFor();
  }
  // Under every chart its numbers.
  const charts = await page.locator("figure:has(svg[role=img])").count();
  assert.ok(charts >= 6, `${charts} charts`);
  assert.equal(await page.locator("figure:has(svg[role=img]) details.numbers").count(), charts - 1, "variants have their table beside the chart");
  await holdsUp("the landing page");
  quiet();
  console.log(`first chart after ${took} ms`);
  assert.ok(took < Number(process.env.FIRST_CHART_MS ?? 1000), `the first chart took ${took} ms`);
});

test("nothing jumps while a page comes up", async () => {
  const fresh = await browser.context.newPage();
  await fresh.addInitScript((key) => sessionStorage.setItem("fulcrum.token", key), service.variables.FULCRUM_API_KEY);
  await fresh.addInitScript(() => {
    globalThis.shifted = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.shifted += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
  });
  for (const hash of ["#/", `#/optimizations/${made.landing.id}`, "#/training", "#/new"]) {
    await open(hash, fresh);
    await fresh.waitForTimeout(300);
    const shifted = await fresh.evaluate(() => globalThis.shifted);
    assert.ok(shifted < 0.1, `${hash}: ${shifted}`);
  }
  await fresh.close();
});

test("pictures for the documents", { skip: PICTURES === undefined }, async () => {
  const open_ = async (hash, dark, phone) => {
    await page.emulateMedia({ colorScheme: dark ? "dark" : "light" });
    await page.setViewportSize(phone ? { width: 390, height: 844 } : { width: 1280, height: 900 });
    await open(hash);
  };
  const landing = `#/optimizations/${made.landing.id}`;
  for (const [kind, dark, phone] of [["light", false, false], ["dark", true, false], ["phone-light", false, true], ["phone-dark", true, true]]) {
    await open_(landing, dark, phone);
    await picture(`console-optimization-${kind}`);
    for (const section of ["lift", "variants", "contexts", "factors", "quality", "versions"]) {
      if (process.env.ALL_PICTURES === undefined && !(section === "lift" && kind === "light")) continue;
      await page.evaluate((id) => document.getElementById(id).scrollIntoView(), section);
      await picture(`console-${section}-${kind}`);
    }
  }
  for (const [name, hash] of [["training", "#/training"], ["new", "#/new"], ["serve", `#/serve/${made.landing.id}`], ["suspect", `#/optimizations/${made.suspect.id}`]]) {
    await open_(hash, false, false);
    if (name === "serve") { await page.getByRole("button", { name: "Ask" }).click(); await page.waitForSelector(".served"); }
    await picture(`console-${name}-light`);
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1280, height: 900 });
});

test("broken data are said to be broken, and the sentence claims nothing", async () => {
  await open(`#/optimizations/${made.suspect.id}`);
  assert.match(await page.locator(".sentence").innerText(), /^The data are suspect, so that no lift of signup is claimed/);
  assert.equal(await page.locator(".verdict").getByText("Fix the data first").count(), 1);
  await page.locator(".verdict").getByText(/^Sample ratio:/).waitFor();
  assert.equal(await page.locator("#quality .badge.bad").count(), 2);
  assert.ok(await page.locator("#quality").getByText(/unknown/i).first().isVisible(), "what was skipped is shown");
  await holdsUp("suspect data");
  quiet();
});

test("untrained, failed, completed, a thousand variants and ten contexts are pages too", async () => {
  for (const [name, says] of [
    ["untrained", "Nothing is measured yet."], ["failed", "The last training run failed"], ["completed", "nobody is held out"],
    ["thousand", "Show all 1,000 rows"], ["contexts", "Measured lift by context_9"],
  ]) {
    await open(`#/optimizations/${made[name].id}`);
    await page.getByText(says).first().waitFor();
    await holdsUp(name);
    // A policy that is too large for one answer is a 409, which the browser writes down.
    if (name === "contexts") complaints.splice(0, complaints.length, ...complaints.filter((text) => !text.includes("409")));
    quiet();
  }
  await open(`#/optimizations/${made.thousand.id}`);
  await page.getByRole("button", { name: "Show all 1,000 rows" }).click();
  assert.equal(await page.locator("#variants tbody tr").count(), 1000);
});

test("names are shown as they are and never obeyed", async () => {
  for (const hash of [`#/optimizations/${made.strange.id}`, "#/", `#/serve/${made.strange.id}`, "#/training"]) {
    await open(hash);
    await page.getByText('<img src=x onerror="window.obeyed=1">').first().waitFor({ state: "attached" });
    assert.equal(await page.evaluate(() => globalThis.obeyed), undefined, hash);
    await holdsUp(`strange names, ${hash}`);
  }
  await open(`#/optimizations/${made.strange.id}`);
  assert.ok((await page.locator("#variants").innerText()).includes("<script>window.obeyed=1</script>"));
  quiet();
});

test("training shows runs, the fit in words, and errors", async () => {
  await open("#/training");
  await page.getByRole("button", { name: "Runs of Newsletter form" }).click();
  await page.getByText("The last run failed").waitFor();
  await page.getByRole("button", { name: "Runs of Landing page" }).click();
  await heading("How the fit in force went").waitFor();
  await page.getByText(/effective draws/).waitFor();
  assert.equal(await page.locator("main > section tbody tr").count(), 2, "two versions");
  await holdsUp("training");
  quiet();
});

test("serving is tried, and its row of the policy shown", async () => {
  await open(`#/serve/${made.landing.id}`);
  await page.getByLabel("Visitor's id").fill("visitor-7");
  await page.getByLabel("device").selectOption("mobile");
  await page.getByLabel("country").selectOption("DE");
  await page.getByRole("button", { name: "Ask" }).click();
  await page.waitForSelector(".served");
  const served = await data.call("POST", `/optimizations/${made.landing.id}/serve`, { anonymous_id: "visitor-7", context: { device: "mobile", country: "DE" } });
  assert.equal(await page.locator(".served").innerText(), Object.values(served.variant).join(" · "));
  const rows = await page.locator("main tbody tr").allInnerTexts();
  assert.ok(rows.length >= 1);
  const sum = rows.reduce((total, row) => total + Number(row.match(/([\d.]+) %/)[1]), 0);
  assert.ok(Math.abs(sum - 100) < 0.1 * rows.length, rows.join("\n"));
  await holdsUp("try serving");
  quiet();
});

test("a new optimization is made of what the form shows", async () => {
  await open("#/new");
  await page.getByText("Before it can be made:").waitFor();
  await page.getByLabel("Name", { exact: true }).fill("Made in the console");
  const levels = page.getByRole("group", { name: "What you vary" }).getByLabel("Levels of factor 1, one a line");
  await levels.fill("one\ntwo\nthree");
  await page.getByText("3 variants").waitFor();
  await levels.fill("one\none");
  await page.getByText("Factor headline has a level twice.").waitFor();
  assert.ok(await page.getByRole("button", { name: "Make it" }).isDisabled());
  await levels.fill("one\ntwo\nthree");
  await page.getByText(/is told from none after \d+ days in half of 300 simulated runs/).waitFor();
  await holdsUp("new");
  const shown = JSON.parse(await page.locator("pre").first().innerText());
  await page.getByRole("button", { name: "Make it" }).click();
  await page.getByRole("link", { name: "Open it" }).click();
  await heading("Made in the console").waitFor();
  const id = (await page.evaluate(() => location.hash)).split("/").at(-1);
  const there = await data.call("GET", `/optimizations/${id}`);
  assert.deepEqual(there.training_data_config.design_factors, shown.training_data_config.design_factors);
  assert.equal(there.holdout_percentage, shown.holdout_percentage);
  made.mine = there;
  quiet();
});

/** Presses a button of the page, reads what it asks, and agrees. */
async function act(button, says, verb) {
  await page.getByRole("button", { name: button, exact: true }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText(says).waitFor();
  await dialog.getByRole("button", { name: verb, exact: true }).click();
  await dialog.waitFor({ state: "hidden", timeout: 60_000 });
}

test("every action asks once, says what it does to visitors, and does it", async () => {
  const path = `/optimizations/${made.landing.id}`, model = `/models/${made.landing.model_id}`;
  await open(`#${path}`);
  await page.getByRole("button", { name: "Archive" }).click();
  await page.getByRole("dialog").getByText("Serving stops at once").waitFor();
  await holdsUp("a question");
  await page.getByRole("button", { name: "Cancel" }).click();
  assert.equal((await data.call("GET", path)).status, "live", "nothing was done");

  await page.getByRole("button", { name: "Rename" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("Landing page, renamed");
  await page.getByRole("dialog").getByRole("button", { name: "Rename" }).click();
  await heading("Landing page, renamed").waitFor();
  await page.getByText("name: Landing page → Landing page, renamed").waitFor();
  await act("Roll back to version 1", "visitors are served by version 1", "Roll back");
  await page.getByText("Version 1 is in force.").waitFor();
  assert.equal((await data.call("GET", model)).posterior_version, 1);
  await act("Train now", "is in force at once", "Train");
  await page.getByText("Trained.").waitFor();
  assert.ok((await data.call("GET", model)).posterior_version > 1);
  await act("Complete", "Exploring and training stop.", "Complete");
  await page.getByText("Completed: exploring has stopped.").waitFor();
  assert.equal((await data.call("GET", path)).status, "completed");
  await act("Set live", "Visitors are served again by the model's probabilities", "Set live");
  await page.getByText("Live.").waitFor();
  assert.equal((await data.call("GET", path)).status, "live");
  await act("Archive", "Serving stops at once", "Archive");
  await page.getByText("Archived: it is not served any more.").waitFor();
  assert.equal((await data.call("GET", path)).status, "archived");
  complaints.length = 0; // An archived optimization has no policy: 409, which the browser writes down.
});

test("an action that is refused says why", async () => {
  await open(`#/optimizations/${made.untrained.id}`);
  await page.getByRole("button", { name: "Train now" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Train", exact: true }).click();
  await page.getByRole("dialog").getByRole("alert").getByText(/snapshot/).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  complaints.length = 0; // The browser writes the refusal down.
});

test("the keyboard alone is enough", async () => {
  await page.evaluate(() => sessionStorage.clear());
  await open("#/");
  // The field has the focus from the start.
  await page.keyboard.type(service.variables.FULCRUM_API_KEY);
  await page.keyboard.press("Enter");
  await heading("Optimizations").waitFor();
  const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() ?? "");
  const tabTo = async (name) => {
    for (let i = 0; i < 80; i++) {
      await page.keyboard.press("Tab");
      if ((await focused()) === name) {
        const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
        assert.notEqual(outline, "none", `${name} shows that it has the focus`);
        return;
      }
    }
    assert.fail(`${name} is not reached by Tab`);
  };
  await tabTo("Skip to content");
  await page.keyboard.press("Enter");
  await tabTo("Checkout button");
  await page.keyboard.press("Enter");
  await heading("Checkout button").waitFor();
  await tabTo("Rename");
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  assert.ok(await page.evaluate(() => document.activeElement?.closest("dialog") !== null), "the focus is in the question");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  assert.equal(await focused(), "Rename", "the focus is where it was");
  await tabTo("Data");
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "Are the data what we think?");
  quiet();
});

test("a page prints without what only a screen needs", async () => {
  await open(`#/optimizations/${made.suspect.id}`);
  await page.emulateMedia({ media: "print" });
  assert.equal(await page.getByRole("button", { name: "Archive" }).isVisible(), false);
  assert.equal(await page.locator(".sentence").isVisible(), true);
  await page.emulateMedia({ media: "screen" });
});
