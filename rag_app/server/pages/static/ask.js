// Ask: the answer as it is written, then as the server shows it.

import { events } from "./events.js";
import { address, element, json, request, say, text } from "./page.js";

const form = document.getElementById("ask");
const live = document.getElementById("live");
const turns = document.getElementById("turns");
const field = document.getElementById("question");
let running = null;

export function startAsking() {
  for (const one of document.querySelectorAll("form[data-ask]")) {
    one.addEventListener("submit", (event) => {
      event.preventDefault();
      ask(new FormData(one, event.submitter).get("question").trim());
    });
  }
  if (!form) return;
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  const model = form.elements.llm;
  model.addEventListener("change", () => showWhatLeaves(model));
}

function showWhatLeaves(model) {
  document.querySelector("#leaves span").textContent = model.selectedOptions[0].dataset.leaves;
}

async function ask(question) {
  if (running || !question) return;
  running = new AbortController();
  const shown = showQuestion(question);
  field.value = "";
  document.querySelector(".options").open = false;
  try {
    const conversation = form.elements.conversation.value || (await newConversation());
    const turn = await written(await asked(question, conversation), shown);
    await showTurn(conversation, turn);
    running = null;
    await showKept(`/conversations/${conversation}`);
  } catch (error) {
    const stopped = error.name === "AbortError";
    shown.stop.remove();
    shown.state.textContent = stopped ? text("stopped") : `${text("failed")}: ${error.message}`;
    shown.state.classList.toggle("notice", !stopped);
    field.value ||= question;
    say(shown.state.textContent);
  } finally {
    running = null;
    field.focus({ preventScroll: true });
  }
}

function showQuestion(question) {
  document.getElementById("welcome")?.remove();
  document.getElementById("suggestions")?.remove();
  const shown = {
    state: element("p", { className: "working", textContent: text("searching") }),
    rewritten: element("p", { className: "rewritten", hidden: true }),
    thought: element("p"),
    answer: element("div", { className: "answer plain-text", dir: "auto" }),
    stop: element("button", { type: "button", textContent: text("stop"), className: "stop" }),
  };
  shown.thinking = element("details", { className: "thinking", hidden: true },
    element("summary", { textContent: text("thinking") }), shown.thought);
  shown.stop.addEventListener("click", () => running?.abort());
  live.replaceChildren(element("article", { className: "turn" },
    element("h2", { className: "asked", dir: "auto", textContent: question }),
    shown.rewritten, shown.thinking, shown.answer, shown.state, shown.stop));
  live.hidden = false;
  live.scrollIntoView({ block: "start" });
  say(text("searching"));
  return shown;
}

async function newConversation() {
  const response = await request(address("/api/conversations"), { method: "POST", signal: running.signal });
  const { id } = await response.json();
  form.elements.conversation.value = id;
  return id;
}

function asked(question, conversation) {
  const values = new FormData(form);
  const named = ["source", "type", "language", "since", "until"].map((key) => [key, values.get(key).trim()]);
  const body = { question, conversation, filter: Object.fromEntries(named.filter(([, value]) => value)) };
  for (const key of ["llm", "prompt"]) if (values.get(key)) body[key] = values.get(key);
  const options = json("POST", body);
  options.headers.Accept = "text/event-stream";
  return request(address("/api/ask"), { ...options, signal: running.signal });
}

// Shows the events of an answer, and returns the number of its turn.
async function written(response, shown) {
  for await (const { name, data } of events(response)) {
    if (name === "answer") return data.turn;
    if (name === "error") throw new Error(data.detail);
    show[name]?.(shown, data);
  }
  throw new Error(text("lost"));
}

const show = {
  retrieved(shown, data) {
    shown.state.textContent = text("reading", { n: data.chunks.length });
  },
  condensed(shown, data) {
    shown.rewritten.hidden = false;
    shown.rewritten.textContent = data.question;
  },
  thinking(shown, data) {
    shown.thinking.hidden = false;
    shown.thought.append(data.text);
  },
  token(shown, data) {
    shown.state.hidden = true;
    shown.answer.append(data.text);
  },
};

async function showTurn(conversation, turn) {
  const path = `/conversations/${conversation}/turns/${turn}`;
  const html = await (await request(address(path))).text();
  const thinking = live.querySelector(".thinking:not([hidden])");
  turns.insertAdjacentHTML("beforeend", html);
  const article = turns.lastElementChild;
  if (thinking) article.querySelector(".answer").before(thinking);
  live.replaceChildren();
  live.hidden = true;
  article.scrollIntoView({ block: "start" });
  say(article.querySelector(".answer").textContent);
}

// Gives a new conversation its address, its name and its place in the list.
async function showKept(path) {
  if (location.pathname === path) return;
  history.replaceState(null, "", address(path));
  const html = await (await request(address(path))).text();
  const page = new DOMParser().parseFromString(html, "text/html");
  document.title = page.title;
  document.getElementById("side").replaceChildren(...page.getElementById("side").childNodes);
  turns.before(page.querySelector("main > .head"));
  field.placeholder = page.getElementById("question").placeholder;
}
