// Planes of pictures, fetched once and kept while there is room.

import { type Picture, numbers } from '../api'
import type { Plane } from './View'

const LARGEST = 200
const kept = new Map<string, Promise<Plane>>()

export function plane(study: number, state: string, picture: Picture, index: number): Promise<Plane> {
  const name = `${study}/${state}/${picture.number}/${index}`
  const there = kept.get(name)
  if (there) return there
  const made = numbers(`/api/studies/${study}/pictures/${picture.number}/plane?plane=${index}`).then(({ values }) => ({
    values,
    rows: picture.rows,
    columns: picture.columns,
    dx: picture.spacing_mm.x ?? 1,
    dy: picture.spacing_mm.y ?? picture.spacing_mm.x ?? 1,
  }))
  kept.set(name, made)
  made.catch(() => kept.delete(name))
  if (kept.size > LARGEST) kept.delete(kept.keys().next().value!)
  return made
}

/** A lesion map from the server as a coloured image, transparent where nothing is. */
export async function heat(study: number, sha256: string, colour: [number, number, number]): Promise<ImageBitmap> {
  const answer = await fetch(`/api/studies/${study}/maps/${sha256}`)
  if (!answer.ok) throw new Error(`the map ${sha256} cannot be loaded`)
  return coloured(await answer.blob(), colour)
}

/** A grey PNG as a coloured image, as opaque as it is bright. */
export async function coloured(png: Blob, colour: [number, number, number]): Promise<ImageBitmap> {
  const grey = await createImageBitmap(png)
  const canvas = new OffscreenCanvas(grey.width, grey.height)
  const context = canvas.getContext('2d')!
  context.drawImage(grey, 0, 0)
  const data = context.getImageData(0, 0, grey.width, grey.height)
  const pixels = data.data
  for (let i = 0; i < pixels.length; i += 4) {
    const p = pixels[i]!
    pixels[i] = colour[0]
    pixels[i + 1] = colour[1]
    pixels[i + 2] = colour[2]
    pixels[i + 3] = p
  }
  context.putImageData(data, 0, 0)
  return createImageBitmap(canvas)
}
