// Where things lie: image pixels, counted from the upper left corner of the upper left pixel, and the screen.

import type { Mark, Point } from '../api'

/** How an image lies in its box: screen = image · (sx, sy) + (x, y). */
export interface Placement {
  sx: number
  sy: number
  x: number
  y: number
}

export interface Look {
  zoom: number
  /** The middle of the box, as a share of the image. */
  cx: number
  cy: number
}

export const WHOLE: Look = { zoom: 1, cx: 0.5, cy: 0.5 }

/** The image as large as the box allows, times the zoom, its pixels as wide and high as they are in the patient. */
export function place(look: Look, box: [number, number], columns: number, rows: number, dx: number, dy: number): Placement {
  const fit = Math.min(box[0] / (columns * dx), box[1] / (rows * dy)) * look.zoom
  const sx = fit * dx
  const sy = fit * dy
  return { sx, sy, x: box[0] / 2 - look.cx * columns * sx, y: box[1] / 2 - look.cy * rows * sy }
}

export function toImage(p: Placement, at: Point): Point {
  return [(at[0] - p.x) / p.sx, (at[1] - p.y) / p.sy]
}

/** The look after zooming by a factor about a place of the image, which stays where it is on the screen. */
export function zoomed(look: Look, factor: number, about: Point, columns: number, rows: number): Look {
  const zoom = Math.min(Math.max(look.zoom * factor, 0.5), 24)
  const f = look.zoom / zoom
  const [ux, uy] = [about[0] / columns, about[1] / rows]
  return { zoom, cx: ux + (look.cx - ux) * f, cy: uy + (look.cy - uy) * f }
}

export function moved(look: Look, dx: number, dy: number, p: Placement, columns: number, rows: number): Look {
  return { ...look, cx: look.cx - dx / (p.sx * columns), cy: look.cy - dy / (p.sy * rows) }
}

/** The outline of a mark as a polygon, whatever it was drawn with. */
export function outline(mark: Pick<Mark, 'shape' | 'points_px'>): Point[] {
  const points = mark.points_px
  if (mark.shape !== 'rectangle' && mark.shape !== 'ellipse') return points
  const [ax, ay] = points[0]!
  const [bx, by] = points[1]!
  if (mark.shape === 'rectangle') return [[ax, ay], [bx, ay], [bx, by], [ax, by]]
  const corners: Point[] = []
  for (let k = 0; k < 48; k++) {
    const t = (2 * Math.PI * k) / 48
    corners.push([(ax + bx) / 2 + (Math.abs(bx - ax) / 2) * Math.cos(t), (ay + by) / 2 + (Math.abs(by - ay) / 2) * Math.sin(t)])
  }
  return corners
}

export function inside(points: Point[], at: Point): boolean {
  let within = false
  for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
    const [xi, yi] = points[i]!
    const [xj, yj] = points[j]!
    if (yi > at[1] !== yj > at[1] && at[0] < ((xj - xi) * (at[1] - yi)) / (yj - yi) + xi) within = !within
  }
  return within
}

export function shifted(points: Point[], dx: number, dy: number): Point[] {
  return points.map(([x, y]) => [x + dx, y + dy])
}

export function boxOf(points: Point[]): [number, number, number, number] {
  const xs = points.map((p) => p[0])
  const ys = points.map((p) => p[1])
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]
}

/** Fewer corners on a line drawn by hand: those that lie within a distance of it go (Douglas and Peucker). */
export function simplified(points: Point[], within: number): Point[] {
  if (points.length < 3) return points
  const [a, b] = [points[0]!, points[points.length - 1]!]
  let far = 0
  let at = 0
  for (let i = 1; i < points.length - 1; i++) {
    const d = distance(points[i]!, a, b)
    if (d > far) [far, at] = [d, i]
  }
  if (far <= within) return [a, b]
  return [...simplified(points.slice(0, at + 1), within).slice(0, -1), ...simplified(points.slice(at), within)]
}

function distance(p: Point, a: Point, b: Point): number {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]]
  const t = Math.min(1, Math.max(0, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / Math.max(dx * dx + dy * dy, 1e-12)))
  return Math.hypot(p[0] - a[0] - t * dx, p[1] - a[1] - t * dy)
}

/** Which letters stand at the left and the right edge of a view. */
export function sides(view: string): [string, string] {
  if (view.startsWith('posterior') || view === 'left posterior oblique' || view === 'right posterior oblique') return ['L', 'R']
  if (view.startsWith('anterior') || view === 'left anterior oblique' || view === 'right anterior oblique') return ['R', 'L']
  if (view === 'left lateral') return ['A', 'P']
  if (view === 'right lateral') return ['P', 'A']
  return ['', '']
}
