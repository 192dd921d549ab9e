// The one clock of all players, and the page's colours.
const root = document.documentElement;
addEventListener("error", (event) => { root.dataset.error = event.message; });
addEventListener("unhandledrejection", (event) => { root.dataset.error = String(event.reason); });

class Stage {
  constructor() {
    this.players = [];
    this.alone = null; // the only one that moves, if any
    this.asked = false;
    this.last = null;
    this.watch = new IntersectionObserver((entries) => entries.forEach(({ target, isIntersecting }) => {
      const player = this.players.find(({ node }) => node === target);
      if (!player) return; // removed since
      player.visible = isIntersecting;
      player.touch();
    }), { threshold: 0.1 });
    this.sizes = new ResizeObserver(() => this.players.forEach((player) => player.touch()));
    this.readColours();
  }

  // player: something with a node that can be touched, advanced and painted.
  add(player) {
    this.players.push(player);
    this.watch.observe(player.node);
    this.sizes.observe(player.node);
    return player.node;
  }

  remove(player) {
    this.players = this.players.filter((other) => other !== player);
    this.watch.unobserve(player.node);
    this.sizes.unobserve(player.node);
  }

  readColours() {
    const style = getComputedStyle(root);
    this.colours = Object.fromEntries(["real", "before", "after", "other", "left", "right", "torso", "outline", "shine", "grid", "shadow"]
      .map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    this.players.forEach((player) => player.touch());
  }

  wake() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame((now) => this.tick(now));
  }

  // Only what is on the screen moves; when nothing does, no frame is asked for.
  tick(now) {
    this.asked = false;
    const seconds = this.last === null ? 0 : Math.min((now - this.last) / 1000, 0.1);
    this.last = now;
    const visible = this.players.filter((player) => player.visible && (!this.alone || player === this.alone));
    for (const player of visible) {
      if (player.playing) player.advance(seconds);
      if (player.dirty) player.paint(this.colours);
    }
    if (visible.some((player) => player.playing)) this.wake();
    else this.last = null;
  }
}

function themeButton(stage) {
  const night = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const button = el("button", { type: "button", class: "theme", click: () => {
    root.dataset.theme = night() ? "light" : "dark";
    button.textContent = night() ? "Light" : "Dark";
    stage.readColours();
  } }, night() ? "Light" : "Dark");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => stage.readColours());
  return button;
}
