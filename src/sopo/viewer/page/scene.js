// A motion in memory, the camera, and the floor. Metres, Y up, frames; screen in device pixels.
const FOCAL = 1.65; // of the view's height: a person fills about two thirds of it at DISTANCE metres
const DISTANCE = 4.2;
const VIEW_M = 1.95; // of height are seen from there
const NEAR = 0.2;
const HOME = { yaw: 0.75, pitch: 0.2, zoom: 1 };

class Motion {
  // Stored joints -> positions [frames * joints * 3], the root's path on the floor, and what the camera follows.
  constructor({ frames, step, data }, fps) {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    this.positions = Float32Array.from({ length: bytes.length / 2 }, (_, i) => view.getInt16(2 * i, true) * step);
    this.frames = frames;
    // How many times farther off the camera has to be for a body that floats, or is of no person's size.
    this.tall = this.positions.reduce((most, value, i) => (i % 3 === 1 ? Math.max(most, value / VIEW_M) : most), 1);
    this.stride = this.positions.length / frames;
    this.pose = new Float32Array(this.stride);
    this.path = Array.from({ length: frames }, (_, t) => [this.positions[t * this.stride], this.positions[t * this.stride + 2]]);
    const reach = Math.round(0.75 * fps);
    this.focus = this.path.map((_, t) => mean(this.path.slice(Math.max(0, t - reach), t + reach + 1)));
  }

  // The pose at a fractional frame; the last one stays when the motion is over.
  at(frame) {
    const time = Math.min(frame, this.frames - 1), t = Math.floor(time), share = time - t;
    const here = t * this.stride, next = Math.min(t + 1, this.frames - 1) * this.stride;
    for (let i = 0; i < this.stride; i += 1) this.pose[i] = this.positions[here + i] * (1 - share) + this.positions[next + i] * share;
    return this.pose;
  }

  focusAt(frame) {
    const time = Math.min(frame, this.frames - 1), t = Math.floor(time), share = time - t;
    const here = this.focus[t], next = this.focus[Math.min(t + 1, this.frames - 1)];
    return [here[0] * (1 - share) + next[0] * share, here[1] * (1 - share) + next[1] * share];
  }
}

function mean(points) {
  const sum = points.reduce((a, p) => [a[0] + p[0], a[1] + p[1]], [0, 0]);
  return [sum[0] / points.length, sum[1] / points.length];
}

// One frame's camera: looks from (yaw, pitch, distance) at the point (x, height, z).
class Camera {
  constructor({ yaw, pitch, zoom }, [x, z], spread, tall, width, height) {
    Object.assign(this, { x, z, y: 0.84 * tall, width, height });
    this.distance = (DISTANCE * spread) / zoom;
    this.focal = FOCAL * Math.min(height, 1.35 * width);
    [this.sy, this.cy, this.sp, this.cp] = [Math.sin(yaw), Math.cos(yaw), Math.sin(pitch), Math.cos(pitch)];
  }

  // World -> [right, up, depth], metres in the camera's frame.
  see(px, py, pz) {
    const dx = px - this.x, dy = py - this.y, dz = pz - this.z;
    const along = dx * this.sy + dz * this.cy;
    return [dx * this.cy - dz * this.sy, dy * this.cp - along * this.sp, this.distance - along * this.cp - dy * this.sp];
  }

  // World -> [screen x, screen y, pixels per metre, depth].
  project(px, py, pz) {
    const [right, up, depth] = this.see(px, py, pz);
    const scale = this.focal / Math.max(depth, NEAR);
    return [this.width / 2 + right * scale, this.height / 2 - up * scale, scale, depth];
  }
}

// Half-metre cells, fading with distance from what the camera looks at.
function drawFloor(ctx, camera, colours, unit) {
  const cell = 0.5, reach = 5;
  const rings = [[], [], [], [], []];
  const [cx, cz] = [Math.round(camera.x / cell) * cell, Math.round(camera.z / cell) * cell];
  const segment = (ax, az, bx, bz, whole) => {
    const far = Math.hypot((ax + bx) / 2 - camera.x, (az + bz) / 2 - camera.z) / reach;
    if (far >= 1) return;
    const a = camera.project(ax, 0, az), b = camera.project(bx, 0, bz);
    if (a[3] > NEAR && b[3] > NEAR) rings[Math.floor(far * 5)].push([a, b, whole]);
  };
  for (let i = -reach; i <= reach; i += cell) {
    for (let j = -reach; j < reach; j += cell) {
      segment(cx + i, cz + j, cx + i, cz + j + cell, Number.isInteger(cx + i));
      segment(cx + j, cz + i, cx + j + cell, cz + i, Number.isInteger(cz + i));
    }
  }
  ctx.lineWidth = unit;
  rings.forEach((segments, ring) => [true, false].forEach((whole) => {
    ctx.strokeStyle = `rgba(${colours.grid}, ${(whole ? 0.36 : 0.15) * (1 - ring / 5)})`;
    ctx.beginPath();
    for (const [a, b, kind] of segments) {
      if (kind === whole) { ctx.moveTo(a[0], a[1]); ctx.lineTo(b[0], b[1]); }
    }
    ctx.stroke();
  }));
}

// Where the root has been (full) and will go (faint); a ring where it starts.
function drawPath(ctx, camera, motion, frame, colour, unit) {
  const points = motion.path.map(([x, z]) => camera.project(x, 0.004, z));
  const line = (from, to, alpha, width) => {
    ctx.globalAlpha = alpha;
    ctx.lineWidth = width * unit;
    ctx.beginPath();
    for (let t = from; t < to; t += 1) {
      if (points[t][3] > NEAR && points[t + 1][3] > NEAR) { ctx.moveTo(points[t][0], points[t][1]); ctx.lineTo(points[t + 1][0], points[t + 1][1]); }
    }
    ctx.stroke();
  };
  const now = Math.min(Math.ceil(frame), motion.frames - 1);
  ctx.strokeStyle = colour;
  ctx.lineCap = "round";
  line(now, motion.frames - 1, 0.28, 2);
  line(0, now, 0.9, 2.5);
  const [x, y, scale, depth] = points[0];
  if (depth > NEAR) {
    ctx.beginPath();
    ctx.ellipse(x, y, 0.07 * scale, Math.max(0.07 * scale * Math.abs(camera.sp), 1), 0, 0, 2 * Math.PI);
    ctx.stroke();
  }
  ctx.globalAlpha = 1;
}

// Where the feet have been, in the colours of their sides; the last second and a half, fading.
const TRAIL_S = 1.5;

function drawTrail(ctx, camera, motion, { feet, fps }, frame, colours, unit) {
  const now = Math.min(Math.floor(frame), motion.frames - 1), first = Math.max(0, now - Math.round(TRAIL_S * fps));
  ctx.lineWidth = 2 * unit;
  ctx.lineCap = "round";
  feet.forEach((joint, side) => {
    ctx.strokeStyle = side ? colours.right : colours.left;
    const point = (t) => { const at = t * motion.stride + 3 * joint; return camera.project(...motion.positions.subarray(at, at + 3)); };
    for (let t = first, from = point(first); t < now; t += 1) {
      const to = point(t + 1);
      ctx.globalAlpha = (0.75 * (t + 1 - first)) / (now - first);
      if (from[3] > NEAR && to[3] > NEAR) { ctx.beginPath(); ctx.moveTo(from[0], from[1]); ctx.lineTo(to[0], to[1]); ctx.stroke(); }
      from = to;
    }
  });
  ctx.globalAlpha = 1;
}
