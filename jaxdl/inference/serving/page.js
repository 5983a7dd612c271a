// Shows what the served model takes, sends it, and shows what the model answers.

import { Drawing } from "./drawing.js";
import { Recording } from "./recording.js";

const MOST_SHOWN = 10;
const byId = (id) => document.getElementById(id);
let newest = 0; // number of the last request: an answer that comes late is not shown

const show = (id, shown = true) => { byId(id).hidden = !shown; };

async function predict(body, type, seen = null) {
  const number = ++newest;
  let answer;
  try {
    const response = await fetch("predict", { method: "POST", body, headers: { "content-type": type } });
    answer = await response.json();
  } catch (problem) {
    answer = { error: `The server does not answer (${problem.message}).` };
  }
  if (number === newest) showAnswer(answer, seen);
}

function showAnswer(answer, seen) {
  for (const id of ["waiting", "seen", "problem", "best", "notes", "probabilities", "other"]) show(id, false);
  if (seen !== null) {
    byId("seen-picture").src = seen;
    show("seen");
  }
  if (answer.error) {
    byId("problem").textContent = answer.error;
    show("problem");
    return;
  }
  byId("notes").replaceChildren(...(answer.notes ?? []).map((note) => element("li", note)));
  show("notes", Boolean(answer.notes));
  const [first] = answer.predictions;
  const simple = answer.predictions.length === 1 && "probabilities" in first && isFlat(first.probabilities);
  if (simple) showProbabilities(first);
  else if (answer.predictions.length === 1 && typeof first.prediction === "number") showBest(String(first.prediction));
  else {
    byId("other").textContent = JSON.stringify(answer.predictions, null, 1);
    show("other");
  }
}

const isFlat = (values) => Object.values(values).every((value) => value === null || typeof value === "number");

function showBest(text) {
  byId("best").textContent = text;
  show("best");
}

function showProbabilities(first) {
  if ("prediction" in first) showBest(first.prediction === null ? "not a number" : first.prediction);
  const ranked = Object.entries(first.probabilities).sort((one, other) => other[1] - one[1]).slice(0, MOST_SHOWN);
  const rows = ranked.map(([name, value]) => {
    const row = document.createElement("tr");
    const head = element("th", name);
    head.scope = "row";
    const number = element("td", value === null ? "-" : value.toFixed(4));
    number.className = "number";
    const bar = document.createElement("progress");
    bar.max = 1;
    bar.value = value ?? 0;
    bar.setAttribute("aria-label", `probability of ${name}`);
    const cell = document.createElement("td");
    cell.append(bar);
    row.append(head, number, cell);
    return row;
  });
  byId("probabilities").tBodies[0].replaceChildren(...rows);
  show("probabilities");
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

const asJson = (value) => predict(JSON.stringify(value), "application/json");

// Sends a file that is dropped on an area or chosen in its input.
function takesFiles(area, input, send) {
  input.addEventListener("change", () => input.files.length && send(input.files[0]));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    area.classList.add("over");
  });
  for (const name of ["dragleave", "drop"]) document.addEventListener(name, () => area.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) send(event.dataTransfer.files[0]);
  });
}

function pictures(model) {
  if (model.picture.draw) {
    const canvas = byId("canvas");
    canvas.height = Math.round((canvas.width * model.picture.height) / model.picture.width);
    const drawing = new Drawing(canvas, model.picture, () => {
      const picture = drawing.toPicture();
      if (picture) picture.toBlob((blob) => predict(blob, "image/png", picture.toDataURL()), "image/png");
    });
    byId("clear").addEventListener("click", () => drawing.clear());
    show("drawing");
  } else byId("file-label").textContent = "Drop a picture here, or choose a file";
  takesFiles(byId("drop"), byId("file"), (file) => predict(file, file.type || "image/png"));
}

function sounds(model) {
  const button = byId("record");
  let recording = null;
  const say = (text) => { byId("recording").textContent = text; };
  button.addEventListener("click", async () => {
    if (recording) {
      recording.end();
      return;
    }
    recording = new Recording(model.sound.rate, model.sound.seconds);
    try {
      await recording.begin();
      button.textContent = "Stop";
      say(`Recording, ${model.sound.seconds.toFixed(1)} s at most`);
      const wav = await recording.wav();
      say("");
      await predict(wav, "audio/wav");
    } catch (problem) {
      say(`Nothing was recorded (${problem.message}).`);
    }
    recording = null;
    button.textContent = "Record";
  });
  takesFiles(byId("sound-drop"), byId("sound-file"), (file) => predict(file, soundType(file)));
}

const soundType = (file) => `audio/${{ flac: "flac", ogg: "ogg" }[file.name.split(".").pop().toLowerCase()] ?? "wav"}`;

function texts(model) {
  if (model.kind === "trees") byId("text-label").textContent = "A tree in brackets, such as (It (is good))";
  onSubmit("texts", () => asJson({ inputs: [byId("text").value] }));
}

function rows(model) {
  const fields = model.columns.map((column, number) => {
    const field = document.createElement("div");
    const label = element("label", column.name);
    label.htmlFor = `column-${number}`;
    const input = document.createElement(column.categories ? "select" : "input");
    input.id = label.htmlFor;
    if (column.categories) input.append(...column.categories.map((name) => element("option", name)));
    else Object.assign(input, { type: "number", step: "any", value: "0" });
    field.append(label, input);
    return { field, column, input };
  });
  byId("columns").append(...fields.map(({ field }) => field));
  const value = ({ column, input }) => (column.categories ? input.value : input.value === "" ? null : Number(input.value));
  onSubmit("rows", () => asJson({ inputs: [Object.fromEntries(fields.map((each) => [each.column.name, value(each)]))] }));
}

function arrays(model) {
  byId("body").value = JSON.stringify(model.example);
  onSubmit("arrays", () => predict(byId("body").value, "application/json"));
}

// Calls a function when a form is sent: by its button, or by Ctrl-Enter in it.
function onSubmit(id, send) {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  byId(id).addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId(id).requestSubmit();
  });
}

const model = await (await fetch("model")).json();
document.title = `${model.experiment} - jaxdl`;
byId("name").textContent = model.experiment;
byId("about").textContent = `Served by jaxdl, after ${model.step.toLocaleString("en")} train steps.`;
({ pictures, sounds, texts, trees: texts, rows, arrays })[model.kind](model);
show(model.kind === "trees" ? "texts" : model.kind);
