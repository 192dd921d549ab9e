// One moving body on one canvas.
class View {
  constructor(motion, skeleton, canvas, name) {
    Object.assign(this, { motion, canvas, name, skeleton, ctx: canvas.getContext("2d"), body: new Body(skeleton, motion.positions) });
    this.trail = false; // of the feet
  }

  // centre: the point on the floor that the camera looks at; null follows the body.
  paint(frame, camera, centre, spread, colours) {
    const { motion, canvas, ctx, body } = this, unit = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((size) => Math.round(size * unit));
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    else ctx.clearRect(0, 0, width, height);
    const seen = new Camera(camera, centre || motion.focusAt(frame), centre ? spread : motion.tall, motion.tall, width, height);
    const pose = motion.at(frame);
    drawFloor(ctx, seen, colours, unit);
    drawPath(ctx, seen, motion, frame, colours[this.name] || colours.other, unit);
    if (this.trail) drawTrail(ctx, seen, motion, this.skeleton, frame, colours, unit);
    body.drawShadow(ctx, seen, pose, colours);
    body.draw(ctx, seen, pose, colours, unit);
  }
}

// All the ground that motions cover: for a camera that stands still, and whether it had better follow.
function travel(motions) {
  const points = motions.flatMap((motion) => motion.path);
  const [xs, zs] = [points.map((p) => p[0]), points.map((p) => p[1])];
  const [x0, x1, z0, z1] = [Math.min(...xs), Math.max(...xs), Math.min(...zs), Math.max(...zs)];
  const radius = Math.hypot(x1 - x0, z1 - z0) / 2;
  const tall = Math.max(...motions.map((motion) => motion.tall));
  return { centre: [(x0 + x1) / 2, (z0 + z1) / 2], spread: Math.max(tall, 1 + Math.max(0, radius - 0.3) / 1.6), follow: radius > 0.9 };
}
