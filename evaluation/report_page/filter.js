"use strict";
// The filters stand in the address (#task=task3&grade=wrong), so links and the back button work.
const form = document.getElementById("filters");
const samples = [...document.querySelectorAll("#samples > details")];
const texts = samples.map((sample) => sample.textContent.toLowerCase());

function apply() {
  const [task, grade, text] = ["task", "grade", "text"].map((name) => form.elements[name].value);
  const wanted = text.trim().toLowerCase();
  let shown = 0;
  samples.forEach((sample, index) => {
    const show = (!task || sample.dataset.task === task) && (!grade || sample.dataset.grade === grade)
      && texts[index].includes(wanted);
    sample.hidden = !show;
    shown += show;
  });
  document.getElementById("shown").value = `${shown} of ${samples.length} questions`;
}

function readAddress() {
  const address = new URLSearchParams(location.hash.slice(1));
  for (const name of ["task", "grade", "text"]) form.elements[name].value = address.get(name) ?? "";
  apply();
}

function writeAddress() {
  const set = [...new FormData(form)].filter(([, value]) => value);
  history.replaceState(null, "", "#" + new URLSearchParams(set));
  apply();
}

form.addEventListener("input", writeAddress);
form.addEventListener("reset", () => setTimeout(writeAddress));
form.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", () => {
  readAddress();
  form.scrollIntoView();
});
readAddress();
if (location.hash.length > 1) form.scrollIntoView();
