// A person whose browser dies before it shows what came of asking for a replay of many, and who asks again in another one.
// Takes its task from the environment, prints a line for each step, and ends with 1 at the first thing that is wrong.
"use strict";
const path = require("node:path");
const { chromium } = require(path.join(process.env.BROWSER_TOOLS, "playwright-core"));
const task = JSON.parse(process.env.BROWSER_TASK);

const options = {
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
};

// Signs in and fills in the form, up to the button.
const ready = async (browser) => {
  const page = await browser.newPage();
  page.setDefaultTimeout(15000);
  await page.goto(task.console);
  await page.getByLabel("Name").fill(task.operator.name);
  await page.getByLabel("Password").fill(task.operator.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.goto(`${task.console}/runs/new?group=${task.group}`);
  await page.getByLabel("Reason").fill("rewards was mended");
  return { page, button: page.getByRole("button", { name: "Replay them" }) };
};

const main = async () => {
  const server = await chromium.launchServer(options);
  const first = await ready(await chromium.connect(server.wsEndpoint()));
  const posted = first.page.waitForResponse((reply) => reply.request().method() === "POST");
  first.button.click({ noWaitAfter: true }).catch(() => {});
  await posted;
  await server.kill();
  console.log("the browser died");

  const browser = await chromium.launch(options);
  const second = await ready(browser);
  await second.button.click();
  await second.page.getByText("took effect").first().waitFor();
  console.log("asked again");
  await browser.close();
};

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error.stack || String(error));
    process.exit(1);
  },
);
