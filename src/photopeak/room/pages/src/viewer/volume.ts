// Sections of a volume, and the section of another one at the same place in the patient.

import type { Point } from '../api'
import type { Plane } from './View'

export type Cut = 'axial' | 'coronal' | 'sagittal'

export interface Box {
  values: Float32Array
  /** Planes, rows, columns. */
  size: [number, number, number]
  /** From column, row, plane to millimetres in the patient (left, posterior, head). */
  affine: number[][]
  inverse: number[][]
  top: number
  ct: boolean
}

export interface Section {
  plane: Plane
  /** Where the three sections meet, on this one. */
  cross: Point
  place: (p: Point) => [number, number, number]
}

/** The inverse of a 4 × 4 matrix whose last row is 0 0 0 1. */
export function inverse(m: number[][]): number[][] {
  const [a, b, c] = m[0]! as [number, number, number, number]
  const [d, e, f] = m[1]! as [number, number, number, number]
  const [g, h, i] = m[2]! as [number, number, number, number]
  const det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
  const r = [
    [(e * i - f * h) / det, (c * h - b * i) / det, (b * f - c * e) / det],
    [(f * g - d * i) / det, (a * i - c * g) / det, (c * d - a * f) / det],
    [(d * h - e * g) / det, (b * g - a * h) / det, (a * e - b * d) / det],
  ]
  const t = [m[0]![3]!, m[1]![3]!, m[2]![3]!]
  return [...r.map((row) => [...row, -(row[0]! * t[0]! + row[1]! * t[1]! + row[2]! * t[2]!)]), [0, 0, 0, 1]]
}

function length(m: number[][], column: number): number {
  return Math.hypot(m[0]![column]!, m[1]![column]!, m[2]![column]!)
}

/** Where in the patient the right edge of a section points: one letter, or two where it lies between. */
export function edges(box: Box, cut: Cut): [string, string] {
  const column = cut === 'sagittal' ? 1 : 0
  const flipped = box.affine[column]![column]! < 0
  const n = length(box.affine, column)
  const v = [0, 1, 2].map((i) => ((flipped ? -1 : 1) * box.affine[i]![column]!) / n)
  const letters = (sign: number) =>
    v
      .map((x, i) => ({ x: sign * x, letter: sign * x > 0 ? 'LPH'[i]! : 'RAF'[i]! }))
      .filter((d) => Math.abs(d.x) > 0.35)
      .sort((a, b) => Math.abs(b.x) - Math.abs(a.x))
      .map((d) => d.letter)
      .join('')
  return [letters(-1), letters(1)]
}

/** Whether the volume's axes are not the patient's. */
export function oblique(box: Box): boolean {
  return [0, 1, 2].some((i) => Math.abs(box.affine[i]![i]!) / length(box.affine, i) < 0.95)
}

/** Which way an axis runs in the patient: +1 along the first letter's opposite, as the affine has it. */
function sign(m: number[][], column: number, row: number): number {
  return m[row]![column]! < 0 ? -1 : 1
}

/** One section, as physicians look at it: the patient's right on the left, the front above, the head above. */
export function across(box: Box, cut: Cut, at: [number, number, number]): Section {
  const [nz, ny, nx] = box.size
  const flipX = sign(box.affine, 0, 0) < 0
  const flipY = sign(box.affine, 1, 1) < 0
  const flipZ = sign(box.affine, 2, 2) > 0
  const [dx, dy, dz] = [length(box.affine, 0), length(box.affine, 1), length(box.affine, 2)]
  const X = (i: number) => (flipX ? nx - 1 - i : i)
  const Y = (i: number) => (flipY ? ny - 1 - i : i)
  const Z = (i: number) => (flipZ ? nz - 1 - i : i)
  const columns = cut === 'sagittal' ? ny : nx
  const rows = cut === 'axial' ? ny : nz
  const values = new Float32Array(rows * columns)
  const index = (row: number, column: number): [number, number, number] =>
    cut === 'axial' ? [at[0], Y(row), X(column)] : cut === 'coronal' ? [Z(row), at[1], X(column)] : [Z(row), Y(column), at[2]]
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) {
      const [z, y, x] = index(r, c)
      values[r * columns + c] = box.values[(z * ny + y) * nx + x]!
    }
  const plane = { values, rows, columns, dx: cut === 'sagittal' ? dy : dx, dy: cut === 'axial' ? dy : dz }
  const cross: Point = cut === 'axial' ? [X(at[2]) + 0.5, Y(at[1]) + 0.5] : cut === 'coronal' ? [X(at[2]) + 0.5, Z(at[0]) + 0.5] : [Y(at[1]) + 0.5, Z(at[0]) + 0.5]
  const clamp = (v: number, n: number) => Math.min(Math.max(Math.floor(v), 0), n - 1)
  return { plane, cross, place: ([x, y]) => index(clamp(y, rows), clamp(x, columns)) }
}

/** The other volume at the places of a section, as grey: CT between −200 and 300 HU, else up to its top. */
export function fused(box: Box, other: Box, _cut: Cut, _at: [number, number, number], section: Section): ImageData {
  const { rows, columns } = section.plane
  const out = new ImageData(columns, rows)
  const pixels = new Uint32Array(out.data.buffer)
  const [mz, my, mx] = other.size
  const [low, high] = other.ct ? [-200, 300] : [0, other.top]
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) {
      const [z, y, x] = section.place([c + 0.5, r + 0.5])
      const mm = box.affine.slice(0, 3).map((row) => row[0]! * x + row[1]! * y + row[2]! * z + row[3]!)
      const [i, j, k] = other.inverse.slice(0, 3).map((row) => Math.round(row[0]! * mm[0]! + row[1]! * mm[1]! + row[2]! * mm[2]! + row[3]!)) as [number, number, number]
      if (i < 0 || j < 0 || k < 0 || i >= mx || j >= my || k >= mz) continue
      const v = Math.round((255 * (other.values[(k * my + j) * mx + i]! - low)) / (high - low))
      const g = v < 0 ? 0 : v > 255 ? 255 : v
      pixels[r * columns + c] = ((255 << 24) | (g << 16) | (g << 8) | g) >>> 0
    }
  return out
}
