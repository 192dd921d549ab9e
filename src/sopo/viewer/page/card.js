// A clip on the contact sheet: its body in motion, who it is, and what is off with it.
class Card {
  // words: what was searched for; a caption that has it goes first.
  constructor(clip, skeleton, stage, words, open) {
    Object.assign(this, { clip, skeleton, stage, playing: !STILL.matches, visible: false, dirty: true, frame: 0 });
    const caption = clip.captions.find((text) => words.every((word) => text.toLowerCase().includes(word))) || clip.captions[0];
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.picture = el("button", { type: "button", class: "picture", "aria-label": `Show ${clip.id} large`, click: open }, this.canvas);
    const more = clip.captions.length - 1;
    this.node = el("article", { class: "card", "data-id": clip.id }, this.picture,
      el("div", { class: "facts" }, el("span", { class: "id", title: clip.id }, clip.id), clip.split ? el("span", null, clip.split) : null,
        clip.frames ? el("span", null, `${(clip.frames / skeleton.fps).toFixed(1)} s`) : null),
      el("p", { class: "caption", dir: "auto" }, caption || el("i", null, "no caption")),
      more > 0 ? el("p", { class: "more" }, `and ${more} more ${more === 1 ? "caption" : "captions"}`) : null,
      chips(clip));
  }

  // motion: as stored; null where the clip cannot be drawn.
  show(motion, why = "cannot be drawn") {
    if (!motion) {
      this.picture.replaceChildren(el("span", { class: "blank" }, why));
      this.picture.disabled = true;
      return;
    }
    this.view = new View(new Motion(motion, this.skeleton.fps), this.skeleton, this.canvas, "");
    Object.assign(this, travel([this.view.motion]));
    if (STILL.matches) this.frame = Math.floor(0.4 * this.view.motion.frames);
    this.touch();
  }

  setPlaying(on) {
    this.playing = on;
  }

  touch() {
    this.dirty = true;
    this.stage.wake();
  }

  // Small bodies are painted once a stored frame, not once a frame of the screen.
  advance(seconds) {
    if (!this.view) return;
    const before = Math.floor(this.frame), { frames } = this.view.motion;
    this.frame += seconds * this.skeleton.fps;
    if (this.frame > frames - 1 + REST_S * this.skeleton.fps) this.frame = 0;
    if (Math.floor(this.frame) !== before && before < frames) this.dirty = true;
  }

  paint(colours) {
    this.dirty = false;
    if (!this.view) return;
    const frame = Math.min(Math.floor(this.frame), this.view.motion.frames - 1);
    this.view.paint(frame, HOME, this.follow ? null : this.centre, this.spread, colours);
  }
}

function chips(clip) {
  return clip.warnings.length ? el("div", { class: "chips" }, clip.warnings.map(([kind, measured]) =>
    el("span", { class: "chip worse", title: measured || null }, kind.replaceAll("-", " ")))) : null;
}
