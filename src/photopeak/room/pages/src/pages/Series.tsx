// Frames one after the other: dynamic, gated and tomographic acquisitions, as a film.

import { useEffect, useState } from 'preact/hooks'
import type { Picture } from '../api'
import type { Look } from '../viewer/geometry'
import { plane as fetchPlane } from '../viewer/planes'
import { type Plane, View } from '../viewer/View'
import type { Display } from './Reading'

interface Props {
  study: number
  state: string
  picture: Picture
  look: Look
  onLook: (look: Look) => void
  display: Display
  onWindow: (low: number, high: number) => void
}

export function Series({ study, state, picture, look, onLook, display, onWindow }: Props) {
  const [at, setAt] = useState(0)
  const [plane, setPlane] = useState<Plane | null>(null)
  const [error, setError] = useState('')
  const [playing, setPlaying] = useState(false)
  const [rate, setRate] = useState(10)
  useEffect(() => {
    let current = true
    fetchPlane(study, state, picture, at).then((p) => current && setPlane(p), (e: Error) => current && setError(e.message))
    void fetchPlane(study, state, picture, (at + 1) % picture.planes).catch(() => undefined)
    return () => {
      current = false
    }
  }, [at, picture])
  useEffect(() => {
    if (!playing) return
    const timer = setInterval(() => setAt((a) => (a + 1) % picture.planes), 1000 / rate)
    return () => clearInterval(timer)
  }, [playing, rate])
  useEffect(() => {
    const pressed = (e: KeyboardEvent) => {
      if ((e.target as HTMLElement).matches('input, textarea, select, button')) return
      if (e.key === ' ') setPlaying((p) => !p)
      else if (e.key === 'ArrowRight') setAt((a) => (a + 1) % picture.planes)
      else if (e.key === 'ArrowLeft') setAt((a) => (a + picture.planes - 1) % picture.planes)
      else return
      e.preventDefault()
    }
    window.addEventListener('keydown', pressed)
    return () => window.removeEventListener('keydown', pressed)
  }, [picture])
  return (
    <div class="film">
      <div class="views">
        <View name={picture.title} view={labelOf(picture, at)} plane={plane} error={error} look={look} onLook={onLook} onWindow={onWindow} unit={picture.unit} window={display} />
      </div>
      <div class="film-bar">
        <button onClick={() => setPlaying(!playing)} aria-label={playing ? 'Stop' : 'Play'}>{playing ? '❚❚' : '▶'}</button>
        <input type="range" min="0" max={picture.planes - 1} value={at} aria-label="Frame" onInput={(e) => setAt(Number(e.currentTarget.value))} />
        <span>{at + 1} of {picture.planes}</span>
        <label>per second <input type="number" min="1" max="60" value={rate} onChange={(e) => setRate(Math.max(1, Number(e.currentTarget.value)))} /></label>
      </div>
    </div>
  )
}

/** Where a plane lies along the axes that it was numbered by. */
function labelOf(picture: Picture, plane: number): string {
  const axes = picture.axes.slice(0, -2)
  const words: string[] = []
  let rest = plane
  for (const axis of [...axes].reverse()) {
    const i = rest % axis.size
    rest = Math.floor(rest / axis.size)
    words.unshift(axis.labels[i] ?? `${axis.name} ${i + 1}`)
  }
  return words.join(', ')
}
