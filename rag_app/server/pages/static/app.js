// The script of the page; without it, every form works by itself.

import { startAsking } from "./ask.js";
import { startUploads } from "./documents.js";
import { confirmed, json, request, say, text, address } from "./page.js";

startAsking();
startUploads();
showQuote();

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-copy], [data-theme-switch]");
  if (target?.dataset.copy) copy(target);
  else if (target) switchTheme();
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.activeElement.closest("details[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.matches("[data-feedback]")) {
    event.preventDefault();
    judge(form, event.submitter);
  } else if (form.dataset.confirm && !form.dataset.confirmed) {
    event.preventDefault();
    const submitter = event.submitter;
    if (!(await confirmed(form.dataset.confirm, submitter?.textContent ?? text("continue")))) return;
    form.dataset.confirmed = "yes";
    form.requestSubmit(submitter);
  }
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-switch] select")) event.target.form.submit();
});

function showQuote() {
  const sheet = document.querySelector("img[data-at]");
  if (!sheet) document.querySelector("main.wide mark")?.scrollIntoView({ block: "center" });
  else {
    const box = sheet.getBoundingClientRect();
    scrollTo({ top: scrollY + box.top + box.height * sheet.dataset.at - innerHeight / 2, behavior: "instant" });
  }
}

async function copy(button) {
  await navigator.clipboard.writeText(button.dataset.copy);
  button.classList.add("done");
  say(text("copied"));
  setTimeout(() => button.classList.remove("done"), 1500);
}

function switchTheme() {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const shown = root.dataset.theme ?? (dark ? "dark" : "light");
  root.dataset.theme = shown === "dark" ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
}

async function judge(form, button) {
  const [, conversation] = /conversations\/([^/?]+)/.exec(form.action);
  const { turn, note } = form.elements;
  const body = { conversation, turn: Number(turn.value), helpful: button?.value === "true", note: note.value };
  try {
    await request(address("/api/feedback"), json("POST", body));
    form.replaceChildren(form.dataset.thanks);
    say(form.dataset.thanks);
  } catch (error) {
    say(error.message);
  }
}
