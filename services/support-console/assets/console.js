// A little comfort. Everything works without it.
"use strict";
(() => {
  const busy = () => document.hidden || document.activeElement?.matches("input, textarea, select, summary") ||
    document.querySelector("main details[open]");

  // Pages that tell of something under way are read again, and put in place while nobody is typing.
  const again = async () => {
    const main = document.querySelector("main[data-live]");
    if (!main || busy()) return;
    const answer = await fetch(location.href, { headers: { "x-live": "1" }, redirect: "error" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("main");
    if (fresh && !busy()) main.replaceWith(document.adoptNode(fresh));
  };
  const every = Number(document.querySelector("main[data-live]")?.dataset.live || 0);
  if (every) setInterval(() => again().catch(() => {}), every * 1000);

  // What is ticked in a timeline's filter is shown.
  document.addEventListener("change", (event) => {
    const box = event.target;
    if (box.matches("[data-kind]")) {
      for (const line of document.querySelectorAll(`li[data-of="${box.dataset.kind}"]`)) line.hidden = !box.checked;
    }
    if (box.matches("input[type=range]")) box.form?.requestSubmit();
  });

  // "/" goes to the search field.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || busy()) return;
    event.preventDefault();
    document.querySelector(".find input")?.focus();
  });
})();
