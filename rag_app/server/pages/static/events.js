// Server-sent events of a response (HTML standard, section 9.2.6).

export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split(/\r?\n\r?\n/);
    rest = parts.pop();
    for (const part of parts) {
      const event = parsed(part);
      if (event.data) yield { name: event.name, data: JSON.parse(event.data) };
    }
  }
}

function parsed(part) {
  const event = { name: "message", data: "" };
  for (const line of part.split(/\r?\n/)) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "event") event.name = value;
    if (field === "data") event.data += value;
  }
  return event;
}
