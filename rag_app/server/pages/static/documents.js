// Uploads with their progress, and the progress of the index job.

import { address, confirmed, say, text } from "./page.js";

const form = document.getElementById("upload");
const job = document.getElementById("job");

export function startUploads() {
  if (job?.dataset.running) follow();
  if (!form) return;
  const field = form.elements.files;
  field.addEventListener("change", () => upload([...field.files]));
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      form.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) form.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    const files = [...event.dataTransfer.files];
    if (files.length) upload(files);
  });
}

async function upload(files, replace = false) {
  const problem = form.querySelector(".problem");
  problem.hidden = true;
  try {
    await sent(files, replace);
    follow();
  } catch (error) {
    job.hidden = true;
    if (error.status === 409 && !replace && (await confirmed(error.message, text("replace")))) {
      upload(files, true);
      return;
    }
    problem.textContent = error.message;
    problem.hidden = error.status === 409;
  } finally {
    form.reset();
  }
}

// fetch does not tell how much of a body is sent; XMLHttpRequest does.
function sent(files, replace) {
  const body = new FormData();
  for (const file of files) body.append("files", file);
  const call = new XMLHttpRequest();
  call.open("POST", address("/api/documents", replace ? { replace: true } : {}));
  call.responseType = "json";
  call.upload.addEventListener("progress", (event) => showProgress(text("uploading"), event.loaded, event.total));
  showProgress(text("uploading"));
  return new Promise((resolve, reject) => {
    call.addEventListener("error", () => reject(new Error(text("lost"))));
    call.addEventListener("load", () => {
      const detail = call.response?.detail ?? call.statusText;
      if (call.status === 201) resolve();
      else reject(Object.assign(new Error(detail), { status: call.status }));
    });
    call.send(body);
  });
}

function follow() {
  showProgress(text("read"));
  const source = new EventSource(address("/api/index"));
  source.addEventListener("job", (event) => {
    const { state, progress } = JSON.parse(event.data);
    if (state === "running") {
      if (progress) showStage(progress);
      return;
    }
    source.close();
    say(text("done"));
    location.reload();
  });
}

function showStage(progress) {
  if (progress.stage === "reading") showProgress(text("read"), progress.files_done, progress.files_total);
  else if (progress.stage === "embedding") showProgress(text("embed"), progress.chunks_done, progress.chunks_total);
  else showProgress(text("commit"));
}

function showProgress(label, done, total) {
  const bar = job.querySelector("progress");
  job.hidden = false;
  job.querySelector("[data-job-text]").textContent = total ? `${label} · ${done} / ${total}` : `${label}…`;
  if (label === text("uploading") && total) {
    job.querySelector("[data-job-text]").textContent = `${label} · ${Math.round((100 * done) / total)} %`;
  }
  if (total) Object.assign(bar, { max: total, value: done });
  else bar.removeAttribute("value");
}
