// What every part of the script shares: texts, addresses, elements, messages.

export const texts = JSON.parse(document.body.dataset.texts ?? "{}");

export function text(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export function address(path, query = {}) {
  const all = { collection: document.body.dataset.collection, ...query };
  return `${path}?${new URLSearchParams(all)}`;
}

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export function say(message) {
  document.getElementById("status").textContent = message;
}

// Returns the response, or throws an Error with what the server says.
export async function request(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    throw error.name === "AbortError" ? error : new Error(text("lost"));
  }
  if (response.status === 401) location.reload(); // the session has ended: the page asks for the token
  if (!response.ok) throw Object.assign(new Error(await problem(response)), { status: response.status });
  return response;
}

export function json(method, body) {
  return { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

async function problem(response) {
  const body = await response.json().catch(() => ({}));
  return typeof body.detail === "string" ? body.detail : response.statusText;
}

// Asks in a dialog; resolves to whether the person agrees.
export function confirmed(message, agree) {
  const dialog = element("dialog");
  const form = element("form", { method: "dialog" },
    element("p", { id: "confirm-text", textContent: message }),
    element("div", { className: "row end" },
      element("button", { textContent: text("cancel"), value: "no", autofocus: true }),
      element("button", { textContent: agree, value: "yes", className: "primary" })));
  dialog.setAttribute("aria-labelledby", "confirm-text");
  dialog.append(form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}
