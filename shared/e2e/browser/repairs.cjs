// Support at the console in a real Chromium, an operator and an approver side by side: every repair of a booking, a leg, a refund, a case
// and a breaker, each on a page that says what it does before it does it. What is broken meanwhile is told in files.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { chromium } = require(path.join(process.env.BROWSER_TOOLS, "playwright-core"));
const task = JSON.parse(process.env.BROWSER_TASK);

const WITHIN = 60000;
const REASON = "walked through by a support person";
const say = (text) => console.log(text);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const told = async (name) => {
  const file = path.join(task.folder, name);
  for (let waited = 0; !fs.existsSync(file); waited += 100) {
    if (waited > 2 * WITHIN) throw new Error(`nothing is told of ${name}`);
    await pause(100);
  }
  return JSON.parse(fs.readFileSync(file, "utf8"));
};

const signedIn = async (browser, who) => {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(15000);
  await page.goto(task.console);
  await page.getByLabel("Name").fill(who.name);
  await page.getByLabel("Password").fill(who.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  return page;
};

// Opens a page until it offers the act.
const offered = async (page, address, act) => {
  const link = page.getByRole("link", { name: act }).first();
  for (let waited = 0; ; waited += 500) {
    await page.goto(`${task.console}${address}`);
    if (await link.count()) return link.click();
    if (waited > WITHIN) throw new Error(`${address} does not offer ${act}`);
    await pause(500);
  }
};

// Reads what will be done, says why, and does it.
const done = async (page, button) => {
  await page.getByRole("heading", { name: "This will be done" }).waitFor();
  await page.getByLabel("Reason").fill(REASON);
  await page.getByRole("button", { name: button }).click();
  await page.waitForLoadState();
  if (await page.getByRole("alert").count()) throw new Error(`${button}: ${await page.getByRole("alert").first().innerText()}`);
};

const main = async () => {
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });
  const operator = await signedIn(browser, task.operator);
  const approver = await signedIn(browser, task.approver);
  fs.writeFileSync(path.join(task.folder, "ready"), "{}");

  const dearer = await told("dearer.json");
  await offered(approver, `/bookings/${dearer.adopt}`, /^Adopt /);
  await done(approver, /^Adopt /);
  await approver.getByText(`adopt: ${REASON}`).first().waitFor();
  say("adopted");
  await offered(operator, `/bookings/${dearer.cancel}`, /^Cancel .* at the supplier/);
  await done(operator, /^Cancel /);
  await operator.getByText(`cancel_at_supplier: ${REASON}`).first().waitFor();
  say("cancelled at the supplier");

  await offered(operator, `/bookings/${task.confirmed}`, "Look up now");
  await done(operator, "Look up now");
  await operator.getByText(`look_up: ${REASON}`).first().waitFor();
  say("looked up");

  await offered(operator, "/cases", "Another price");
  await operator.getByLabel("Reason").fill(REASON);
  await operator.getByRole("button", { name: "Close it" }).click();
  await operator.getByText("Closed by").waitFor();
  say("closed a case");

  const broken = await told("broken.json");
  await offered(approver, `/bookings/${broken.absent}`, "Declare attempt 1 absent");
  await approver.getByLabel("Evidence").fill("their support, on the telephone: no such itinerary");
  await done(approver, "Declare attempt 1 absent");
  await approver.getByText(`declare_absent: ${REASON}`).first().waitFor();
  say("declared absent");
  await approver.goto(`${task.console}/suppliers/rapid/reset`);
  await done(approver, "Close the breaker");
  say("closed a breaker");

  await offered(approver, "/refunds", "Let it go");
  await done(approver, "Let it go");
  say("let a refund go");

  await offered(operator, `/bookings/${broken.late}`, "Look into it");
  await done(operator, "Look into this booking");
  await offered(approver, `/bookings/${broken.late}`, "Name what brought the refund");
  await approver.getByLabel("Transaction", { exact: true }).fill(broken.transaction);
  await done(approver, "This brought it");
  say("proved a refund");
  await browser.close();
};

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error.stack || String(error));
    process.exit(1);
  },
);
