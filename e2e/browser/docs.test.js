// The page of the API's description, opened as a file where there is no network.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { startBrowser } from "./browser.js";

const PAGE = new URL("../../docs/api.html", import.meta.url);
const description = JSON.parse(await readFile(new URL("../../docs/openapi.json", import.meta.url), "utf8"));
const operations = Object.values(description.paths).flatMap((path) => Object.values(path).filter((operation) => operation.operationId));

let browser, page;
/** What the page complained of, and whom it asked. */
const complaints = [], elsewhere = [];

before(async () => {
  browser = await startBrowser();
  await browser.context.setOffline(true);
  page = await browser.context.newPage();
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // Redoc warns of alternatives that it shows as one.
    const simplified = message.text().startsWith("Incompatible types in allOf");
    if (["error", "warning"].includes(message.type()) && !simplified) complaints.push(message.text());
  });
  page.on("request", (request) => {
    // Pictures and workers of its own are no network.
    if (!/^(file|data|blob):/.test(request.url())) elsewhere.push(request.url());
  });
  await page.goto(PAGE.href);
  await page.getByRole("heading", { name: /^Fulcrum/ }).first().waitFor();
});

after(() => browser?.close());

test("the page shows every operation, from one file, and asks nobody", async () => {
  assert.ok(operations.length >= 22, `${operations.length} operations`);
  await page.locator("h2").filter({ hasText: operations.at(-1).summary }).waitFor();
  const headings = (await page.locator("h2").allInnerTexts()).map((heading) => heading.trim());
  for (const { summary } of operations) assert.ok(headings.includes(summary), summary);
  const text = await page.locator("#api").innerText();
  for (const path of Object.keys(description.paths)) assert.ok(text.includes(path), path);
  assert.deepEqual(elsewhere, [], "the page asks somebody");
  assert.deepEqual(complaints, [], "the page complains");
});

test("an operation is searched for, opened, and shows its fields with what they mean", async () => {
  await page.getByRole("textbox", { name: /search/i }).or(page.getByPlaceholder(/search/i)).first().fill("rollback");
  await page.getByRole("menuitem").filter({ hasText: "Puts an earlier posterior in force again." }).last().click();
  const { description: says } = description.components.schemas.RollBackModel.properties.posterior_version;
  const section = page.locator('[id="tag/Models/operation/rollbackModel"]');
  await section.getByText("posterior_version").first().waitFor();
  assert.ok((await section.innerText()).includes(says), says);
  assert.deepEqual(elsewhere, [], "the page asks somebody");
  assert.deepEqual(complaints, [], "the page complains");
});
