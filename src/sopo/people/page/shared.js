// What was drawn for one caption, as a page that stands alone.
const data = JSON.parse(document.getElementById("payload").textContent);
const stage = new Stage();
const player = new Player(data, data.skeleton, stage);
player.views.forEach((view) => { view.trail = true; });
document.getElementById("page").append(el("header", null, themeButton(stage), el("p", { class: "eyebrow" }, `from the same noise, number ${data.seed}`),
  el("h1", null, data.caption)), el("div", { class: "place" }, stage.add(player), hints()));
root.dataset.ready = "true";
