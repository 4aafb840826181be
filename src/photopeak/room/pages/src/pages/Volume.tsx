// A volume: three cross-sections through one place, and the patient turning; another volume may lie over it.

import { useEffect, useMemo, useState } from 'preact/hooks'
import { type Picture, type Point, numbers } from '../api'
import { type Look, WHOLE } from '../viewer/geometry'
import { type Plane, View } from '../viewer/View'
import { type Box, type Cut, across, edges, fused, inverse, oblique } from '../viewer/volume'
import { quantity } from '../words'
import type { Display } from './Reading'

const STEPS = 36

interface Props {
  study: number
  state: string
  picture: Picture
  pictures: Picture[]
  display: Display
  onWindow: (low: number, high: number) => void
}

export function Volume({ study, picture, pictures, display, onWindow }: Props) {
  const [box, setBox] = useState<Box | null>(null)
  const [under, setUnder] = useState<Box | null>(null)
  const [mix, setMix] = useState(0.5)
  const [at, setAt] = useState<[number, number, number]>([0, 0, 0])
  const [error, setError] = useState('')
  const [turn, setTurn] = useState(0)
  const [playing, setPlaying] = useState(false)
  const [mip, setMip] = useState<Plane[]>([])
  const [looks, setLooks] = useState<Record<string, Look>>({})
  const ct = pictures.find((p) => p.manner === 'volume' && p.number !== picture.number)
  useEffect(() => {
    let current = true
    load(study, picture).then((b) => {
      if (!current) return
      setBox(b)
      setAt([Math.floor(b.size[0] / 2), Math.floor(b.size[1] / 2), Math.floor(b.size[2] / 2)])
    }, (e: Error) => current && setError(e.message))
    numbers(`/api/studies/${study}/pictures/${picture.number}/projections?steps=${STEPS}`).then(({ values, rows, columns }) => {
      const d = picture.spacing_mm.x ?? 1
      if (current) setMip(Array.from({ length: STEPS }, (_, k) => ({ values: values.subarray(k * rows * columns, (k + 1) * rows * columns), rows, columns, dx: d, dy: d })))
    }, () => undefined)
    return () => {
      current = false
    }
  }, [study, picture])
  useEffect(() => {
    if (!playing) return
    const timer = setInterval(() => setTurn((t) => (t + 1) % STEPS), 90)
    return () => clearInterval(timer)
  }, [playing])
  const fuse = () => {
    if (under) return setUnder(null)
    if (ct) load(study, ct).then(setUnder, (e: Error) => setError(e.message))
  }
  const cuts: Cut[] = ['axial', 'coronal', 'sagittal']
  const value = box ? box.values[(at[0] * box.size[1] + at[1]) * box.size[2] + at[2]]! : 0
  return (
    <div class="volume">
      <div class="views quad">
        {cuts.map((cut) => (
          <Section key={cut} cut={cut} box={box} under={under} mix={mix} at={at} onAt={setAt} display={display} onWindow={onWindow} unit={picture.unit} error={error}
            look={looks[cut] ?? WHOLE} onLook={(l) => setLooks({ ...looks, [cut]: l })} />
        ))}
        <View name="maximum intensity projection" view={turn === 0 ? 'anterior' : `turned ${Math.round((360 * turn) / STEPS)}°`} plane={mip[turn] ?? null} look={looks.mip ?? WHOLE} onLook={(l) => setLooks({ ...looks, mip: l })}
          unit={picture.unit} window={display} onWindow={onWindow} />
      </div>
      <div class="film-bar">
        <span>value here {quantity(value, picture.unit)}</span>
        {(['axial', 'coronal', 'sagittal'] as Cut[]).map((cut, i) => (
          <label key={cut}>{cut} <input type="range" min="0" max={Math.max(0, (box?.size[i] ?? 1) - 1)} value={at[i]} onInput={(e) => setAt(at.map((v, j) => (j === i ? Number(e.currentTarget.value) : v)) as [number, number, number])} /></label>
        ))}
        <button onClick={() => setPlaying(!playing)}>{playing ? 'stop' : 'turn'}</button>
        {ct && <button aria-pressed={!!under} class={under ? 'on' : ''} onClick={fuse}>with {ct.modality}</button>}
        {under && <input type="range" min="0" max="1" step="0.05" value={mix} aria-label="Share of this volume in the fusion" onInput={(e) => setMix(Number(e.currentTarget.value))} />}
      </div>
    </div>
  )
}

async function load(study: number, picture: Picture): Promise<Box> {
  const { values } = await numbers(`/api/studies/${study}/pictures/${picture.number}/volume`)
  const depth = picture.axes.find((a) => a.name === 'z')?.size ?? picture.planes
  return {
    values: (values as Float32Array).subarray(0, depth * picture.rows * picture.columns),
    size: [depth, picture.rows, picture.columns],
    affine: picture.affine_mm,
    inverse: inverse(picture.affine_mm),
    top: picture.top,
    ct: picture.modality === 'CT',
  }
}

interface SectionProps {
  cut: Cut
  box: Box | null
  under: Box | null
  mix: number
  at: [number, number, number]
  onAt: (at: [number, number, number]) => void
  display: Display
  onWindow: (low: number, high: number) => void
  unit: string
  error: string
  look: Look
  onLook: (look: Look) => void
}

function Section(props: SectionProps) {
  const { cut, box, under, at } = props
  const made = useMemo(() => (box ? across(box, cut, at) : null), [box, cut, cut === 'axial' ? at[0] : cut === 'coronal' ? at[1] : at[2]])
  const over = useMemo(() => (box && under && made ? fused(box, under, cut, at, made) : null), [box, under, cut, made])
  const [bitmap, setBitmap] = useState<ImageBitmap | null>(null)
  useEffect(() => {
    if (!over) return setBitmap(null)
    let current = true
    createImageBitmap(over).then((b) => current && setBitmap(b))
    return () => {
      current = false
    }
  }, [over])
  const pick = (p: Point | null) => {
    if (!p || !made || !box) return
    props.onAt(made.place(p))
  }
  return (
    <View name={`${cut} section`} view={box && oblique(box) ? `oblique, near ${cut}` : cut} edges={box ? edges(box, cut) : ['', '']} plane={made?.plane ?? null} error={props.error} look={props.look} onLook={props.onLook} unit={props.unit} window={props.display} onWindow={props.onWindow}
      overlays={bitmap ? [{ image: bitmap, colour: 'ct', opacity: 1 - props.mix }] : []} cursor={made?.cross ?? null} tool="look" onChoose={() => undefined} onPick={pick} />
  )
}
