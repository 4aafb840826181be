// Colour maps: from a value between 0 and 1 to a colour.

export type MapName = 'grey' | 'grey on black' | 'hot' | 'viridis'

const STOPS: Record<MapName, [number, number, number][]> = {
  grey: [[255, 255, 255], [0, 0, 0]],
  'grey on black': [[0, 0, 0], [255, 255, 255]],
  hot: [[0, 0, 0], [230, 0, 0], [255, 210, 0], [255, 255, 255]],
  viridis: [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]],
}

export const MAPS = Object.keys(STOPS) as MapName[]

/** 256 colours as they lie in an ImageData, opaque. */
export function table(name: MapName): Uint32Array {
  const stops = STOPS[name]
  const out = new Uint32Array(256)
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (stops.length - 1)
    const k = Math.min(Math.floor(at), stops.length - 2)
    const [a, b] = [stops[k]!, stops[k + 1]!]
    const mix = (j: 0 | 1 | 2) => Math.round(a[j] + (at - k) * (b[j] - a[j]))
    out[i] = ((255 << 24) | (mix(2) << 16) | (mix(1) << 8) | mix(0)) >>> 0
  }
  return out
}

export interface Window {
  low: number
  high: number
  map: MapName
  root: boolean
}

/** Values through window and map into pixels. */
export function paint(values: ArrayLike<number>, window: Window, into: Uint32Array) {
  const colours = table(window.map)
  const scale = 1 / Math.max(window.high - window.low, 1e-12)
  for (let i = 0; i < into.length; i++) {
    let t = (values[i]! - window.low) * scale
    t = t < 0 ? 0 : t > 1 ? 1 : t
    if (window.root) t = Math.sqrt(t)
    into[i] = colours[(t * 255 + 0.5) | 0]!
  }
}
