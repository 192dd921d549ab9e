// One example: views of moving bodies, side by side, that share a clock and a camera.
const REST_S = 0.6; // the last pose stays this long before the loop starts again
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const ICONS = { play: "M2 0 L14 7 L2 14 Z", pause: "M1 0 h4 v14 h-4 Z M9 0 h4 v14 h-4 Z" };

class Player {
  constructor(example, skeleton, stage) {
    Object.assign(this, { stage, fps: skeleton.fps, playing: !STILL.matches, visible: false, dirty: true, speed: 1, camera: { ...HOME } });
    this.views = Object.keys(example.motions).map((name) => this.buildView(name, new Motion(example.motions[name], skeleton.fps), skeleton, example.scores));
    this.frames = Math.max(1, ...this.views.map((view) => view.motion.frames));
    this.frame = STILL.matches ? Math.floor(0.4 * this.frames) : 0; // a still says more mid-way
    Object.assign(this, travel(this.views.map((view) => view.motion)));
    this.node = el("article", { class: "example", tabindex: 0, keydown: (event) => this.onKey(event), "aria-label": example.caption },
      el("h3", null, example.caption), el("div", { class: "views" }, this.views.map((view) => view.node)), this.buildTransport());
    this.showState();
  }

  buildView(name, motion, skeleton, scores) {
    const canvas = el("canvas", { role: "img", "aria-label": name ? `${name}: a moving body` : "a moving body", dblclick: () => this.resetCamera() });
    const ended = el("span", { class: "ended", hidden: true }, `ends at ${(motion.frames / this.fps).toFixed(1)} s`);
    this.listen(canvas);
    const node = el("div", { class: "view" }, canvas,
      name ? el("span", { class: "name" }, el("span", { class: "dot", style: `color:${tint(name)}` }), name) : null, ended,
      scores ? el("div", { class: "scores" }, scoreLine(scores[name] || {}, name === "after" ? scores.before : null)) : null);
    return Object.assign(new View(motion, skeleton, canvas, name), { ended, node });
  }

  buildTransport() {
    this.icon = svg("path", {});
    this.button = el("button", { class: "play", type: "button", click: () => this.toggle() }, svg("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, this.icon));
    this.scrub = el("input", { type: "range", min: 0, max: this.frames - 1, step: 1, value: 0, "aria-label": "Time",
      input: () => { this.setPlaying(false); this.seek(Number(this.scrub.value)); } });
    this.clock = el("time", null);
    this.followButton = el("button", { type: "button", click: () => this.setFollow(!this.follow), title: "Keep the body in the middle (F)" }, "Follow");
    this.speeds = el("select", { "aria-label": "Speed", change: () => this.setSpeed(Number(this.speeds.value)) },
      [0.25, 0.5, 1, 2].map((rate) => el("option", { value: rate, selected: rate === 1 }, `${rate}×`)));
    return el("div", { class: "transport" }, this.button, this.scrub, this.clock, this.speeds, this.followButton,
      el("button", { type: "button", click: () => this.resetCamera(), title: "Camera back to where it was (R)" }, "Reset view"));
  }

  // Drag to orbit. The wheel zooms once the example has the focus, so that it never traps a scrolling reader.
  listen(canvas) {
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); this.node.focus({ preventScroll: true }); });
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) this.orbit(-0.009 * event.movementX, 0.007 * event.movementY);
    });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !this.node.contains(document.activeElement)) return;
      event.preventDefault();
      this.zoom(Math.exp(-0.0015 * event.deltaY));
    }, { passive: false });
  }

  onKey(event) {
    if (event.target.tagName === "SELECT" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && event.target.tagName === "BUTTON") return; // the button's own click
    const jump = event.shiftKey ? 10 : 1;
    const step = (by) => { this.setPlaying(false); this.seek(Math.round(this.frame) + by); };
    const action = {
      " ": () => this.toggle(), ArrowLeft: () => step(-jump), ArrowRight: () => step(jump),
      Home: () => step(-Infinity), End: () => step(Infinity),
      q: () => this.orbit(-0.15, 0), e: () => this.orbit(0.15, 0),
      "+": () => this.zoom(1.15), "=": () => this.zoom(1.15), "-": () => this.zoom(1 / 1.15),
      f: () => this.setFollow(!this.follow), r: () => this.resetCamera(),
    }[event.key];
    if (action) { event.preventDefault(); action(); }
  }

  orbit(yaw, pitch) {
    this.camera.yaw += yaw;
    this.camera.pitch = Math.max(0.02, Math.min(1.5, this.camera.pitch + pitch));
    this.touch();
  }

  zoom(factor) {
    this.camera.zoom = Math.max(0.3, Math.min(5, this.camera.zoom * factor));
    this.touch();
  }

  resetCamera() {
    this.camera = { ...HOME };
    this.touch();
  }

  setFollow(on) {
    this.follow = on;
    this.showState();
  }

  setSpeed(rate) {
    this.speed = rate;
    this.speeds.value = String(rate);
  }

  setPlaying(on) {
    this.playing = on;
    this.showState();
  }

  toggle() {
    if (!this.playing && this.frame >= this.frames - 1) this.frame = 0;
    this.setPlaying(!this.playing);
  }

  seek(frame) {
    this.frame = Math.max(0, Math.min(this.frames - 1, frame));
    this.touch();
  }

  touch() {
    this.showTime();
    this.dirty = true;
    this.stage.wake();
  }

  showState() {
    fill(this.icon, { d: this.playing ? ICONS.pause : ICONS.play }, []);
    fill(this.button, { "aria-label": this.playing ? "Pause" : "Play" }, []);
    fill(this.followButton, { "aria-pressed": String(this.follow) }, []);
    this.touch();
  }

  advance(seconds) {
    this.frame += seconds * this.fps * this.speed;
    if (this.frame > this.frames - 1 + REST_S * this.fps) this.frame = 0;
    this.showTime();
    this.dirty = true;
  }

  paint(colours) {
    this.dirty = false;
    const frame = Math.min(this.frame, this.frames - 1);
    for (const view of this.views) {
      view.paint(frame, this.camera, this.follow ? null : this.centre, this.spread, colours);
      view.ended.hidden = !(view.motion.frames < this.frames && frame > view.motion.frames - 1);
    }
  }

  showTime() {
    const frame = Math.min(this.frame, this.frames - 1);
    const [now, all] = [frame / this.fps, (this.frames - 1) / this.fps].map((s) => s.toFixed(1));
    this.scrub.value = Math.round(frame);
    this.scrub.setAttribute("aria-valuetext", `${now} of ${all} seconds`);
    this.clock.textContent = `${now} / ${all} s`;
  }
}

const score = (value) => (Number.isInteger(value) || value === null || Math.abs(value) >= 100 ? short(value) : value.toFixed(3));

// Numbers as they are, with the change since `before`; truths as badges.
function scoreLine(scores, before) {
  return Object.entries(scores).map(([name, value]) => {
    if (typeof value === "boolean") return el("span", { class: `chip ${value ? "pass" : "fail"}` }, `${value ? "✓" : "✗"} ${name.replaceAll("_", " ")} ${value ? "passed" : "failed"}`);
    const old = before ? before[name] : undefined;
    const change = typeof old === "number" && typeof value === "number" ? ` (${signed(value - old, score(Math.abs(value - old)))})` : "";
    return el("span", null, `${name.replaceAll("_", " ")} `, el("b", null, score(value)), change);
  });
}

const hints = () => el("span", { class: "hints" }, "drag to orbit · click, then wheel to zoom · ", el("kbd", null, "Space"), " play · ", el("kbd", null, "←"),
  " ", el("kbd", null, "→"), " scrub · ", el("kbd", null, "Q"), " ", el("kbd", null, "E"), " turn · ", el("kbd", null, "+"), " ", el("kbd", null, "−"), " zoom");
