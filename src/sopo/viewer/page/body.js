// A mannequin around the bones: tapered capsules, far ones first. Works for any skeleton with sides.
const LIGHT = [0.32, 0.2]; // the shadow's shift along x and z per metre of height

class Body {
  // pose: the first frame, from which bone lengths and so thicknesses are taken.
  constructor({ parents, sides }, pose) {
    const joints = parents.length;
    const children = parents.map((_, j) => parents.flatMap((p, c) => (p === j ? [c] : [])));
    const gap = (a, b) => Math.hypot(pose[3 * a] - pose[3 * b], pose[3 * a + 1] - pose[3 * b + 1], pose[3 * a + 2] - pose[3 * b + 2]);
    const bounded = (value, low, high) => Math.max(low, Math.min(high, value));
    const leaf = (j) => children[j].length === 0;
    this.head = sides.findIndex((side, j) => side === 0 && leaf(j));
    this.radius = parents.map((parent, j) => {
      if (sides[j] === 0) return j === this.head ? 0.05 : children[j].includes(this.head) ? 0.058 : 0.105;
      if (leaf(j)) return 0.032;
      return bounded(0.17 * gap(j, children[j][0]), 0.036, 0.072);
    });
    // A limb starts at the hip or the shoulder: the first joint off the spine, or the next if that is a collar.
    const origin = parents.map((parent, j) => {
      if (sides[j] === 0 || sides[parent] !== 0) return -1;
      const next = children[j][0];
      return parent !== 0 && next !== undefined && gap(j, next) < 0.17 ? next : j;
    });
    const starts = origin.filter((j) => j >= 0);
    const torso = { colour: "torso", bones: [] };
    this.parts = [torso];
    parents.forEach((parent, j) => {
      if (parent < 0) return;
      if (sides[parent] === 0 || starts.includes(j)) torso.bones.push([parent, j]);
      else this.parts.push({ colour: sides[j] < 0 ? "left" : "right", bones: [[parent, j]], tip: leaf(j) ? 0.05 : 0, shine: true });
    });
    // Around the trunk: up the left flank, across the shoulders, down the right, across the hips.
    const flank = (side) => starts.filter((j) => sides[j] === side).sort((a, b) => pose[3 * a + 1] - pose[3 * b + 1]);
    torso.ring = [...flank(-1), ...flank(1).reverse()];
    torso.bones.push(...torso.ring.map((a, i) => [a, torso.ring[(i + 1) % torso.ring.length]]));
    this.neck = this.head < 0 ? -1 : parents[this.head];
    this.joints = joints;
  }

  draw(ctx, camera, pose, colours, unit) {
    const seen = Array.from({ length: this.joints }, (_, j) => camera.project(pose[3 * j], pose[3 * j + 1], pose[3 * j + 2]));
    const shapes = this.parts.map((part) => this.shape(part, camera, pose, seen));
    if (this.head >= 0) shapes.push(this.skull(camera, pose));
    shapes.sort((a, b) => b.depth - a.depth);
    ctx.lineJoin = "round";
    for (const { depth, discs, middle, colour, shine } of shapes) {
      if (depth < NEAR) continue;
      const outside = new Path2D(), lit = new Path2D();
      if (middle) polygon(outside, middle);
      for (const [ax, ay, ar, bx, by, br] of discs) {
        capsule(outside, ax, ay, ar, bx, by, br);
        if (shine) capsule(lit, ax - 0.28 * ar, ay - 0.3 * ar, 0.42 * ar, bx - 0.28 * br, by - 0.3 * br, 0.42 * br);
      }
      ctx.strokeStyle = colours.outline;
      ctx.lineWidth = 2.4 * unit;
      ctx.stroke(outside);
      ctx.fillStyle = colours[colour];
      ctx.fill(outside);
      ctx.fillStyle = colours.shine;
      ctx.fill(lit);
    }
  }

  // A part as capsules on the screen; a limb's end reaches `tip` metres past its last joint.
  shape({ colour, bones, ring, tip, shine }, camera, pose, seen) {
    const discs = bones.map(([a, b]) => {
      const end = tip ? this.beyond(camera, pose, a, b, tip) : seen[b];
      return [seen[a][0], seen[a][1], this.radius[a] * seen[a][2], end[0], end[1], this.radius[b] * end[2]];
    });
    const depth = bones.reduce((sum, [a, b]) => sum + seen[a][3] + seen[b][3], 0) / (2 * bones.length);
    return { colour, discs, depth, shine, middle: ring && ring.map((j) => seen[j]) };
  }

  skull(camera, pose) {
    const [x, y, scale, depth] = this.beyond(camera, pose, this.neck, this.head, 0.07);
    return { colour: "torso", discs: [[x, y, 0.105 * scale, x, y, 0.105 * scale]], depth, shine: true };
  }

  // The point `more` metres behind b, seen from a, on the screen.
  beyond(camera, pose, a, b, more) {
    const step = [0, 1, 2].map((k) => pose[3 * b + k] - pose[3 * a + k]);
    const share = more / (Math.hypot(...step) || 1);
    return camera.project(...step.map((d, k) => pose[3 * b + k] + d * share));
  }

  drawShadow(ctx, camera, pose, colours) {
    const cast = (j) => camera.project(pose[3 * j] + LIGHT[0] * pose[3 * j + 1], 0, pose[3 * j + 2] + LIGHT[1] * pose[3 * j + 1]);
    const flat = 0.45 + 0.55 * Math.abs(camera.sp);
    const shadow = new Path2D();
    for (const { bones } of this.parts) {
      for (const [a, b] of bones) {
        const [p, q] = [cast(a), cast(b)];
        if (p[3] > NEAR && q[3] > NEAR) capsule(shadow, p[0], p[1], this.radius[a] * p[2] * flat, q[0], q[1], this.radius[b] * q[2] * flat);
      }
    }
    if (this.head >= 0) {
      const [x, y, scale, depth] = cast(this.head);
      if (depth > NEAR) { shadow.moveTo(x, y); shadow.ellipse(x, y, 0.1 * scale, 0.1 * scale * flat, 0, 0, 2 * Math.PI); }
    }
    ctx.fillStyle = colours.shadow;
    ctx.fill(shadow);
  }
}

// A filled polygon, turned the way of the capsules whatever side the camera sees it from.
function polygon(path, points) {
  const area = points.reduce((sum, [x, y], i) => {
    const [nextX, nextY] = points[(i + 1) % points.length];
    return sum + x * nextY - nextX * y;
  }, 0);
  const around = area > 0 ? points : points.slice().reverse();
  around.forEach(([x, y], i) => (i ? path.lineTo(x, y) : path.moveTo(x, y)));
  path.closePath();
}

// The outline of two discs and what lies between them, always the same way round, so that overlaps stay filled.
function capsule(path, ax, ay, ar, bx, by, br) {
  const distance = Math.hypot(bx - ax, by - ay);
  if (distance <= Math.abs(ar - br) + 1e-6) {
    const [x, y, r] = ar > br ? [ax, ay, ar] : [bx, by, br];
    path.moveTo(x + r, y);
    path.arc(x, y, r, 0, 2 * Math.PI);
    return;
  }
  const angle = Math.atan2(by - ay, bx - ax), lean = Math.acos((ar - br) / distance);
  path.moveTo(ax + ar * Math.cos(angle + lean), ay + ar * Math.sin(angle + lean));
  path.arc(ax, ay, ar, angle + lean, angle - lean + 2 * Math.PI);
  path.arc(bx, by, br, angle - lean, angle + lean);
  path.closePath();
}
