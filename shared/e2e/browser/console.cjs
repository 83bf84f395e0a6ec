// A support person at the console, in a real Chromium: signs in, looks, acts, and is kept from what is not theirs.
// Takes its task from the environment, prints a line for each step, and ends with 1 at the first thing that is wrong.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const tools = process.env.BROWSER_TOOLS;
const { chromium } = require(path.join(tools, "playwright-core"));
const axe = fs.readFileSync(path.join(tools, "axe-core", "axe.min.js"), "utf8");
const task = JSON.parse(process.env.BROWSER_TASK);

const say = (text) => console.log(text);
const must = (holds, text) => {
  if (!holds) throw new Error(text);
};

// axe is put into the page by the driver, past the page's own policy, which forbids every script but ours.
const accessible = async (page, name) => {
  await page.evaluate(axe);
  const found = await page.evaluate(() =>
    axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  const bad = found.violations.filter((it) => ["serious", "critical"].includes(it.impact));
  const told = bad.map((it) => `${it.id}: ${it.help}\n    ${it.nodes.map((n) => `${n.html} ${n.failureSummary}`).join("\n    ")}`);
  must(bad.length === 0, `${name} is not accessible:\n  ${told.join("\n  ")}`);
};

const untainted = async (page, name) =>
  must((await page.evaluate(() => window.__xss)) === undefined, `a script of a message ran on ${name}`);

// A page as wide as it should be: nothing sticks out on a phone.
const fits = async (page, name) => {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  must(over <= 1, `${name} is ${over} px too wide`);
};

const LOOKS = [["1280", "light", 1280, 900], ["1280", "dark", 1280, 900], ["390", "light", 390, 844], ["390", "dark", 390, 844]];

// What README.md shows: as much as fits a screen.
const PICTURES = {
  overview: [["overview", "light", 1280, 860], ["overview-dark", "dark", 1280, 860]],
  booking: [["booking", "light", 1280, 860]],
  letter: [["letter", "light", 1280, 860]],
  "second-person": [["second-person", "light", 1280, 860]],
  run: [["run", "light", 1280, 720]],
};

const picture = async (page, name) => {
  fs.mkdirSync(path.join(task.shots, "pictures"), { recursive: true });
  for (const [file, scheme, width, height] of PICTURES[name] || []) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: scheme });
    await page.screenshot({ path: path.join(task.shots, "pictures", `${file}.png`) });
  }
};

const look = async (page, name) => {
  for (const [width, scheme, w, h] of LOOKS) {
    await page.setViewportSize({ width: w, height: h });
    await page.emulateMedia({ colorScheme: scheme });
    await fits(page, `${name} at ${width}`);
    await accessible(page, `${name}, ${width}, ${scheme}`);
    await page.screenshot({ path: path.join(task.shots, `${name}-${width}-${scheme}.png`), fullPage: true });
  }
  await picture(page, name);
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
  await untainted(page, name);
  say(`saw ${name}`);
};

const signIn = async (page, who) => {
  await page.goto(task.console);
  must(page.url().includes("/sign-in"), "a page without a session");
  await page.getByLabel("Name").fill(who.name);
  await page.getByLabel("Password").fill(who.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
};

const main = async () => {
  fs.mkdirSync(task.shots, { recursive: true });
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  const broken = [];
  page.on("pageerror", (error) => broken.push(String(error)));
  page.on("console", (line) => {
    if (line.type() === "error" && /Content Security Policy/.test(line.text())) broken.push(line.text());
  });
  page.on("dialog", (dialog) => {
    broken.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });

  await page.goto(`${task.console}/sign-in`);
  await look(page, "sign-in");
  await signIn(page, task.operator);
  say("signed in");
  await look(page, "overview");

  // A booking, found by what a customer would say; as it is and as it was.
  await page.getByRole("searchbox").fill(task.booking);
  await page.getByRole("button", { name: "Find" }).click();
  await page.getByRole("heading", { name: "One booking" }).waitFor();
  await page.getByRole("heading", { name: "What the customer sees" }).waitFor();
  await look(page, "booking");
  await page.getByRole("link", { name: "Back", exact: true }).click();
  await page.getByRole("link", { name: "As it is now" }).waitFor();
  say("saw it as it was");

  // What is spoilt: seen for a reason, edited, its difference seen, replayed; and its true end shown.
  await page.goto(`${task.console}/letters/${task.letter}`);
  await page.getByRole("heading", { name: "It could not be read" }).waitFor();
  must(!(await page.content()).includes(task.spoilt), "what is masked is shown");
  await look(page, "letter");
  await page.getByRole("link", { name: "Edit and replay" }).click();
  await page.getByLabel("Reason").fill("the end of the stay is unreadable");
  await look(page, "edit");
  await page.getByRole("button", { name: "Show it whole" }).click();
  await page.getByRole("heading", { name: "with nothing hidden" }).waitFor();
  must((await page.getByLabel("Body").inputValue()).includes(task.spoilt), "it is not shown whole");
  await page.getByLabel("Body").fill(task.mended);
  await page.getByLabel("Reason").fill("the booking says when the stay is over");
  await look(page, "unmasked");
  await page.getByRole("button", { name: "Show the difference" }).click();
  await page.getByRole("cell", { name: "/over_at" }).waitFor();
  await look(page, "difference");
  await page.getByRole("button", { name: "Propose it to a second person" }).click();
  await page.getByRole("heading", { name: "An edit waits for a second person" }).waitFor();
  must((await page.getByRole("button", { name: "Let it pass" }).count()) === 0, "one person is enough");
  const other = await browser.newContext();
  const second = await other.newPage();
  second.setDefaultTimeout(15000);
  await signIn(second, task.approver);
  await second.goto(`${task.console}/letters/${task.letter}`);
  await look(second, "second-person");
  await second.getByLabel("Reason").first().fill("it is as the booking says");
  await second.getByRole("button", { name: "Let it pass and replay it" }).click();
  await second.getByText("Its consumer says that it took effect.").waitFor();
  await other.close();
  say("edited, let pass by a second person, replayed");

  // A letter nobody needs, by the keyboard alone: put aside and taken back.
  await page.goto(`${task.console}/letters/${task.evil}`);
  await look(page, "evil-letter");
  await page.getByRole("link", { name: "Discard" }).focus();
  await page.keyboard.press("Enter");
  await page.getByLabel("Reason").focus();
  await page.keyboard.type("it is garbage");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByText("discarded", { exact: true }).first().waitFor();
  await page.getByRole("link", { name: "Restore" }).click();
  await page.getByLabel("Reason").fill("somebody wants to look at it");
  await page.getByRole("button", { name: "Restore it" }).click();
  await page.getByText("waits for a decision").first().waitFor();
  say("discarded and restored");

  // Garbage shown whole is still text.
  await page.getByRole("link", { name: "Show what is masked" }).click();
  await page.getByLabel("Reason").fill("to see who sends such things");
  await page.getByRole("button", { name: "Show it whole" }).click();
  await page.getByRole("heading", { name: "with nothing hidden" }).waitFor();
  must((await page.content()).includes("&lt;script&gt;"), "the garbage is not there");
  await untainted(page, "garbage shown whole");

  // A guest whose name is a script, and a supplier that quotes it.
  await page.goto(`${task.console}/bookings/${task.named}`);
  await page.getByRole("heading", { name: "Everything that happened" }).waitFor();
  await look(page, "evil-guest");
  await page.getByRole("link", { name: "Show who travels" }).click();
  await page.getByLabel("Reason").fill("the hotel asks for the name");
  await page.getByRole("button", { name: "Show them" }).click();
  await page.getByText("That you looked is recorded.").waitFor();
  must((await page.content()).includes("&lt;script&gt;"), "the name is not there");
  await look(page, "travellers");
  say("a guest's name is text");

  // Many at once: they fail again, and the run stops by itself.
  await page.goto(`${task.console}/letters`);
  await look(page, "letters");
  await page.goto(`${task.console}/letters?group=${task.group}`);
  await page.getByRole("link", { name: "Replay them" }).click();
  await page.getByLabel("Reason").fill("to see whether it works now");
  await look(page, "replay-many");
  await page.getByRole("button", { name: "Replay them" }).click();
  await page.getByText("stopped", { exact: true }).first().waitFor();
  await look(page, "run");
  say("a replay of many stopped by itself");

  await page.goto(`${task.console}/suppliers`);
  await page.getByRole("heading", { name: "rapid" }).waitFor();
  await look(page, "suppliers");
  await page.goto(`${task.console}/cases`);
  await page.getByText("None is open.").first().waitFor();
  await look(page, "cases");
  await page.goto(`${task.console}/attention`);
  await page.getByRole("heading", { name: "What needs attention" }).waitFor();
  await look(page, "attention");
  await page.goto(`${task.console}/refunds`);
  await page.getByRole("heading", { name: "Refunds to let go" }).waitFor();
  await look(page, "refunds");

  const discard = () => page.getByRole("link", { name: "Discard" }).count();
  await page.goto(`${task.console}/letters/${task.parked}`);
  must((await discard()) > 0, "an operator is offered no act");

  await page.goto(`${task.console}/audit`);
  await page.getByText("it is garbage").first().waitFor();
  await look(page, "audit");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Password").waitFor();

  // Who may only look finds no act, and gets none by its address.
  await signIn(page, task.viewer);
  await page.goto(`${task.console}/letters/${task.parked}`);
  must((await discard()) === 0, "a viewer is offered an act");
  await page.goto(`${task.console}/letters/${task.evil}/discard`);
  await page.getByRole("heading", { name: "Not yours to do" }).waitFor();
  await untainted(page, "a refusal");
  must(broken.length === 0, `the browser complained: ${broken.join("; ")}`);
  say("a viewer looks and does nothing");
  await browser.close();
};

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error.stack || String(error));
    process.exit(1);
  },
);
